//! Open channels of clients of HTTP+SSE.
//!
//! They belong to the sessions and not to an endpoint, so that messages reach a channel whose
//! gateway has been built anew meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::auth::Authentication;
use crate::error::SessionError;
use crate::jsonrpc::Message;

/// An open event stream, to whose client messages are posted.
#[async_trait]
pub(crate) trait MessageChannel: Send + Sync {
    /// Returns the name of the gateway at which the stream was opened.
    fn gateway(&self) -> &str;

    /// Handles a message that the client posts.
    ///
    /// # Errors
    ///
    /// [`SessionError::Unknown`] if another principal posts it.
    async fn handle(
        &self,
        message: Message,
        authentication: Authentication,
    ) -> Result<(), SessionError>;

    /// Ends the stream, because the client has disconnected.
    fn close(&self);
}

/// Open channels by their random name.
#[derive(Clone, Default)]
pub(crate) struct Channels(Arc<Mutex<HashMap<String, Arc<dyn MessageChannel>>>>);

/// Guard that ends a channel when its client disconnects.
pub(crate) struct ChannelGuard {
    channels: Channels,
    name: String,
    channel: Arc<dyn MessageChannel>,
}

impl Channels {
    /// Adds a channel, which is open until the returned guard is dropped.
    pub(crate) fn open(&self, name: String, channel: Arc<dyn MessageChannel>) -> ChannelGuard {
        self.lock().insert(name.clone(), Arc::clone(&channel));
        ChannelGuard {
            channels: self.clone(),
            name,
            channel,
        }
    }

    /// Returns the channel `name` of `gateway`.
    ///
    /// # Errors
    ///
    /// [`SessionError::Unknown`] if it is not open.
    pub(crate) fn find(
        &self,
        name: &str,
        gateway: &str,
    ) -> Result<Arc<dyn MessageChannel>, SessionError> {
        let found = self.lock().get(name).cloned();
        found
            .filter(|channel| channel.gateway() == gateway)
            .ok_or(SessionError::Unknown)
    }

    /// Locks the channels.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn MessageChannel>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ChannelGuard {
    fn drop(&mut self) {
        self.channels.lock().remove(&self.name);
        self.channel.close();
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("open", &self.lock().len())
            .finish()
    }
}
