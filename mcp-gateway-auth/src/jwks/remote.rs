use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::KeysError;
use super::set::KeySet;
use super::source::Source;
use crate::clock::Clock;
use crate::egress::Egress;

/// The keys of an issuer elsewhere. Cheap to clone.
///
/// They are fetched when they are needed first, and again after five minutes, or what
/// `Cache-Control` says between one minute and one hour. However many ask, there is one fetch at a
/// time. A key that is not known makes them be fetched at once, but not more than every thirty
/// seconds, so that a flood of made-up keys is none of fetches.
///
/// When they cannot be fetched, those from before are good for another hour, and then no token of
/// the issuer is. Fetches that fail are tried again after one second, two, four, up to a minute.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jwks::RemoteKeys;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let keys = RemoteKeys::discover("https://accounts.example.com", egress);
/// let set = keys.keys(None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteKeys {
    shared: Arc<Shared>,
    /// Ends with the last clone.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

struct Shared {
    clock: Clock,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
    egress: Egress,
    max_stale: u64,
    source: Source,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    error: Option<KeysError>,
    /// How many fetches in a row have failed.
    failures: u32,
    fresh_until: u64,
    is_fetching: bool,
    keys: Option<Arc<KeySet>>,
    last_fetch: u64,
}

/// What is to be done about a question.
enum Step {
    Answer(Result<Arc<KeySet>, KeysError>),
    /// Wait for a fetch, if there is one, and no longer than this where there are keys from before.
    Wait(Option<Duration>),
}

impl RemoteKeys {
    /// The keys at the address `url`.
    #[must_use]
    pub fn jwks(url: impl Into<String>, egress: Egress) -> Self {
        Self::new(Source::Jwks(url.into()), egress)
    }

    /// The keys of `issuer`, whose discovery document has to name it in exactly that form.
    #[must_use]
    pub fn discover(issuer: impl Into<String>, egress: Egress) -> Self {
        Self::new(Source::Issuer(issuer.into()), egress)
    }

    fn new(source: Source, egress: Egress) -> Self {
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

    /// Goes by `clock`. Begins anew, without keys.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.rebuilt(|shared| shared.clock = clock)
    }

    /// For how long keys are good that should have been fetched again; an hour if it is not said.
    /// Begins anew, without keys.
    #[must_use]
    pub fn with_max_stale(self, max_stale: Duration) -> Self {
        self.rebuilt(|shared| shared.max_stale = max_stale.as_secs())
    }

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

    /// The keys, with the one of the identifier `kid` among them if the issuer has it.
    ///
    /// # Errors
    ///
    /// When there are none that are still good.
    ///
    /// # Cancel safety
    ///
    /// A fetch that has begun goes on for others when this is dropped.
    pub async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, KeysError> {
        let mut ended = self.shared.ended.subscribe();
        let patience = match self.step(kid) {
            Step::Answer(answer) => return answer,
            Step::Wait(patience) => patience,
        };
        // The sender is in `self`, so this ends with a fetch and with nothing else.
        let fetch = ended.changed();
        match patience {
            Some(patience) => drop(timeout(patience, fetch).await),
            None => drop(fetch.await),
        }
        let state = self.shared.state();
        state.usable(self.shared.clock.now(), self.shared.max_stale)
    }

    fn step(&self, kid: Option<&str>) -> Step {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        let usable = state.usable(now, self.shared.max_stale);
        let is_fresh = usable.is_ok() && now < state.fresh_until;
        let is_known = |keys: &Arc<KeySet>| kid.is_none_or(|kid| keys.contains(kid));
        let has_key = usable.as_ref().is_ok_and(is_known);
        if is_fresh && has_key {
            return Step::Answer(usable);
        }
        if !state.is_fetching {
            let pause = match is_fresh {
                true => UNKNOWN_KEY_PAUSE.max(state.back_off()),
                false => state.back_off(),
            };
            if now < state.last_fetch.saturating_add(pause) {
                return Step::Answer(usable);
            }
            state.is_fetching = true;
            state.last_fetch = now;
            self.spawn();
        }
        Step::Wait(has_key.then_some(PATIENCE))
    }

    fn spawn(&self) {
        let fetch = Fetch(Arc::clone(&self.shared));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let shared = &fetch.0;
            let result = timeout(DEADLINE, shared.source.fetch(&shared.egress)).await;
            let result = result.unwrap_or(Err(KeysError::Unavailable));
            shared.state().take(result, shared.clock.now());
        });
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The keys, if they are still good.
    fn usable(&self, now: u64, max_stale: u64) -> Result<Arc<KeySet>, KeysError> {
        match &self.keys {
            Some(keys) if now < self.fresh_until.saturating_add(max_stale) => Ok(Arc::clone(keys)),
            _ => Err(self.error.unwrap_or(KeysError::Unavailable)),
        }
    }

    /// How long to wait after a fetch that failed.
    fn back_off(&self) -> u64 {
        match self.failures {
            0 => 0,
            failures => MAX_BACK_OFF.min(1 << (failures - 1).min(6)),
        }
    }

    fn take(&mut self, result: Result<(KeySet, Option<Duration>), KeysError>, now: u64) {
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
                tracing::warn!(%error, "the keys of an issuer were not fetched");
            }
        }
    }
}

/// A fetch that is under way, until it is dropped.
struct Fetch(Arc<Shared>);

impl Drop for Fetch {
    /// Also when its runtime ends before it does.
    fn drop(&mut self) {
        self.0.state().is_fetching = false;
        self.0
            .ended
            .send_modify(|ended| *ended = ended.wrapping_add(1));
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}

/// For the discovery document and the keys together.
const DEADLINE: Duration = Duration::from_secs(10);

/// For how long keys are kept where the response does not say, and between which bounds it may say.
const DEFAULT_AGE: u64 = 300;
const MIN_AGE: u64 = 60;
const MAX_AGE: u64 = 3600;

const MAX_BACK_OFF: u64 = 60;

const MAX_STALE: u64 = 3600;

/// How long a caller waits for newer keys where there are some that are still good.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after a fetch an unknown key makes for another one.
const UNKNOWN_KEY_PAUSE: u64 = 30;
