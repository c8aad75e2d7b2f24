use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio::time;

use super::{Claims, Session};
use crate::auth::Principal;
use crate::error::SessionError;
use crate::replica::Replica;
use crate::seal::{SealError, Sealer};
use crate::task::Task;

/// The sessions of clients of the legacy era.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sealer: Arc<Sealer>,
    replica: OnceLock<Replica>,
    lifetime: Duration,
    idle: Duration,
    max: usize,
    /// Sessions that are used, by their identifiers.
    live: RwLock<HashMap<Box<str>, Arc<Session>>>,
    /// The keys of sessions that have ended, for as long as their identifiers would open.
    ended: Mutex<Ended>,
    sweeper: OnceLock<Task>,
}

#[derive(Debug, Default)]
struct Ended {
    keys: HashSet<Arc<str>>,
    order: VecDeque<(Instant, Arc<str>)>,
}

impl Sessions {
    /// How long a session lasts by default: clients keep them for as long as a person works.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

    /// How long a session lasts by default without being used.
    pub const DEFAULT_IDLE: Duration = Duration::from_secs(1800);

    /// How many sessions there can be at a time by default.
    pub const DEFAULT_MAX: usize = 50_000;

    /// Sessions that end with this process, because only it knows the key of their identifiers.
    ///
    /// # Errors
    ///
    /// [`SealError`] when the system has no random numbers.
    pub fn ephemeral() -> Result<Self, SealError> {
        Ok(Self::new(Arc::new(Sealer::random()?)))
    }

    /// Sessions whose identifiers `sealer` seals.
    ///
    /// They last a day, or half an hour without being used, and there are up to 50,000 at a time.
    #[must_use]
    pub fn new(sealer: Arc<Sealer>) -> Self {
        Self::with_limits(
            sealer,
            Self::DEFAULT_LIFETIME,
            Self::DEFAULT_IDLE,
            Self::DEFAULT_MAX,
        )
    }

    /// Sessions that last for `lifetime`, or for `idle` without being used, and of which there are
    /// up to `max` at a time.
    #[must_use]
    pub fn with_limits(
        sealer: Arc<Sealer>,
        lifetime: Duration,
        idle: Duration,
        max: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            sealer,
            replica: OnceLock::new(),
            lifetime,
            idle,
            max,
            live: RwLock::default(),
            ended: Mutex::default(),
            sweeper: OnceLock::new(),
        }))
    }

    /// Lets the answers of clients find their way to `replica`, which has asked, when they reach
    /// another one. Has an effect only once.
    #[must_use]
    pub fn with_replica(self, replica: Replica) -> Self {
        // A second one has lost.
        let _ = self.0.replica.set(replica);
        self
    }

    /// How many sessions are used at present.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0
            .live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Begins a session; returns its identifier.
    pub(crate) fn begin(&self, claims: Claims) -> Result<(String, Arc<Session>), SessionError> {
        let mut key = [0; 16];
        aws_lc_rs::rand::fill(&mut key).map_err(SealError::from)?;
        let key: Arc<str> = hex(&key).into();
        let text = claims.to_text(&key, self.0.lifetime);
        let id = self.0.sealer.seal(PURPOSE, text.as_bytes())?;
        let session = self.insert(&id, self.session(key, claims))?;
        Ok((id, session))
    }

    /// The session that `id` identifies, if it is one of `principal` at `gateway`.
    pub(crate) fn find(
        &self,
        id: &str,
        principal: &Principal,
        gateway: &str,
    ) -> Result<Arc<Session>, SessionError> {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        let found = live.get(id).cloned();
        drop(live);
        let session = match found {
            Some(session) => session,
            None => self.revive(id)?,
        };
        let claims = session.claims();
        if claims.principal != *principal || *claims.gateway != *gateway {
            return Err(SessionError::Unknown);
        }
        session.touch();
        Ok(session)
    }

    /// Ends the session that `id` identifies.
    pub(crate) fn end(&self, id: &str, session: &Arc<Session>) {
        self.0.bury(session);
        self.0
            .live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        session.end();
    }

    /// Ends all streams, because the gateway shuts down. The sessions themselves go on elsewhere,
    /// or after a restart.
    pub fn close(&self) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        for (_, session) in live.drain() {
            session.end();
        }
    }

    /// Takes up a session that only its client remembers.
    fn revive(&self, id: &str) -> Result<Arc<Session>, SessionError> {
        let text = self
            .0
            .sealer
            .open(PURPOSE, id)
            .ok_or(SessionError::Unknown)?;
        let (key, claims) = Claims::from_text(&text).ok_or(SessionError::Unknown)?;
        if self.0.ended().keys.contains(&key) {
            return Err(SessionError::Unknown);
        }
        self.insert(id, self.session(key, claims))
    }

    fn session(&self, key: Arc<str>, claims: Claims) -> Arc<Session> {
        Session::new(key, claims, self.0.replica.get().cloned())
    }

    fn insert(&self, id: &str, session: Arc<Session>) -> Result<Arc<Session>, SessionError> {
        self.0
            .sweeper
            .get_or_init(|| Task::spawn(sweep(Arc::downgrade(&self.0))));
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.len() >= self.0.max && !live.contains_key(id) {
            return Err(SessionError::TooMany);
        }
        Ok(Arc::clone(live.entry(id.into()).or_insert(session)))
    }
}

impl Inner {
    /// Remembers that a session has ended, because its identifier would still open.
    fn bury(&self, session: &Session) {
        let mut ended = self.ended();
        let key = session.key();
        if ended.keys.insert(Arc::clone(key)) {
            ended.order.push_back((Instant::now(), Arc::clone(key)));
        }
        while ended.order.len() > MAX_ENDED {
            ended.forget_oldest();
        }
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of sessions that nobody uses.
    fn sweep(&self) {
        let mut idle = Vec::new();
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, session| {
            let keep = session.idle().is_none_or(|for_| for_ < self.idle);
            if !keep {
                idle.push(Arc::clone(session));
            }
            keep
        });
        drop(live);
        for session in idle {
            // One that the client carries as a whole goes on when it is used again.
            match session.is_carried_by_client() {
                true => session.rest(),
                false => {
                    self.bury(&session);
                    session.end();
                }
            }
        }
        let mut ended = self.ended();
        while ended
            .order
            .front()
            .is_some_and(|(when, _)| when.elapsed() > self.lifetime)
        {
            ended.forget_oldest();
        }
    }
}

impl Ended {
    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.keys.remove(&key);
        }
    }
}

async fn sweep(sessions: Weak<Inner>) {
    loop {
        let Some(pause) = sessions.upgrade().map(|sessions| sessions.idle / 4) else {
            return;
        };
        time::sleep(pause.clamp(MIN_SWEEP, MAX_SWEEP)).await;
        if let Some(sessions) = sessions.upgrade() {
            sessions.sweep();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many ended sessions are remembered: at 120 bytes each, twelve megabytes.
const MAX_ENDED: usize = 100_000;

/// How often is looked for sessions that nobody uses.
const MAX_SWEEP: Duration = Duration::from_secs(30);
const MIN_SWEEP: Duration = Duration::from_millis(100);

const PURPOSE: &str = "session";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Capabilities, Version};

    fn claims(subject: &str) -> Claims {
        Claims {
            principal: Principal::new(subject),
            gateway: "g".into(),
            version: Version::V2025_11_25,
            capabilities: Capabilities::default(),
            client_info: None,
        }
    }

    fn sessions(max: usize) -> Sessions {
        let sealer = Arc::new(Sealer::new(&[7; 32]).unwrap());
        let hour = Duration::from_secs(3600);
        Sessions::with_limits(sealer, hour, Duration::from_millis(200), max)
    }

    #[tokio::test]
    async fn a_session_is_of_use_to_its_own_principal_only() {
        let sessions = sessions(10);
        let (id, session) = sessions.begin(claims("alice")).unwrap();
        let find =
            |id: &str, who: &str, gateway: &str| sessions.find(id, &Principal::new(who), gateway);
        assert!(Arc::ptr_eq(&find(&id, "alice", "g").unwrap(), &session));
        assert_eq!(find(&id, "bob", "g").unwrap_err(), SessionError::Unknown);
        assert_eq!(find(&id, "alice", "h").unwrap_err(), SessionError::Unknown);
        assert_eq!(
            find("forged", "alice", "g").unwrap_err(),
            SessionError::Unknown
        );
        assert!(id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    }

    #[tokio::test]
    async fn a_session_outlives_the_process_but_not_its_end() {
        let before = sessions(10);
        let (id, session) = before.begin(claims("alice")).unwrap();
        let after = sessions(10);
        let revived = after.find(&id, &Principal::new("alice"), "g").unwrap();
        assert_eq!(revived.key(), session.key());
        after.end(&id, &revived);
        let again = after.find(&id, &Principal::new("alice"), "g");
        assert_eq!(again.unwrap_err(), SessionError::Unknown);
    }

    #[tokio::test]
    async fn there_is_an_end_to_sessions() {
        let sessions = sessions(2);
        let (id, _) = sessions.begin(claims("alice")).unwrap();
        sessions.begin(claims("bob")).unwrap();
        assert_eq!(
            sessions.begin(claims("carol")).unwrap_err(),
            SessionError::TooMany
        );
        assert!(sessions.find(&id, &Principal::new("alice"), "g").is_ok());
        time::sleep(Duration::from_millis(500)).await;
        assert_eq!(sessions.count(), 0, "idle ones cost nothing");
        assert!(
            sessions.find(&id, &Principal::new("alice"), "g").is_ok(),
            "and go on when used"
        );
    }

    #[tokio::test]
    async fn an_idle_session_that_would_lose_something_ends() {
        let sessions = sessions(2);
        let (id, session) = sessions.begin(claims("alice")).unwrap();
        session.state().subscriptions.insert("a:b".to_owned());
        time::sleep(Duration::from_millis(500)).await;
        let again = sessions.find(&id, &Principal::new("alice"), "g");
        assert_eq!(again.unwrap_err(), SessionError::Unknown);
    }
}
