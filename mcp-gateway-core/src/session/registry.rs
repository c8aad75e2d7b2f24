//! Registry of sessions: issuing, resolving, expiry and eviction.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tokio::time;

use super::{Channels, Session, SessionLimits, SessionRecord, SessionSummary};
use crate::auth::Principal;
use crate::error::SessionError;
use crate::protocol::ProtocolVersion;
use crate::replica::Replica;
use crate::seal::{SealError, Sealer, fill_random};
use crate::task::BackgroundTask;
use crate::trace::{SessionTimer, SpanKind, SpanObserver, SpanTransport};

/// Registry of the sessions of clients of the legacy era.
///
/// Cloning is cheap; clones share the registry. A background task sweeps idle sessions while any
/// clone exists.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use mcp_gateway_core::Sealer;
/// use mcp_gateway_core::session::{SessionLimits, Sessions};
///
/// // The key must be secret, random and shared by all replicas.
/// let sealer = Arc::new(Sealer::random()?);
/// let limits = SessionLimits::default().with_idle(Duration::from_secs(600)).with_max(1_000);
/// let sessions = Sessions::with_limits(sealer, limits);
/// assert_eq!(sessions.count(), 0);
/// # Ok::<_, mcp_gateway_core::SealError>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias("Mcp-Session-Id"))]
pub struct Sessions(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    /// Cipher of session IDs.
    sealer: Arc<Sealer>,
    /// This replica, once it is set.
    replica: OnceLock<Replica>,
    /// Observer of the ends of sessions, once it is set.
    observer: OnceLock<Arc<dyn SpanObserver>>,
    /// Lifetime, idle timeout and number of sessions.
    limits: SessionLimits,
    /// Sessions in use by their ID.
    live: RwLock<HashMap<Box<str>, Arc<Session>>>,
    /// Keys of ended sessions whose IDs have not expired.
    tombstones: Mutex<Tombstones>,
    /// Open channels of HTTP+SSE.
    channels: Channels,
    /// Task that evicts idle sessions.
    sweeper: OnceLock<BackgroundTask>,
}

/// Bounded set of the keys of ended sessions.
#[derive(Debug, Default)]
struct Tombstones {
    keys: HashSet<Arc<str>>,
    order: VecDeque<(Instant, Arc<str>)>,
}

impl Sessions {
    /// Creates a registry with a random key, so that sessions end with the process.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub fn ephemeral() -> Result<Self, SealError> {
        Ok(Self::new(Arc::new(Sealer::random()?)))
    }

    /// Creates a registry whose session IDs are encrypted by `sealer`, with the default limits.
    #[must_use]
    pub fn new(sealer: Arc<Sealer>) -> Self {
        Self::with_limits(sealer, SessionLimits::default())
    }

    /// Returns the cipher of the session IDs, which replicas share.
    pub(crate) fn sealer(&self) -> &Arc<Sealer> {
        &self.0.sealer
    }

    /// Creates a registry whose session IDs are encrypted by `sealer`, with the given limits.
    #[must_use]
    pub fn with_limits(sealer: Arc<Sealer>, limits: SessionLimits) -> Self {
        Self(Arc::new(Inner {
            sealer,
            replica: OnceLock::new(),
            observer: OnceLock::new(),
            limits,
            live: RwLock::default(),
            tombstones: Mutex::default(),
            channels: Channels::default(),
            sweeper: OnceLock::new(),
        }))
    }

    /// Routes answers of clients that reach another replica to `replica`, which holds the
    /// upstream's request.
    ///
    /// Only the first call takes effect.
    #[must_use]
    pub fn with_replica(self, replica: Replica) -> Self {
        // Only the first call takes effect.
        let _ = self.0.replica.set(replica);
        self
    }

    /// Sets the observer of the ends of sessions.
    ///
    /// Only the first call takes effect.
    #[must_use]
    pub fn with_span_observer(self, observer: Arc<dyn SpanObserver>) -> Self {
        // Only the first call takes effect.
        let _ = self.0.observer.set(observer);
        self
    }

    /// Returns the number of sessions in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0
            .live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Returns the sessions in use, in any order.
    #[must_use]
    pub fn list(&self) -> Vec<SessionSummary> {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        live.values().map(|session| session.summary()).collect()
    }

    /// Ends the session with the [key](Session::key) `key` and its calls, as the client could.
    ///
    /// Returns `false` if there is none in use at this replica.
    pub fn end_by_key(&self, key: &str) -> bool {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = live.iter();
        let found = sessions.find(|(_, session)| **session.key() == *key);
        let found = found.map(|(id, session)| (id.clone(), Arc::clone(session)));
        drop(live);
        if let Some((id, session)) = &found {
            self.revoke(id, session);
        }
        found.is_some()
    }

    /// Returns the open channels of HTTP+SSE.
    pub(crate) fn channels(&self) -> &Channels {
        &self.0.channels
    }

    /// Starts a session and returns its ID.
    pub(crate) fn create(
        &self,
        record: SessionRecord,
    ) -> Result<(String, Arc<Session>), SessionError> {
        let mut key = [0; 16];
        fill_random(&mut key)?;
        let key: Arc<str> = hex(&key).into();
        let text = record.to_text(&key, self.0.limits.lifetime());
        let id = self.0.sealer.seal(PURPOSE, text.as_bytes())?;
        let session = self.insert(&id, self.session(key, record))?;
        Ok((id, session))
    }

    /// Returns the session `id` if it belongs to `principal` and `gateway`.
    ///
    /// Decrypts the ID if the session is not in memory. A session of another principal is reported
    /// as unknown, so that IDs cannot be probed.
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
            None => self.restore(id)?,
        };
        let record = session.record();
        if record.principal != *principal || *record.gateway != *gateway {
            return Err(SessionError::Unknown);
        }
        session.touch();
        Ok(session)
    }

    /// Ends the session `id`, as a client's DELETE request demands.
    pub(crate) fn end(&self, id: &str, session: &Arc<Session>) {
        self.0.add_tombstone(session);
        self.0
            .live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        session.end();
    }

    /// Ends the session `id`, because the credential of its client has been revoked: its streams end
    /// without what the client has not read yet.
    pub(super) fn revoke(&self, id: &str, session: &Arc<Session>) {
        session.interrupt_streams();
        self.end(id, session);
    }

    /// Returns a reference for a task that sessions own.
    pub(super) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    /// Closes all streams and cancels all calls, because the gateway shuts down.
    ///
    /// The session IDs stay valid: another replica, or the same one after a restart, resumes the
    /// sessions.
    pub fn close(&self) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        for (_, session) in live.drain() {
            session.end();
        }
    }

    /// Restores a session that is not in memory from its ID.
    fn restore(&self, id: &str) -> Result<Arc<Session>, SessionError> {
        let text = self
            .0
            .sealer
            .open(PURPOSE, id)
            .ok_or(SessionError::Unknown)?;
        let (key, record) = SessionRecord::from_text(&text).ok_or(SessionError::Unknown)?;
        if self.0.tombstones().keys.contains(&key) {
            return Err(SessionError::Unknown);
        }
        self.insert(id, self.session(key, record))
    }

    /// Creates a session of this replica.
    fn session(&self, key: Arc<str>, record: SessionRecord) -> Arc<Session> {
        Session::new(key, record, self.0.replica.get().cloned())
    }

    /// Returns what reports the end of a session of `version`, if somebody observes sessions.
    fn timer(&self, version: ProtocolVersion) -> Option<SessionTimer> {
        let observer = self.0.observer.get()?;
        // The sessions of the registry are those of HTTP, but for a few on standard input.
        let transport = SpanTransport::Tcp;
        let timer = SessionTimer::start(observer, SpanKind::Server, version, transport);
        Some(timer)
    }

    /// Inserts a session unless one with its ID exists; starts the sweeper on first use.
    fn insert(&self, id: &str, session: Arc<Session>) -> Result<Arc<Session>, SessionError> {
        self.0
            .sweeper
            .get_or_init(|| BackgroundTask::spawn(sweep(Arc::downgrade(&self.0))));
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.len() >= self.0.limits.max() && !live.contains_key(id) {
            return Err(SessionError::TooMany);
        }
        // One that is not inserted has not begun.
        let inserted = live.entry(id.into()).or_insert_with(|| {
            session.set_timer(self.timer(session.version()));
            session
        });
        Ok(Arc::clone(inserted))
    }
}

impl Inner {
    /// Records the end of a session, because its ID could still be decrypted.
    fn add_tombstone(&self, session: &Session) {
        let mut ended = self.tombstones();
        let key = session.key();
        if ended.keys.insert(Arc::clone(key)) {
            ended.order.push_back((Instant::now(), Arc::clone(key)));
        }
        while ended.order.len() > MAX_ENDED {
            ended.forget_oldest();
        }
    }

    /// Locks the set of ended sessions.
    fn tombstones(&self) -> MutexGuard<'_, Tombstones> {
        self.tombstones
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Evicts idle sessions and forgets ended ones whose IDs have expired.
    fn sweep(&self) {
        let mut idle = Vec::new();
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, session| {
            let keep = session
                .idle_for()
                .is_none_or(|for_| for_ < self.limits.idle());
            if !keep {
                idle.push(Arc::clone(session));
            }
            keep
        });
        drop(live);
        for session in idle {
            // A session that its ID restores completely is resumed on its next use.
            match session.is_carried_by_client() {
                true => session.pause_subscription(),
                false => {
                    self.add_tombstone(&session);
                    session.end();
                }
            }
        }
        let mut ended = self.tombstones();
        while ended
            .order
            .front()
            .is_some_and(|(when, _)| when.elapsed() > self.limits.lifetime())
        {
            ended.forget_oldest();
        }
    }
}

impl Tombstones {
    /// Removes the oldest key.
    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.keys.remove(&key);
        }
    }
}

/// Sweeps until the registry is dropped.
async fn sweep(sessions: Weak<Inner>) {
    loop {
        let Some(pause) = sessions
            .upgrade()
            .map(|sessions| sessions.limits.idle() / 4)
        else {
            return;
        };
        time::sleep(pause.clamp(MIN_SWEEP, MAX_SWEEP)).await;
        if let Some(sessions) = sessions.upgrade() {
            sessions.sweep();
        }
    }
}

/// Returns the lower-case hexadecimal form of `bytes`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Maximum number of remembered ended sessions: 12 MB at 120 bytes each.
const MAX_ENDED: usize = 100_000;

/// Longest interval between idle sweeps.
const MAX_SWEEP: Duration = Duration::from_secs(30);
/// Shortest interval between idle sweeps.
const MIN_SWEEP: Duration = Duration::from_millis(100);

/// Purpose to which the cipher binds session IDs, so that no other sealed text is accepted as one.
const PURPOSE: &str = "session";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Capabilities, ProtocolVersion};

    fn record(subject: &str) -> SessionRecord {
        SessionRecord {
            principal: Principal::new(subject),
            gateway: "g".into(),
            version: ProtocolVersion::V2025_11_25,
            capabilities: Capabilities::default(),
            client_info: None,
        }
    }

    fn sessions(max: usize) -> Sessions {
        let sealer = Arc::new(Sealer::new(&[7; 32]).unwrap());
        let limits = SessionLimits::default()
            .with_lifetime(Duration::from_secs(3600))
            .with_idle(Duration::from_millis(200))
            .with_max(max);
        Sessions::with_limits(sealer, limits)
    }

    #[tokio::test]
    async fn a_session_is_of_use_to_its_own_principal_only() {
        let sessions = sessions(10);
        let (id, session) = sessions.create(record("alice")).unwrap();
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
        let (id, session) = before.create(record("alice")).unwrap();
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
        let (id, _) = sessions.create(record("alice")).unwrap();
        sessions.create(record("bob")).unwrap();
        assert_eq!(
            sessions.create(record("carol")).unwrap_err(),
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
        let (id, session) = sessions.create(record("alice")).unwrap();
        session.state().subscriptions.insert("a:b".to_owned());
        time::sleep(Duration::from_millis(500)).await;
        let again = sessions.find(&id, &Principal::new("alice"), "g");
        assert_eq!(again.unwrap_err(), SessionError::Unknown);
    }
}
