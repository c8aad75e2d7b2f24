//! Backend of servers of this process that receive calls with their callers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::UpstreamError;
use crate::transport::Transport;
use crate::upstream::{EmbeddedServer, Instance, RuntimeBackend};

/// A backend of an [`EmbeddedServer`]. Cheap to clone.
///
/// All callers share the server, and nothing is started or connected.
#[derive(Clone, Debug)]
pub struct Embedded(Arc<dyn EmbeddedServer>);

impl Embedded {
    /// Creates a backend of `server`.
    #[must_use]
    pub fn new(server: Arc<dyn EmbeddedServer>) -> Self {
        Self(server)
    }
}

#[async_trait]
impl RuntimeBackend for Embedded {
    /// Fails: the server is [embedded](RuntimeBackend::embedded), and has no transport.
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        Err(UpstreamError::Closed)
    }

    fn embedded(&self) -> Option<Arc<dyn EmbeddedServer>> {
        Some(Arc::clone(&self.0))
    }
}
