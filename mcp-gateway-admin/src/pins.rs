//! Approved definitions of servers that the API administers.

use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::catalog::Definition;
use mcp_gateway_store::Attachment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{CatalogError, ServerSource};

/// Pinned servers of a platform.
#[async_trait]
pub trait PinRegistry: fmt::Debug + Send + Sync + 'static {
    /// Returns the pinned servers, ordered by name.
    fn pinned(&self) -> Vec<PinnedServerDocument>;

    /// Approves `definition` of `server`, in place of another of its kind and name. Clients receive it
    /// when this returns.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the server is not pinned in the store, or the definition has no digest.
    ///
    /// # Cancel safety
    ///
    /// The definition may have been approved or not.
    async fn approve(
        &self,
        server: &str,
        definition: Definition,
        attachment: &Attachment,
    ) -> Result<(), CatalogError>;
}

/// Pinned server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PinnedServer)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PinRegistry` make them"
)]
pub struct PinnedServerDocument {
    /// Name of the server.
    pub server: String,
    /// Place of the approved definitions: the lock file, which is read-only, or the store.
    pub source: ServerSource,
    /// Number of approved definitions.
    pub approved: usize,
    /// Definitions that this replica has held back.
    pub pending: Vec<PendingDocument>,
}

/// Definition that is held back.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PendingDefinition)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PinRegistry` make them"
)]
pub struct PendingDocument {
    /// `instructions`, `prompt` or `tool`.
    pub kind: String,
    /// Name on the server; empty for instructions.
    pub name: String,
    /// `new` or `changed`.
    pub status: String,
    /// Digest; `null` for a definition that cannot be approved.
    pub digest: Option<String>,
    /// Lines of the difference from the approved definition.
    pub difference: Vec<String>,
    /// JSON text of the definition.
    pub definition: String,
}
