//! Browser sessions, as documents in the store.
//!
//! A session is in the store and not in the cookie, so that it can be revoked at once.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_store::{Batch, Documents, Versioned};
use serde::{Deserialize, Serialize};

use crate::AuthServerError;
use crate::clock::{Clock, system_time};
use crate::keyring::Handle;
use crate::secret::random_id;
use crate::users::{User, Users};

/// The browser sessions in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SessionStore {
    absolute: u64,
    clock: Clock,
    documents: Documents<Session>,
    idle: u64,
}

/// A stored browser session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Session {
    /// User ID.
    pub(super) user: String,
    /// Time of the login, in seconds since the Unix epoch.
    pub(super) authenticated_at: u64,
    /// Time of the last use, with a resolution of minutes.
    seen: u64,
}

impl SessionStore {
    /// Uses the store of `users`, with the default timeouts.
    pub(super) fn new(users: &Users) -> Self {
        Self {
            absolute: ABSOLUTE.as_secs(),
            clock: users.clock().clone(),
            documents: Documents::new(Arc::clone(users.store()), "auth/session/"),
            idle: IDLE.as_secs(),
        }
    }

    /// Sets the idle and the absolute timeout.
    pub(super) fn limit(&mut self, idle: Duration, absolute: Duration) {
        self.idle = idle.as_secs();
        self.absolute = absolute.as_secs();
    }

    /// Returns the absolute timeout, in seconds.
    pub(super) fn max_age(&self) -> u64 {
        self.absolute
    }

    /// Starts a session of `user`, who has just logged in.
    pub(super) async fn start(&self, user: &User) -> Result<Handle, AuthServerError> {
        let id = random_id("")?;
        let session = Session {
            user: user.id.clone(),
            authenticated_at: user.session_start(self.clock.now()),
            seen: self.clock.now(),
        };
        let batch = Batch::new().if_absent(self.documents.key(&id));
        let batch = self.put(batch, &id, &session)?;
        let _ = self.documents.store().commit(batch).await?;
        Ok(Handle::new(id, 0))
    }

    /// Returns the session of `handle` unless it has expired, and records its use.
    pub(super) async fn find(
        &self,
        handle: Handle,
    ) -> Result<Option<(String, Session)>, AuthServerError> {
        let Handle { id, .. } = handle;
        let Some(Versioned { mut value, version }) = self.documents.get(&id).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        if now >= self.expires_at(&value) {
            return Ok(None);
        }
        if now >= value.seen.saturating_add(GRAIN.min(self.idle / 4)) {
            value.seen = now;
            let batch = Batch::new().if_version(self.documents.key(&id), version);
            let batch = self.put(batch, &id, &value)?;
            // On a conflict, another replica has recorded the use, or the session has just ended.
            // The next request sees it.
            let _ = self.documents.store().commit(batch).await?;
        }
        Ok(Some((id, value)))
    }

    /// Ends the session of `handle`.
    pub(super) async fn end(&self, handle: &Handle) -> Result<(), AuthServerError> {
        let batch = Batch::new().delete(self.documents.key(&handle.id));
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }

    /// Adds the write of a session to `batch`, with its expiration time.
    fn put(&self, batch: Batch, id: &str, session: &Session) -> Result<Batch, AuthServerError> {
        let expires = system_time(self.expires_at(session));
        Ok(self.documents.put(batch, id, session, Some(expires))?)
    }

    /// Returns the expiration time: the earlier one of both timeouts.
    fn expires_at(&self, session: &Session) -> u64 {
        let absolute = session.authenticated_at.saturating_add(self.absolute);
        absolute.min(session.seen.saturating_add(self.idle))
    }
}

/// Default idle timeout: a working day with the hours around it.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// Default absolute timeout: users log in once a week.
const ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Minimum interval between writes of the last use, in seconds.
const GRAIN: u64 = 300;
