//! Supplied values in a store.

use std::fmt;

use serde::{Deserialize, Serialize};

use mcp_gateway_core::credential::Challenge;

use super::{InputRejection, InputServer, InputValues};
use crate::AuthServerError;
use crate::secret::random_id;

/// Connection with the values that its owner has supplied.
///
/// The serialized form contains the values, and must be sealed; `Debug` omits them.
#[derive(Clone, Deserialize, Serialize)]
pub struct SuppliedInputs {
    /// Identifier of the connection, new each time that the owner supplies values.
    connection: String,
    /// Digest of what the values are sent to.
    recipient: String,
    values: InputValues,
    supplied_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection: Option<InputRejection>,
}

impl SuppliedInputs {
    /// Creates the connection of `values` for `server`, supplied at `now` in seconds since the Unix
    /// epoch.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Random`] if the system has no random numbers.
    pub fn new(
        server: &InputServer,
        values: InputValues,
        now: u64,
    ) -> Result<Self, AuthServerError> {
        Ok(Self {
            connection: random_id("")?,
            recipient: server.recipient().to_owned(),
            values,
            supplied_at: now,
            rejection: None,
        })
    }

    /// Returns the time at which the values were supplied, in seconds since the Unix epoch.
    #[must_use]
    pub fn supplied_at(&self) -> u64 {
        self.supplied_at
    }

    /// Returns the last rejection of the values by the server.
    #[must_use]
    pub fn rejection(&self) -> Option<&InputRejection> {
        self.rejection.as_ref()
    }

    /// Records a rejection with `challenge`. Returns `None` if it is known.
    pub(in crate::accounts) fn rejected(mut self, challenge: &Challenge) -> Option<Self> {
        let rejection = Some(InputRejection::new(challenge, &self.values));
        let is_new = self.rejection != rejection;
        self.rejection = rejection;
        is_new.then_some(self)
    }

    /// Returns `true` if the values may be sent to `server`, and are those that it requires.
    ///
    /// They must not if its address or its program has been changed since they were supplied.
    #[must_use]
    pub fn is_for(&self, server: &InputServer) -> bool {
        self.recipient == server.recipient() && self.values.satisfy(server.inputs())
    }

    /// Returns the identifier of the connection.
    pub(in crate::accounts) fn connection(&self) -> &str {
        &self.connection
    }

    /// Returns the values.
    pub(super) fn values(&self) -> &InputValues {
        &self.values
    }
}

impl fmt::Debug for SuppliedInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuppliedInputs")
            .field("connection", &self.connection)
            .field("values", &self.values)
            .field("supplied_at", &self.supplied_at)
            .finish_non_exhaustive()
    }
}
