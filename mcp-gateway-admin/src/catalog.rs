//! Servers and gateways that the API administers.

use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::BoxError;
use mcp_gateway_store::{Attachment, StoreError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Violation;

/// Servers and gateways of a platform.
///
/// Some servers come from a file, and are read-only; others are entries in a store. Both have the
/// same form. A change of an entry is one write, to which an attachment for its name is added.
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync + 'static {
    /// Returns up to `limit` servers with a name greater than `after`, ordered by name.
    fn servers(&self, after: Option<&str>, limit: usize) -> Vec<ServerDocument>;

    /// Returns the server `name`, and the version of its entry in the store.
    fn server(&self, name: &str) -> Option<(ServerDocument, Option<u64>)>;

    /// Returns all gateways, in the order of the configuration.
    fn gateways(&self) -> Vec<GatewayDocument>;

    /// Creates the server of `entry`, which is used when this returns.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid or the name is taken.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn create_server(
        &self,
        entry: Value,
        attachment: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError>;

    /// Replaces the entry of the server `name`, if it has `version`.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid, read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn replace_server(
        &self,
        name: &str,
        entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError>;

    /// Deletes the entry of the server `name`, if it has `version`. In-flight calls finish.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been deleted or not.
    async fn delete_server(
        &self,
        name: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError>;
}

/// Server behind the gateways.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Server)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Catalog` make them"
)]
pub struct ServerDocument {
    /// Name.
    pub name: String,
    /// Source of its entry.
    pub source: ServerSource,
    /// `idle`, `up` or `failing`; `unused` if its entry cannot be used.
    pub state: &'static str,
    /// Cause of recent failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `true` if the store has an entry of the same name, which has no effect.
    pub shadows: bool,
    /// Entry in the store, in the form of an entry of `servers` in a configuration file; each
    /// secret is `{ "secret": true }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub entry: Option<Value>,
    /// Violations for which the entry in the store is not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// Source of the entry of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "implementations of `Catalog` make them"
)]
pub enum ServerSource {
    /// Configuration file; read-only.
    File,
    /// Store.
    Store,
}

/// Gateway.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Catalog` make them"
)]
pub struct GatewayDocument {
    /// Name.
    pub name: String,
    /// Source of its definition.
    pub source: ServerSource,
    /// `true` for the gateway at `/mcp`.
    pub default: bool,
    /// `true` if it has all servers, including those that are added later.
    pub all_servers: bool,
    /// Names of its servers, in the order of its lists.
    pub servers: Vec<String>,
    /// Teams that may use it; everybody if `null`.
    pub teams: Option<Vec<String>>,
}

/// The reason for which an entry could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The entry has another version.
    #[error("the server has been changed in the meantime")]
    Changed,
    /// A server of this name exists.
    #[error("a server of this name exists")]
    Exists,
    /// The entry is invalid.
    #[error("the entry is invalid")]
    Invalid(Vec<Violation>),
    /// The gateway has no store for entries.
    #[error("the gateway has no store for servers; set `store` in its configuration")]
    NoStore,
    /// The server comes from the configuration file.
    #[error("the server is defined in the configuration file, and can be changed only there")]
    ReadOnly,
    /// The store is unavailable.
    #[error("temporarily unavailable")]
    Unavailable(#[source] BoxError),
    /// The server does not exist.
    #[error("no such server")]
    Unknown,
}

impl From<StoreError> for CatalogError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}
