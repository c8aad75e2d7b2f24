use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_store::{Batch, Documents, Stored};
use serde::{Deserialize, Serialize};

use crate::AuthorityError;
use crate::clock::{Clock, moment};
use crate::keyring::Handle;
use crate::secret::identifier;
use crate::users::{User, Users};

/// The sessions of people with browsers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    absolute: u64,
    clock: Clock,
    documents: Documents<Session>,
    idle: u64,
}

/// The session of a person with a browser, as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Session {
    /// The identifier of the person.
    pub(super) person: String,
    /// When they logged in.
    pub(super) authenticated_at: u64,
    /// When it was used last, or some minutes before.
    seen: u64,
}

impl Sessions {
    pub(super) fn new(users: &Users) -> Self {
        Self {
            absolute: ABSOLUTE.as_secs(),
            clock: users.clock().clone(),
            documents: Documents::new(Arc::clone(users.store()), "auth/session/"),
            idle: IDLE.as_secs(),
        }
    }

    pub(super) fn limit(&mut self, idle: Duration, absolute: Duration) {
        self.idle = idle.as_secs();
        self.absolute = absolute.as_secs();
    }

    /// For how long a session can last at most, in seconds.
    pub(super) fn max_age(&self) -> u64 {
        self.absolute
    }

    /// A new session of `user`, who has just said who they are.
    pub(super) async fn begin(&self, user: &User) -> Result<Handle, AuthorityError> {
        let id = identifier("")?;
        let session = Session {
            person: user.id.clone(),
            authenticated_at: user.session_start(self.clock.now()),
            seen: self.clock.now(),
        };
        let batch = Batch::new().if_absent(self.documents.key(&id));
        let batch = self.put(batch, &id, &session)?;
        let _ = self.documents.store().commit(batch).await?;
        Ok(Handle::new(id, 0))
    }

    /// The session of `handle`, unless it is over.
    pub(super) async fn find(
        &self,
        handle: Handle,
    ) -> Result<Option<(String, Session)>, AuthorityError> {
        let Handle { id, .. } = handle;
        let Some(Stored { mut value, version }) = self.documents.get(&id).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        if now >= self.end(&value) {
            return Ok(None);
        }
        if now >= value.seen.saturating_add(GRAIN.min(self.idle / 4)) {
            value.seen = now;
            let batch = Batch::new().if_version(self.documents.key(&id), version);
            let batch = self.put(batch, &id, &value)?;
            // Somebody else has noted it, or it has just ended, which the next request will see.
            let _ = self.documents.store().commit(batch).await?;
        }
        Ok(Some((id, value)))
    }

    /// Ends the session of `handle`.
    pub(super) async fn end_of(&self, handle: &Handle) -> Result<(), AuthorityError> {
        let batch = Batch::new().delete(self.documents.key(&handle.id));
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }

    fn put(&self, batch: Batch, id: &str, session: &Session) -> Result<Batch, AuthorityError> {
        let expires = moment(self.end(session));
        Ok(self.documents.put(batch, id, session, Some(expires))?)
    }

    fn end(&self, session: &Session) -> u64 {
        let absolute = session.authenticated_at.saturating_add(self.absolute);
        absolute.min(session.seen.saturating_add(self.idle))
    }
}

/// A working day, with what comes before and after it.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// People log in once a week.
const ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The use of a session is noted no more often than that, in seconds.
const GRAIN: u64 = 300;
