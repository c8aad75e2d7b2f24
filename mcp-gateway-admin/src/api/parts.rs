//! Parts of a gateway that the API administers; each may be absent.

use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_store::Store;

use super::AdminApi;
use super::problem::ApiError;
use crate::{
    Administration, AuditTrail, CallFeed, Catalog, ClientSessions, Connections, Deployments,
    EntryRegistry, PinRegistry, PolicyCatalog, Quotas,
};

impl AdminApi {
    /// Returns the users, tokens and clients.
    pub(super) fn administration(&self) -> Result<&Administration, ApiError> {
        let absent = ApiError::Absent("the gateway has no authorization server");
        self.0.administration.as_ref().ok_or(absent)
    }

    /// Returns the approvals of calls.
    pub(super) fn approvals(&self) -> Result<&StoreApprovals, ApiError> {
        let absent = ApiError::Absent("the gateway has no approvals of calls");
        self.0.approvals.as_ref().ok_or(absent)
    }

    /// Returns the completed calls.
    pub(super) fn calls(&self) -> Result<&CallFeed, ApiError> {
        let absent = ApiError::Absent("the gateway does not report calls");
        self.0.calls.as_ref().ok_or(absent)
    }

    /// Returns the sessions of clients.
    pub(super) fn sessions(&self) -> Result<&dyn ClientSessions, ApiError> {
        let absent = ApiError::Absent("the gateway has no sessions");
        self.0.sessions.as_deref().ok_or(absent)
    }

    /// Returns the connections.
    pub(super) fn connections(&self) -> Result<&Connections, ApiError> {
        let absent = ApiError::Absent("the gateway has no users who connect servers");
        self.0.connections.as_ref().ok_or(absent)
    }

    /// Returns the deployments of servers.
    pub(super) fn deployments(&self) -> Result<&dyn Deployments, ApiError> {
        let absent = ApiError::Absent("the gateway runs no servers on a cluster");
        self.0.deployments.as_deref().ok_or(absent)
    }

    /// Returns the servers and gateways.
    pub(super) fn catalog(&self) -> Result<&dyn Catalog, ApiError> {
        let absent = ApiError::Absent("the gateway has no catalog of servers");
        self.0.catalog.as_deref().ok_or(absent)
    }

    /// Returns the rules.
    pub(super) fn policy(&self) -> Result<&dyn PolicyCatalog, ApiError> {
        let absent = ApiError::Absent("the gateway has no policy");
        self.0.policy.as_deref().ok_or(absent)
    }

    /// Returns the approved definitions of servers.
    pub(super) fn pins(&self) -> Result<&dyn PinRegistry, ApiError> {
        let absent = ApiError::Absent("the gateway has no pinned servers");
        self.0.pins.as_deref().ok_or(absent)
    }

    /// Returns the quotas.
    pub(super) fn quotas(&self) -> Result<&dyn Quotas, ApiError> {
        let absent = ApiError::Absent("the gateway has no quotas");
        self.0.quotas.as_deref().ok_or(absent)
    }

    /// Returns the registry.
    pub(super) fn registry(&self) -> Result<&EntryRegistry, ApiError> {
        let absent = ApiError::Absent("the gateway has no store for entries");
        self.0.registry.as_ref().ok_or(absent)
    }

    /// Returns the audit log of changes of servers and entries.
    pub(super) fn trail(&self) -> &AuditTrail {
        &self.0.trail
    }

    /// Returns the store of the audit log.
    pub(super) fn audit(&self) -> Result<&dyn Store, ApiError> {
        let absent = ApiError::Absent("the gateway has no audit log");
        self.0.audit.as_deref().ok_or(absent)
    }
}
