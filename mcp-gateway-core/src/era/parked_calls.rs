//! Parked calls: calls of modern clients that wait for input, which a legacy server has requested.
//!
//! The store holds the open requests of the servers; the clients hold sealed references to them.
//! Four properties keep it safe:
//!
//! - The reference is bound to the principal, the gateway, the server and the request.
//! - It can be redeemed once: the call is removed by the first retry.
//! - The number of calls is limited in total and per principal, so that one caller cannot fill the
//!   store.
//! - A call that is not retried in time is abandoned: its requests are rejected, and its stream is
//!   dropped.

mod held;
mod limits;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{self, Instant};

pub(crate) use self::held::HeldCall;
pub use self::limits::ParkedCallLimits;
use super::request_state::{ParkedCallRef, RequestState};
use crate::Call;
use crate::auth::Principal;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, code};
use crate::replica::Replica;
use crate::reply::{ReplyStream, ServerRequest};
use crate::seal::{SealError, Sealer, fill_random};
use crate::task::BackgroundTask;

/// Store of calls of modern clients that wait for input, which a legacy server has requested.
///
/// A parked call waits until its client retries it with the answers, by default for at most ten
/// minutes. The in-flight request stays open on the server. The client carries a sealed
/// `requestState`, which only its principal can redeem, once, for the same request.
///
/// Cloning is cheap; usually all servers of a process share one store. The calls are lost with the
/// process: a later retry is rejected with [`UpstreamError::InvalidRequestState`].
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use mcp_gateway_core::Sealer;
/// use mcp_gateway_core::era::{ParkedCallLimits, ParkedCalls};
///
/// let sealer = Arc::new(Sealer::random()?);
/// let limits = ParkedCallLimits::default().with_lifetime(Duration::from_secs(60));
/// let parked_calls = ParkedCalls::with_limits(sealer, limits);
/// assert_eq!(parked_calls.count(), 0);
/// # Ok::<_, mcp_gateway_core::SealError>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias("elicitation", "sampling", "requestState"))]
pub struct ParkedCalls(Arc<Inner>);

/// State that the clones share.
struct Inner {
    /// Cipher of `requestState`.
    sealer: Arc<Sealer>,
    /// Address of this replica, and access to the others, once it is set.
    replica: OnceLock<Replica>,
    /// Lifetime and number of parked calls.
    limits: ParkedCallLimits,
    /// Parked calls.
    calls: Mutex<Calls>,
    /// Task that evicts expired calls.
    sweeper: OnceLock<BackgroundTask>,
}

/// Parked calls.
#[derive(Default)]
struct Calls {
    /// Calls by their key.
    parked: HashMap<String, Entry>,
    /// Number of calls that wait until their user has connected an account.
    held: usize,
    /// Number of parked and held calls per principal; without entries of 0.
    per_principal: HashMap<Principal, usize>,
}

/// A parked call.
struct Entry {
    /// Original call, without its reference to the buffer of the HTTP request.
    call: Arc<Call<Prepared>>,
    /// Time after which the call is abandoned.
    expires: Instant,
    /// Requests and messages of the server.
    waiting: ParkedCall,
    /// Task that abandons the call once the credential of its caller is revoked.
    lease: Option<BackgroundTask>,
}

/// The pending part of a call: the state of the exchange with the server.
pub(super) struct ParkedCall {
    /// Unanswered requests of the server. Each is answered or rejected exactly once.
    pub(super) requests: Vec<ServerRequest>,
    /// Messages of the server that follow the answers.
    pub(super) events: ReplyStream,
}

/// Result of the look-up of a `requestState`.
pub(super) enum ParkedLookup {
    /// A call of this replica, which has been removed from the store.
    Local(ParkedCall),
    /// A call of another replica, which must resume it.
    Remote {
        /// This replica, with access to the others.
        replica: Replica,
        /// URL of the replica that holds the call.
        at: String,
        /// Key of the call there.
        key: String,
    },
    /// No call waits; the server must be called again.
    Retry,
}

impl ParkedCalls {
    /// Creates a store with the default limits; `sealer` seals the `requestState`.
    #[must_use]
    pub fn new(sealer: Arc<Sealer>) -> Self {
        Self::with_limits(sealer, ParkedCallLimits::default())
    }

    /// Creates a store with the given limits; `sealer` seals the `requestState`.
    ///
    /// A call beyond a limit fails with [`UpstreamError::Overloaded`], and the requests of its
    /// server are rejected.
    #[must_use]
    pub fn with_limits(sealer: Arc<Sealer>, limits: ParkedCallLimits) -> Self {
        Self(Arc::new(Inner {
            sealer,
            replica: OnceLock::new(),
            limits,
            calls: Mutex::default(),
            sweeper: OnceLock::new(),
        }))
    }

    /// Creates a store with the default limits whose `requestState` is valid in this process only,
    /// because its key is generated.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub fn ephemeral() -> Result<Self, SealError> {
        Ok(Self::new(Arc::new(Sealer::random()?)))
    }

    /// Sets the replica that is named in each `requestState`.
    ///
    /// A retry that reaches another replica is forwarded to it, because it holds the call. All
    /// replicas need the same sealer. Only the first call takes effect.
    #[must_use]
    pub fn with_replica(self, replica: Replica) -> Self {
        // A later value is discarded, because clones share the first one.
        let _ = self.0.replica.set(replica);
        self
    }

    /// Returns the number of parked calls, for example for a metric. It includes those that wait
    /// until their user has connected an account.
    #[must_use]
    pub fn count(&self) -> usize {
        let calls = self.0.calls();
        calls.parked.len() + calls.held
    }

    /// Returns the maximum number of parked calls.
    pub(crate) fn max(&self) -> usize {
        self.0.limits.max()
    }

    /// Parks `call` and returns the `requestState` for its client.
    ///
    /// If the call cannot be parked, the requests of the server are rejected.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Overloaded`] beyond a limit, [`UpstreamError::Connect`] if the system
    /// provides no randomness.
    pub(super) async fn park(
        &self,
        call: &Arc<Call<Prepared>>,
        waiting: ParkedCall,
    ) -> Result<String, UpstreamError> {
        let (key, state) = match self.new_state(call) {
            Ok(request_state) => request_state,
            Err(error) => {
                waiting.abandon().await;
                return Err(UpstreamError::connect(error));
            }
        };
        if let Some(waiting) = self.0.insert(key.clone(), call, waiting) {
            waiting.abandon().await;
            return Err(UpstreamError::Overloaded {
                retry_after: FULL_RETRY,
            });
        }
        self.end_with_credential(&key, call);
        let inner = Arc::downgrade(&self.0);
        self.0
            .sweeper
            .get_or_init(|| BackgroundTask::spawn(sweep(inner)));
        Ok(state)
    }

    /// Abandons the call parked under `key` once its credential is revoked.
    fn end_with_credential(&self, key: &str, call: &Call<Prepared>) {
        let mut watch = call.caller().watch();
        if !watch.can_be_revoked() {
            return;
        }
        let (inner, parked) = (Arc::downgrade(&self.0), key.to_owned());
        let lease = BackgroundTask::spawn(async move {
            watch.revoked().await;
            if let Some(inner) = inner.upgrade() {
                tracing::info!("credential revoked, parked call abandoned");
                inner.calls().abandon(&parked);
            }
        });
        if let Some(parked) = self.0.calls().parked.get_mut(key) {
            parked.lease = Some(lease);
        }
    }

    /// Returns a new random key of 128 bits, and the sealed `requestState` for it.
    fn new_state(&self, call: &Call<Prepared>) -> Result<(String, String), SealError> {
        let mut key = [0; 16];
        fill_random(&mut key)?;
        let key = u128::from_ne_bytes(key).to_string();
        let place = ParkedCallRef {
            key: key.clone(),
            replica: self.0.replica.get().map(|replica| replica.url().to_owned()),
        };
        let request_state =
            RequestState::new(call, Some(place), self.0.limits.lifetime().as_secs());
        Ok((key, request_state.seal(&self.0.sealer)?))
    }

    /// Returns a `requestState` without a parked call: with its retry, the server is called again.
    pub(super) fn retry_state(&self, call: &Call<Prepared>) -> Result<String, UpstreamError> {
        let request_state = RequestState::new(call, None, self.0.limits.lifetime().as_secs());
        request_state
            .seal(&self.0.sealer)
            .map_err(UpstreamError::connect)
    }

    /// Resolves the `requestState` of `call`. A call of this replica is removed from the store.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::InvalidRequestState`] if it is invalid, expired or used;
    /// [`UpstreamError::ReplicaUnavailable`] if the call is held by another replica and this one has no
    /// access to it.
    pub(super) fn lookup(&self, call: &Call<Prepared>) -> Result<ParkedLookup, UpstreamError> {
        let request_state =
            RequestState::open(call, &self.0.sealer).ok_or(UpstreamError::InvalidRequestState)?;
        let Some(ParkedCallRef { key, replica: at }) = request_state.parked else {
            return Ok(ParkedLookup::Retry);
        };
        let own = self.0.replica.get();
        match at {
            Some(at) if own.is_none_or(|own| own.url() != at) => {
                let replica = own.cloned().ok_or(UpstreamError::ReplicaUnavailable)?;
                Ok(ParkedLookup::Remote { replica, at, key })
            }
            _ => self
                .remove(&key)
                .map(|(_, waiting)| ParkedLookup::Local(waiting)),
        }
    }

    /// Removes and returns the call parked under `key`; [`UpstreamError::InvalidRequestState`] if there is
    /// none.
    pub(super) fn remove(
        &self,
        key: &str,
    ) -> Result<(Arc<Call<Prepared>>, ParkedCall), UpstreamError> {
        let parked = self.0.calls().remove(key);
        let parked = parked.ok_or(UpstreamError::InvalidRequestState)?;
        Ok((parked.call, parked.waiting))
    }
}

impl Inner {
    /// Locks the calls.
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a call; returns its pending part if a limit is exceeded.
    fn insert(
        &self,
        key: String,
        call: &Arc<Call<Prepared>>,
        waiting: ParkedCall,
    ) -> Option<ParkedCall> {
        let mut calls = self.calls();
        let principal = call.principal();
        let of_one = calls
            .per_principal
            .get(principal)
            .copied()
            .unwrap_or_default();
        if calls.parked.len() + calls.held >= self.limits.max()
            || of_one >= self.limits.max_per_principal()
        {
            return Some(waiting);
        }
        let principal = principal.clone().without_assertion();
        *calls.per_principal.entry(principal).or_default() += 1;
        let parked = Entry {
            call: Arc::new(call.with_request(call.request().to_owned_buffer())),
            expires: Instant::now() + self.limits.lifetime(),
            waiting,
            lease: None,
        };
        calls.parked.insert(key, parked);
        None
    }

    /// Abandons expired calls, in the background.
    fn sweep(&self) {
        let now = Instant::now();
        let mut calls = self.calls();
        let over = calls.parked.iter().filter(|(_, call)| call.expires <= now);
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            calls.abandon(&key);
        }
    }
}

impl Calls {
    /// Abandons the call `key`, in the background.
    fn abandon(&mut self, key: &str) {
        if let Some(parked) = self.remove(key) {
            BackgroundTask::detach(parked.waiting.abandon());
        }
    }

    /// Removes the call `key`, and updates the count of its principal.
    fn remove(&mut self, key: &str) -> Option<Entry> {
        let parked = self.parked.remove(key)?;
        self.release(parked.call.principal());
        Some(parked)
    }
}

impl ParkedCall {
    /// Rejects the requests of the server with an internal error; dropping the messages then
    /// cancels the call.
    pub(super) async fn abandon(self) {
        let error = ErrorObject::new(code::INTERNAL_ERROR, "no answer from the client");
        for question in &self.requests {
            // A server that is gone needs no answer.
            let _ = time::timeout(GIVE_UP_TIMEOUT, question.reject(&error)).await;
        }
    }
}

/// Abandons expired calls until the store is dropped, once per [`SWEEP`].
async fn sweep(parked_calls: Weak<Inner>) {
    while let Some(inner) = parked_calls.upgrade() {
        inner.sweep();
        drop(inner);
        time::sleep(SWEEP).await;
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Delay after which a rejected call should be retried.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// Maximum time for rejecting a request of the server.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval between sweeps of expired calls.
const SWEEP: Duration = Duration::from_secs(1);
