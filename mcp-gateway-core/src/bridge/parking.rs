use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{self, Instant};

use super::ticket::{Place, Ticket};
use crate::Call;
use crate::auth::Principal;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, code};
use crate::limit::FOREVER;
use crate::replica::Replica;
use crate::reply::{Events, ServerRequest};
use crate::seal::{SealError, Sealer};
use crate::task::Task;

/// Calls of which a server of the legacy era wants to know more, and whose clients, which are of
/// the modern era, have been told so.
///
/// A parked call waits until its client repeats it with the answers, for ten minutes at most by
/// default. Cheap to clone; usually all servers of a process share one.
#[derive(Clone, Debug)]
pub struct Parking(Arc<Inner>);

struct Inner {
    sealer: Arc<Sealer>,
    replica: OnceLock<Replica>,
    lifetime: Duration,
    max: usize,
    max_of_one: usize,
    calls: Mutex<Calls>,
    sweeper: OnceLock<Task>,
}

#[derive(Default)]
struct Calls {
    parked: HashMap<String, Parked>,
    of: HashMap<Principal, usize>,
}

struct Parked {
    call: Arc<Call<Prepared>>,
    expires: Instant,
    waiting: Waiting,
}

/// A call whose client has to answer something.
pub(super) struct Waiting {
    /// What is to be answered.
    pub(super) questions: Vec<ServerRequest>,
    /// What the server sends after that.
    pub(super) events: Events,
}

/// What waits for a client that brings along a state.
pub(super) enum Found {
    /// A call here.
    Here(Waiting),
    /// A call at another replica.
    There {
        replica: Replica,
        at: String,
        key: String,
    },
    /// Nothing; the server is to be called again.
    Nothing,
}

impl Parking {
    /// How long a call is parked by default: long enough for a person to fill in a form.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

    /// How many calls can be parked by default.
    pub const DEFAULT_MAX: usize = 10_000;

    /// How many calls of one principal can be parked by default.
    pub const DEFAULT_MAX_OF_ONE: usize = 1000;

    /// Parks calls with the default limits; `sealer` seals what their clients carry.
    #[must_use]
    pub fn new(sealer: Arc<Sealer>) -> Self {
        let (max, of_one) = (Self::DEFAULT_MAX, Self::DEFAULT_MAX_OF_ONE);
        Self::with_limits(sealer, Self::DEFAULT_LIFETIME, max, of_one)
    }

    /// Parks up to `max` calls, and up to `max_of_one` of one principal, each for `lifetime`.
    #[must_use]
    pub fn with_limits(
        sealer: Arc<Sealer>,
        lifetime: Duration,
        max: usize,
        max_of_one: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            sealer,
            replica: OnceLock::new(),
            lifetime: lifetime.min(FOREVER),
            max,
            max_of_one,
            calls: Mutex::default(),
            sweeper: OnceLock::new(),
        }))
    }

    /// Parks calls with the default limits. What their clients carry is of no use to any other
    /// process.
    ///
    /// # Errors
    ///
    /// [`SealError`] when the system has no random numbers.
    pub fn ephemeral() -> Result<Self, SealError> {
        Ok(Self::new(Arc::new(Sealer::random()?)))
    }

    /// Tells clients that their calls are parked at `replica`, so that what they send elsewhere is
    /// passed on to it. Has an effect only once.
    #[must_use]
    pub fn with_replica(self, replica: Replica) -> Self {
        // A second one has lost.
        let _ = self.0.replica.set(replica);
        self
    }

    /// How many calls are parked.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.calls().parked.len()
    }

    /// How many calls can be parked.
    pub(crate) fn max(&self) -> usize {
        self.0.max
    }

    /// Parks `call`; returns the state that its client is to bring along.
    ///
    /// Where that is not possible, the server is told that nobody will answer.
    pub(super) async fn park(
        &self,
        call: &Arc<Call<Prepared>>,
        waiting: Waiting,
    ) -> Result<String, UpstreamError> {
        let (key, state) = match self.ticket(call) {
            Ok(ticket) => ticket,
            Err(error) => {
                waiting.give_up().await;
                return Err(UpstreamError::connect(error));
            }
        };
        if let Some(waiting) = self.0.insert(key, call, waiting) {
            waiting.give_up().await;
            return Err(UpstreamError::Overloaded {
                retry_after: FULL_RETRY,
            });
        }
        let inner = Arc::downgrade(&self.0);
        self.0.sweeper.get_or_init(|| Task::spawn(sweep(inner)));
        Ok(state)
    }

    fn ticket(&self, call: &Call<Prepared>) -> Result<(String, String), SealError> {
        let mut key = [0; 16];
        aws_lc_rs::rand::fill(&mut key).map_err(SealError::from)?;
        let key = u128::from_ne_bytes(key).to_string();
        let place = Place {
            key: key.clone(),
            replica: self.0.replica.get().map(|replica| replica.url().to_owned()),
        };
        let ticket = Ticket::new(call, Some(place), self.0.lifetime.as_secs());
        Ok((key, ticket.seal(&self.0.sealer)?))
    }

    /// The state by which a client has `call` made again, with nothing that waits for it.
    pub(super) fn again(&self, call: &Call<Prepared>) -> Result<String, UpstreamError> {
        let ticket = Ticket::new(call, None, self.0.lifetime.as_secs());
        ticket.seal(&self.0.sealer).map_err(UpstreamError::connect)
    }

    /// What waits for the client of `call`, which brings along a state. What is here cannot be
    /// found again.
    pub(super) fn find(&self, call: &Call<Prepared>) -> Result<Found, UpstreamError> {
        let ticket = Ticket::open(call, &self.0.sealer).ok_or(UpstreamError::RequestState)?;
        let Some(Place { key, replica: at }) = ticket.place else {
            return Ok(Found::Nothing);
        };
        let own = self.0.replica.get();
        match at {
            Some(at) if own.is_none_or(|own| own.url() != at) => {
                let replica = own.cloned().ok_or(UpstreamError::ReplicaGone)?;
                Ok(Found::There { replica, at, key })
            }
            _ => self.take(&key).map(|(_, waiting)| Found::Here(waiting)),
        }
    }

    /// Takes up the call that is parked as `key`; it cannot be taken up again.
    pub(super) fn take(&self, key: &str) -> Result<(Arc<Call<Prepared>>, Waiting), UpstreamError> {
        let parked = self.0.calls().remove(key);
        let parked = parked.ok_or(UpstreamError::RequestState)?;
        Ok((parked.call, parked.waiting))
    }
}

impl Inner {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the call back when there is no room for it.
    fn insert(&self, key: String, call: &Arc<Call<Prepared>>, waiting: Waiting) -> Option<Waiting> {
        let mut calls = self.calls();
        let principal = call.principal();
        let of_one = calls.of.get(principal).copied().unwrap_or_default();
        if calls.parked.len() >= self.max || of_one >= self.max_of_one {
            return Some(waiting);
        }
        *calls.of.entry(principal.clone()).or_default() += 1;
        let parked = Parked {
            call: Arc::new(call.repeat(call.request().detached())),
            expires: Instant::now() + self.lifetime,
            waiting,
        };
        calls.parked.insert(key, parked);
        None
    }

    /// Gives up the calls whose time is over.
    fn sweep(&self) {
        let now = Instant::now();
        let mut calls = self.calls();
        let over = calls.parked.iter().filter(|(_, call)| call.expires <= now);
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            if let Some(parked) = calls.remove(&key) {
                Task::detach(parked.waiting.give_up());
            }
        }
    }
}

impl Calls {
    fn remove(&mut self, key: &str) -> Option<Parked> {
        let parked = self.parked.remove(key)?;
        let principal = parked.call.principal();
        if let Some(count) = self.of.get_mut(principal) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(principal);
            }
        }
        Some(parked)
    }
}

impl Waiting {
    /// Tells the server that nobody will answer; the end of the events cancels the call.
    pub(super) async fn give_up(self) {
        let error = ErrorObject::new(code::INTERNAL_ERROR, "the client has not answered");
        for question in &self.questions {
            // A server that is gone needs no answer.
            let _ = time::timeout(GIVE_UP_TIMEOUT, question.refuse(&error)).await;
        }
    }
}

async fn sweep(parking: Weak<Inner>) {
    while let Some(inner) = parking.upgrade() {
        inner.sweep();
        drop(inner);
        time::sleep(SWEEP).await;
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("lifetime", &self.lifetime)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// When to try again if no more calls can be parked.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// How long telling the server may take that nobody will answer.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// How often is looked for calls whose time is over.
const SWEEP: Duration = Duration::from_secs(1);
