//! Connections that the API administers.

use std::sync::Arc;

use mcp_gateway_auth::accounts::{AccountCredentials, ConnectionProbe};

/// Connections of users, teams and the organization to servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections {
    credentials: AccountCredentials,
    probe: Option<Arc<dyn ConnectionProbe>>,
}

impl Connections {
    /// Administers the connections of `credentials`.
    #[must_use]
    pub fn new(credentials: AccountCredentials) -> Self {
        Self {
            credentials,
            probe: None,
        }
    }

    /// Tests values with `probe` before they are stored. Default: they are not tested.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn ConnectionProbe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Returns the connections.
    pub(crate) fn credentials(&self) -> &AccountCredentials {
        &self.credentials
    }

    /// Returns the test of values.
    pub(crate) fn probe(&self) -> Option<&dyn ConnectionProbe> {
        self.probe.as_deref()
    }
}
