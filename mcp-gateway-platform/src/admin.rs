//! The admin API of a platform.
//!
//! Reads show the last applied state. A write is a conditional commit to the store, followed by an
//! apply in this replica; other replicas follow the change of the document. No lock is held while
//! the store is awaited: the version of the document orders concurrent writes.

mod deployments;
mod gateways;
mod masked_log;
mod pins;
mod policy;
mod sessions;
mod usage;

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_admin::{
    AdminApi, Administration, AuditTrail, Catalog, CatalogError, Connections, EntryRegistry,
    GatewayDocument, IdempotencyStore, Installation, ServerDocument, ServerSource, Violation,
};
use mcp_gateway_auth::accounts::AccountCredentials;
use mcp_gateway_store::{Attachment, DocumentVersion};
use serde_json::Value;

use crate::auth::Services;
use crate::registry::{Listed, Origin, Registry, SecretError, StoredServer};
use crate::reload::verifier::ReloadableVerifier;
use crate::running::{Running, State};

/// Returns the admin API over `running` and `services`, for the principals that `access` accepts.
///
/// The users are administered only with an authorization server. The audit log is readable only if
/// it is enabled and has a store.
pub(crate) fn api(
    access: Arc<ReloadableVerifier>,
    running: &Arc<Running>,
    services: &Services,
    entries: Option<EntryRegistry>,
) -> AdminApi {
    let trail = AuditTrail::new(services.audit.clone());
    let catalog = Arc::clone(running) as _;
    let mut api = AdminApi::new(access)
        .with_catalog(catalog, trail.clone())
        .with_policy(Arc::clone(running) as _)
        .with_pins(Arc::clone(running) as _)
        .with_quotas(Arc::clone(running) as _)
        .with_sessions(Arc::clone(running) as _)
        .with_calls(running.state().controller.feed().clone());
    if services.orchestrator.is_some() {
        api = api.with_deployments(Arc::clone(running) as _);
    }
    if let Some(authority) = &services.authority {
        let (users, server) = (authority.users.clone(), authority.server.clone());
        let accounts = &authority.accounts;
        let connections = Connections::new(AccountCredentials::clone(&accounts.credentials));
        let connections = connections.with_probe(Arc::clone(&accounts.probe) as _);
        let administration = Administration::new(users, server, trail);
        let administration = administration.with_accounts(accounts.accounts.clone());
        api = api
            .with_administration(administration)
            .with_connections(connections);
    }
    if let Some(store) = &services.store {
        api = api
            .with_taints(Arc::clone(store))
            .with_events(Arc::clone(store));
    }
    if let (Some(store), Some(keyring)) = (&services.store, &services.keyring) {
        let results = IdempotencyStore::new(Arc::clone(store), keyring.clone());
        api = api.with_idempotency(results);
    }
    if let (Some(_), Some(store)) = (&services.audit, &services.store) {
        api = api.with_audit(Arc::clone(store));
    }
    if let Some(approvals) = &services.approvals {
        api = api.with_approvals(approvals.clone());
    }
    if let Some(entries) = entries {
        api = api.with_registry(entries);
    }
    api
}

#[async_trait]
impl Catalog for Running {
    fn servers(&self, after: Option<&str>, limit: usize) -> Vec<ServerDocument> {
        let state = self.state();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let listing = &state.merged.listing;
        let page = listing.range::<str, _>((start, Bound::Unbounded));
        let page = page.take(limit);
        page.map(|(name, listed)| document(name, listed, &state))
            .collect()
    }

    fn server(&self, name: &str) -> Option<(ServerDocument, Option<u64>)> {
        let state = self.state();
        let listed = state.merged.listing.get(name)?;
        let stored = listed.stored.as_ref().filter(|_| !listed.is_read_only());
        let version = stored.map(|stored| stored.version.0);
        Some((document(name, listed, &state), version))
    }

    fn gateways(&self) -> Vec<GatewayDocument> {
        self.state().gateway_documents()
    }

    fn gateway(&self, key: &str) -> Option<(GatewayDocument, Option<u64>)> {
        self.find_gateway(key)
    }

    fn describe_gateway(&self, entry: &Value) -> Result<GatewayDocument, CatalogError> {
        self.described_gateway(entry)
    }

    async fn create_gateway(
        &self,
        entry: Value,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        self.add_gateway(entry, attachment).await
    }

    async fn replace_gateway(
        &self,
        key: &str,
        entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        self.change_gateway(key, entry, version, attachment).await
    }

    async fn delete_gateway(
        &self,
        key: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError> {
        self.remove_gateway(key, version, attachment).await
    }

    fn check_server(&self, entry: &Value) -> Vec<Violation> {
        let registry = self.registry.as_ref();
        registry
            .map(|registry| registry.check(entry))
            .unwrap_or_default()
    }

    fn is_registry_public(&self) -> bool {
        self.state().merged.spec.registry.public
    }

    /// Creates the server if the name is free, in the spec and in the store.
    ///
    /// The checks before the commit give precise errors. The commit itself requires that the
    /// document does not exist, and so decides between concurrent requests.
    async fn create_server(
        &self,
        entry: Value,
        attachment: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError> {
        let registry = self.writable()?;
        // An invalid name is reported by the reader, with the other violations.
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        if self.is_read_only(&name) {
            return Err(CatalogError::ReadOnly);
        }
        if registry.get(&name).is_some() {
            return Err(CatalogError::Exists);
        }
        let entry = self.prepare(registry, &name, entry, None)?;
        let written = registry.put(&name, &entry, None, attachment).await?;
        let written = written.ok_or(CatalogError::Exists)?;
        self.applied(&name, &written)
    }

    /// Replaces the entry; its `name` may be omitted, but not changed.
    ///
    /// Without `version`, the version that this replica has read is required. A change that it has
    /// not read yet is reported as [`CatalogError::Changed`], and never overwritten.
    async fn replace_server(
        &self,
        name: &str,
        mut entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError> {
        let registry = self.writable()?;
        let (before, version) = self.current(registry, name, version)?;
        if let Some(members) = entry.as_object_mut() {
            let named = members.entry("name").or_insert_with(|| name.into());
            if named != name {
                let violation = Violation::new("name", format!("expected {name:?}"));
                return Err(CatalogError::Invalid(vec![violation]));
            }
        }
        let entry = self.prepare(registry, name, entry, Some(&before))?;
        let written = registry
            .put(name, &entry, Some(version), attachment)
            .await?;
        let written = written.ok_or(CatalogError::Changed)?;
        self.applied(name, &written)
    }

    /// Deletes the entry, and applies the servers of the store even after a conflict, because the
    /// document has been read again.
    async fn delete_server(
        &self,
        name: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError> {
        let registry = self.writable()?;
        let (_, version) = self.current(registry, name, version)?;
        let is_deleted = registry.delete(name, version, attachment).await?;
        self.refresh();
        match is_deleted {
            true => Ok(()),
            false => Err(CatalogError::Changed),
        }
    }
}

impl Running {
    /// Returns the registry.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NoStore`] if the platform has none.
    fn writable(&self) -> Result<&Registry, CatalogError> {
        self.registry.as_ref().ok_or(CatalogError::NoStore)
    }

    /// Returns `true` if the spec has the server `name`, so that it is read-only.
    fn is_read_only(&self, name: &str) -> bool {
        let state = self.state();
        let listed = state.merged.listing.get(name);
        listed.is_some_and(Listed::is_read_only)
    }

    /// Returns the stored server `name`, which must have `version` if there is one, and its version.
    ///
    /// # Errors
    ///
    /// [`CatalogError::ReadOnly`] for a server of the spec, [`CatalogError::Unknown`] if the store
    /// has no such server, and [`CatalogError::Changed`] if its version is another.
    fn current(
        &self,
        registry: &Registry,
        name: &str,
        version: Option<u64>,
    ) -> Result<(Arc<StoredServer>, DocumentVersion), CatalogError> {
        if self.is_read_only(name) {
            return Err(CatalogError::ReadOnly);
        }
        let current = registry.get(name).ok_or(CatalogError::Unknown)?;
        let version = version.map_or(current.version, DocumentVersion);
        match version == current.version {
            true => Ok((current, version)),
            false => Err(CatalogError::Changed),
        }
    }

    /// Validates `entry`, and returns it with sealed secrets.
    ///
    /// The entry must be valid by itself, and be admitted beside the servers that are applied now.
    /// A secret that `entry` keeps, as `true`, is that of `before`.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`] with the violations, or [`CatalogError::Unavailable`] if the
    /// system has no random numbers for the seals.
    fn prepare(
        &self,
        registry: &Registry,
        name: &str,
        entry: Value,
        before: Option<&StoredServer>,
    ) -> Result<Value, CatalogError> {
        let (spec, entry) = registry.prepare(name, entry, before)?;
        let violations = self.state().merged.violations(&spec);
        match violations.is_empty() {
            true => Ok(entry),
            false => Err(CatalogError::Invalid(violations)),
        }
    }

    /// Applies the written server, and returns it with its version.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Changed`] if the server is not listed any more, because another request has
    /// deleted it in the meantime.
    fn applied(
        &self,
        name: &str,
        written: &StoredServer,
    ) -> Result<(ServerDocument, u64), CatalogError> {
        self.refresh();
        let (document, _) = self.server(name).ok_or(CatalogError::Changed)?;
        Ok((document, written.version.0))
    }
}

/// Returns the document of the server `name`.
///
/// A configured server is shown without the entry that it hides. The state is `unused` if the
/// controller does not run the server, because its entry was not admitted.
fn document(name: &str, listed: &Listed, state: &State) -> ServerDocument {
    let status = state.controller.server_status(name);
    let stored = listed.stored.as_ref().filter(|_| !listed.is_read_only());
    ServerDocument {
        name: name.to_owned(),
        source: match listed.origin {
            Origin::Spec => ServerSource::File,
            Origin::Store => ServerSource::Store,
            Origin::Object => ServerSource::Object,
        },
        state: status.as_ref().map_or("unused", |status| status.state()),
        deployment: status.as_ref().and_then(deployments::document),
        error: status.and_then(|status| status.failure),
        shadows: listed.is_read_only() && listed.stored.is_some(),
        entry: stored.map(|stored| stored.redacted()),
        violations: listed.violations.clone(),
        installed: listed.entry.as_deref().map(Installation::of),
    }
}

impl From<SecretError> for CatalogError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Invalid(violations) => Self::Invalid(violations),
            SecretError::Random(error) => Self::Unavailable(error),
        }
    }
}
