//! Sessions of clients that the API administers.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// Sessions of the clients of a platform, as far as this replica has them in memory.
pub trait ClientSessions: fmt::Debug + Send + Sync + 'static {
    /// Returns the sessions, ordered by their keys.
    fn sessions(&self) -> Vec<SessionDocument>;

    /// Ends the session with the key `id`, and its calls; returns `false` if there is none.
    fn end(&self, id: &str) -> bool;
}

/// Session of a client of MCP 2025-11-25 or earlier.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Session)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `ClientSessions` make them"
)]
pub struct SessionDocument {
    /// Key, which the audit log has, too. It is not the session ID, which is a credential.
    pub id: String,
    /// Subject of the principal that has begun it.
    pub subject: String,
    /// Identifier of the gateway.
    pub gateway: String,
    /// Protocol version.
    pub version: String,
    /// Name of the client, as it has declared itself.
    pub client: Option<String>,
    /// Seconds since the last request; `null` while a call or a stream is open.
    pub idle: Option<u64>,
}
