//! Servers and gateways that the API administers.

use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::BoxError;
use mcp_gateway_registry::EntryStatus;
use mcp_gateway_store::{Attachment, StoreError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{DeploymentDocument, Violation};

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

    /// Returns all gateways, in any order.
    fn gateways(&self) -> Vec<GatewayDocument>;

    /// Returns the gateway with the identifier or name `key`, and the version of its entry in the
    /// store.
    fn gateway(&self, key: &str) -> Option<(GatewayDocument, Option<u64>)>;

    /// Returns the gateway that `entry` describes, without an identifier.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid.
    fn describe_gateway(&self, entry: &Value) -> Result<GatewayDocument, CatalogError>;

    /// Creates the gateway of `entry`, which is served when this returns.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid or the name is taken.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn create_gateway(
        &self,
        entry: Value,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError>;

    /// Replaces the entry of the gateway `key`, if it has `version`. Its identifier stays.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid, read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn replace_gateway(
        &self,
        key: &str,
        entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError>;

    /// Deletes the entry of the gateway `key`, if it has `version`, in one write.
    /// In-flight calls finish.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been deleted or not.
    async fn delete_gateway(
        &self,
        key: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError>;

    /// Returns the violations of the configuration `entry` of a server, by itself.
    fn check_server(&self, entry: &Value) -> Vec<Violation>;

    /// Returns `true` if everybody may read the entries of the organization.
    fn is_registry_public(&self) -> bool;

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
    /// `idle`, `up` or `failing`, of a server on a cluster also `pending`, `asleep`, `waking` or
    /// `deleting`; `unused` if its entry cannot be used.
    pub state: &'static str,
    /// Cause of recent failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Deployment of a server on a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentDocument>,
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
    /// Entry of the registry from which it has been installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<Installation>,
}

/// Entry from which a server has been installed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Installation {
    /// Name and version of the entry.
    pub entry: String,
    /// Status of the entry; `null` if the registry does not have it.
    pub status: Option<EntryStatus>,
    /// Reason for the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

impl Installation {
    /// Creates the installation of `entry`, whose status is not known yet.
    #[must_use]
    pub fn of(entry: &str) -> Self {
        Self {
            entry: entry.to_owned(),
            status: None,
            status_message: None,
        }
    }
}

/// Source of the entry of a server or gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "implementations of `Catalog` make them"
)]
pub enum ServerSource {
    /// Configuration file; read-only.
    File,
    /// Object of a cluster; read-only.
    Object,
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
    /// Identifier, which outlives changes of the name: a UUID, or the name of a gateway of the file.
    pub id: String,
    /// Name. The gateway is at `/v1/mcp/{name}` and at `/v1/mcp/{id}`.
    pub name: String,
    /// Title for people.
    pub title: Option<String>,
    /// Description for people.
    pub description: Option<String>,
    /// Source of its definition.
    pub source: ServerSource,
    /// `true` for the gateway at `/mcp`.
    pub default: bool,
    /// `true` if it has all servers, including those that are added later.
    pub all_servers: bool,
    /// Names of its servers, in the order of its lists.
    pub servers: Vec<String>,
    /// Restrictions of some of its servers to tools and connections.
    pub assignments: Vec<AssignmentDocument>,
    /// Servers that it cannot call, and whose assignments take effect when it can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dangling: Vec<DanglingServer>,
    /// `list` for a list of all tools, `search` for tools that search and run them, or `code` for
    /// tools that search them and run scripts.
    pub exposure: &'static str,
    /// Patterns of the tools that are listed beside the search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub visible_tools: Vec<String>,
    /// Teams that may use it; `null` unless it is for teams.
    pub teams: Option<Vec<String>>,
    /// Subject of the only caller who may use it; `null` unless it is personal.
    pub user: Option<String>,
    /// Entry in the store, in the form of an entry of `gateways` in a configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub entry: Option<Value>,
    /// Violations for which the entry in the store is not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// Tools of a server that a gateway has, and the connection with which they are called.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Assignment)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Catalog` make them"
)]
pub struct AssignmentDocument {
    /// Name of the server.
    pub server: String,
    /// Tools, by the names that the server uses; all features of the server if `null`.
    pub tools: Option<Vec<String>>,
    /// `caller`, `enterprise`, `organization` or `team/NAME`.
    pub connection: String,
}

/// Server that a gateway cannot call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Catalog` make them"
)]
pub struct DanglingServer {
    /// Name of the server.
    pub server: String,
    /// Reason.
    pub reason: String,
}

/// The reason for which an entry could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The entry has another version.
    #[error("the entry has been changed in the meantime")]
    Changed,
    /// An entry of this name exists.
    #[error("the name is taken")]
    Exists,
    /// The entry is invalid.
    #[error("the entry is invalid")]
    Invalid(Vec<Violation>),
    /// The gateway has no store for entries.
    #[error("there is no store for entries; set `store` in the configuration")]
    NoStore,
    /// The entry comes from the configuration file, or from an object of a cluster.
    #[error(
        "it is defined in the configuration file or by an object of the cluster, and can be changed \
         only there"
    )]
    ReadOnly,
    /// The store is unavailable.
    #[error("temporarily unavailable")]
    Unavailable(#[source] BoxError),
    /// The entry does not exist.
    #[error("no such entry")]
    Unknown,
}

impl From<StoreError> for CatalogError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}
