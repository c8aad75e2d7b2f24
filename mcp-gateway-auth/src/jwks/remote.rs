//! The cached key set of another issuer.
//!
//! Three properties protect the gateway and the issuer from each other. There is at most one fetch
//! at a time. Unknown key IDs, which anybody can invent, trigger a fetch at most every thirty
//! seconds. An issuer that is down does not invalidate its tokens at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::source::JwksSource;
use crate::clock::Clock;
use crate::egress::Egress;
use crate::jose::{JwksError, KeySet};

/// The key set of another issuer. Cheap to clone; all clones share the cached keys.
///
/// Keys are fetched on first use. They are fetched again after five minutes, or after the `max-age`
/// of `Cache-Control`, within one minute and one hour. Concurrent callers share one fetch. An
/// unknown key ID triggers an immediate fetch, but at most every thirty seconds: a flood of
/// invented key IDs does not become a flood of requests.
///
/// If a fetch fails, the previous keys remain valid for another hour; afterwards all tokens of the
/// issuer are rejected. Failed fetches are retried with a delay of one second, two, four, and so
/// on, up to one minute.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jwks::RemoteJwks;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let keys = RemoteJwks::discover("https://accounts.example.com", egress);
/// let set = keys.keys(None).await?;
/// assert!(!set.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// An issuer that the policy forbids has no keys, and no request is sent:
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jose::JwksError;
/// use mcp_gateway_auth::jwks::RemoteJwks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let keys = RemoteJwks::discover("https://169.254.169.254", egress);
/// assert_eq!(keys.keys(None).await.err(), Some(JwksError::Unavailable));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteJwks {
    shared: Arc<Shared>,
    /// Running fetches. They are aborted when the last clone is dropped.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// State that all clones and a running fetch share.
struct Shared {
    clock: Clock,
    /// Number of completed fetches; waiting callers subscribe to it.
    ended: watch::Sender<u64>,
    egress: Egress,
    max_stale: u64,
    source: JwksSource,
    state: Mutex<State>,
}

/// The cached keys and the schedule of the fetches. Times are in seconds since the Unix epoch.
#[derive(Debug, Default)]
struct State {
    error: Option<JwksError>,
    /// Number of consecutive failed fetches.
    failures: u32,
    fresh_until: u64,
    is_fetching: bool,
    keys: Option<Arc<KeySet>>,
    last_fetch: u64,
}

/// The next step of a lookup.
enum FetchDecision {
    /// Return the cached result.
    Answer(Result<Arc<KeySet>, JwksError>),
    /// Wait for a running fetch. If there are valid keys already, wait for at most this time.
    Wait(Option<Duration>),
}

impl RemoteJwks {
    /// Uses the JWK set at `url`.
    #[must_use]
    pub fn jwks(url: impl Into<String>, egress: Egress) -> Self {
        Self::new(JwksSource::Jwks(url.into()), egress)
    }

    /// Uses the JWK set at `url`, which requires the access token in the file `token`: that of a
    /// Kubernetes cluster requires one of a service account.
    ///
    /// The file is read for each request.
    #[must_use]
    pub fn protected(url: impl Into<String>, token: impl Into<PathBuf>, egress: Egress) -> Self {
        let (url, token) = (url.into(), token.into());
        Self::new(JwksSource::Protected { url, token }, egress)
    }

    /// Uses the JWK set that the discovery document of `issuer` refers to.
    ///
    /// The `issuer` in that document must be exactly equal.
    #[must_use]
    pub fn discover(issuer: impl Into<String>, egress: Egress) -> Self {
        Self::new(JwksSource::Issuer(issuer.into()), egress)
    }

    fn new(source: JwksSource, egress: Egress) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Clock::system(),
                ended: watch::Sender::new(0),
                egress,
                max_stale: MAX_STALE,
                source,
                state: Mutex::default(),
            }),
            tasks: Arc::default(),
        }
    }

    /// Replaces the clock. The cache starts empty.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.rebuilt(|shared| shared.clock = clock)
    }

    /// Sets how long expired keys remain valid while they cannot be fetched: one hour by default.
    /// The cache starts empty.
    #[must_use]
    pub fn with_max_stale(self, max_stale: Duration) -> Self {
        self.rebuilt(|shared| shared.max_stale = max_stale.as_secs())
    }

    /// Rebuilds the shared state, because its running fetches use the old one.
    fn rebuilt(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared {
            clock: self.shared.clock.clone(),
            ended: watch::Sender::new(0),
            egress: self.shared.egress.clone(),
            max_stale: self.shared.max_stale,
            source: self.shared.source.clone(),
            state: Mutex::default(),
        };
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
            tasks: Arc::default(),
        }
    }

    /// Returns the keys, and fetches them if they are stale or do not contain the key ID `kid`.
    ///
    /// If valid keys exist already, the call waits for newer ones for at most two seconds.
    ///
    /// # Errors
    ///
    /// The error of the last fetch if there are no valid keys.
    ///
    /// # Cancel safety
    ///
    /// A running fetch continues for other callers if this future is dropped.
    pub async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, JwksError> {
        let mut ended = self.shared.ended.subscribe();
        let patience = match self.step(kid) {
            FetchDecision::Answer(answer) => return answer,
            FetchDecision::Wait(patience) => patience,
        };
        // The sender is owned by `self`, so this completes exactly when a fetch does.
        let fetch = ended.changed();
        match patience {
            Some(patience) => drop(timeout(patience, fetch).await),
            None => drop(fetch.await),
        }
        let state = self.shared.state();
        state.usable(self.shared.clock.now(), self.shared.max_stale)
    }

    /// Decides on a lookup, and starts a fetch if one is due.
    fn step(&self, kid: Option<&str>) -> FetchDecision {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        let usable = state.usable(now, self.shared.max_stale);
        let is_fresh = usable.is_ok() && now < state.fresh_until;
        let is_known = |keys: &Arc<KeySet>| kid.is_none_or(|kid| keys.contains(kid));
        let has_key = usable.as_ref().is_ok_and(is_known);
        if is_fresh && has_key {
            return FetchDecision::Answer(usable);
        }
        if !state.is_fetching {
            let pause = match is_fresh {
                true => UNKNOWN_KEY_PAUSE.max(state.back_off()),
                false => state.back_off(),
            };
            if now < state.last_fetch.saturating_add(pause) {
                return FetchDecision::Answer(usable);
            }
            state.is_fetching = true;
            state.last_fetch = now;
            self.spawn();
        }
        FetchDecision::Wait(has_key.then_some(PATIENCE))
    }

    /// Starts a fetch in the background.
    fn spawn(&self) {
        let fetch = Fetch(Arc::clone(&self.shared));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let shared = &fetch.0;
            let result = timeout(DEADLINE, shared.source.fetch(&shared.egress)).await;
            let result = result.unwrap_or(Err(JwksError::Unavailable));
            shared.state().accept(result, shared.clock.now());
        });
    }
}

impl Shared {
    /// Locks the state. A panic in another thread cannot leave it inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the keys if they are fresh, or stale within `max_stale`.
    fn usable(&self, now: u64, max_stale: u64) -> Result<Arc<KeySet>, JwksError> {
        match &self.keys {
            Some(keys) if now < self.fresh_until.saturating_add(max_stale) => Ok(Arc::clone(keys)),
            _ => Err(self.error.unwrap_or(JwksError::Unavailable)),
        }
    }

    /// Returns the delay after failed fetches, in seconds: exponential, up to a minute.
    fn back_off(&self) -> u64 {
        match self.failures {
            0 => 0,
            failures => MAX_BACK_OFF.min(1 << (failures - 1).min(6)),
        }
    }

    /// Stores the result of a fetch.
    fn accept(&mut self, result: Result<(KeySet, Option<Duration>), JwksError>, now: u64) {
        match result {
            Ok((keys, max_age)) => {
                let age = max_age.map_or(DEFAULT_AGE, |age| age.as_secs());
                self.fresh_until = now.saturating_add(age.clamp(MIN_AGE, MAX_AGE));
                self.keys = Some(Arc::new(keys));
                self.failures = 0;
                self.error = None;
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.error = Some(error);
                tracing::warn!(%error, "key set fetch failed");
            }
        }
    }
}

/// A running fetch. Dropping it wakes the waiting callers.
struct Fetch(Arc<Shared>);

impl Drop for Fetch {
    /// Runs also if the runtime shuts down in the middle of a fetch, so that no caller waits
    /// forever.
    fn drop(&mut self) {
        self.0.state().is_fetching = false;
        self.0
            .ended
            .send_modify(|ended| *ended = ended.wrapping_add(1));
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}

/// Deadline for the discovery document and the key set together.
const DEADLINE: Duration = Duration::from_secs(10);

/// Lifetime of cached keys without `Cache-Control`, in seconds, and the bounds of `max-age`.
const DEFAULT_AGE: u64 = 300;
const MIN_AGE: u64 = 60;
const MAX_AGE: u64 = 3600;

/// Maximum delay between retries, in seconds.
const MAX_BACK_OFF: u64 = 60;

/// Default of [`RemoteJwks::with_max_stale`], in seconds.
const MAX_STALE: u64 = 3600;

/// Maximum wait for newer keys while valid ones exist.
const PATIENCE: Duration = Duration::from_secs(2);

/// Minimum interval between fetches that an unknown key ID triggers, in seconds.
const UNKNOWN_KEY_PAUSE: u64 = 30;
