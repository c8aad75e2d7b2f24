//! Gateways of the admin API.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::rand;
use mcp_gateway_admin::{
    AssignmentDocument, CatalogError, DanglingServer, GatewayDocument, ServerSource,
};
use mcp_gateway_auth::accounts::Owner;
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_store::{Attachment, DocumentVersion};
use serde_json::Value;

use crate::registry::{ListedGateway, Registry, StoredGateway};
use crate::running::{Running, State};
use crate::spec::{AssignedConnection, Assignment, GatewaySpec, ServerSpec, Visibility};

impl State {
    /// Returns the documents of all gateways: those of the spec, then those of the store.
    pub(super) fn gateway_documents(&self) -> Vec<GatewayDocument> {
        let spec = &self.merged.spec;
        let servers = spec.servers.iter().map(|server| (&*server.name, server));
        let servers: HashMap<_, _> = servers.collect();
        let used = spec.gateways.iter().enumerate().map(|(at, gateway)| {
            let stored = gateway.id.as_ref();
            let stored = stored.and_then(|id| self.merged.gateways.get(id));
            let mut document = described(gateway, stored, &servers);
            document.default = at == spec.default_gateway;
            if stored.is_none() && self.is_object(gateway) {
                document.source = ServerSource::Object;
            }
            document
        });
        let listed = self.merged.gateways.values();
        let unused = listed.filter(|listed| !listed.violations.is_empty());
        used.chain(unused.map(unusable)).collect()
    }

    /// Returns `true` if an object of a cluster defines `gateway`, which is used.
    fn is_object(&self, gateway: &GatewaySpec) -> bool {
        let object = self.merged.objects.gateways.get(&gateway.name);
        object.is_some_and(|object| object.violations.is_empty())
    }

    /// Returns the document of the gateway with the identifier or name `key`, and its version in the
    /// store.
    fn gateway_document(&self, key: &str) -> Option<(GatewayDocument, Option<u64>)> {
        let documents = self.gateway_documents();
        let found = documents.iter().position(|document| document.id == key);
        let found = found.or_else(|| documents.iter().position(|document| document.name == key));
        let document = documents.into_iter().nth(found?)?;
        let listed = self.merged.gateways.get(&*document.id);
        let version = listed.map(|listed| listed.stored.version.0);
        Some((document, version))
    }
}

impl Running {
    /// Returns the gateway with the identifier or name `key`, and its version in the store.
    pub(super) fn find_gateway(&self, key: &str) -> Option<(GatewayDocument, Option<u64>)> {
        self.state().gateway_document(key)
    }

    /// Returns the gateway that `entry` describes, without an identifier.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`] for an invalid entry.
    pub(super) fn described_gateway(&self, entry: &Value) -> Result<GatewayDocument, CatalogError> {
        let registry = self.writable()?;
        let gateway = registry.read_gateway("", entry);
        let gateway = gateway.map_err(CatalogError::Invalid)?;
        Ok(described(&gateway, None, &HashMap::new()))
    }

    /// Creates the gateway of `entry`, with a new identifier.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`] for an invalid entry, [`CatalogError::Exists`] if the name is taken.
    pub(super) async fn add_gateway(
        &self,
        entry: Value,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        let registry = self.writable()?;
        let name = entry["name"].as_str().unwrap_or_default();
        if self.find_gateway(name).is_some() || registry.gateway(name).is_some() {
            return Err(CatalogError::Exists);
        }
        let id = new_id()?;
        self.check_gateway(registry, &id, &entry)?;
        let written = registry.put_gateway(&id, &entry, None, attachment).await?;
        self.applied_gateway(&*written.ok_or(CatalogError::Exists)?)
    }

    /// Replaces the entry of the gateway `key`, which keeps its identifier.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid, read-only or of another version than `version`.
    pub(super) async fn change_gateway(
        &self,
        key: &str,
        entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        let registry = self.writable()?;
        let before = self.stored_gateway(registry, key, version)?;
        self.check_gateway(registry, &before.id, &entry)?;
        let name = entry["name"].as_str().unwrap_or_default();
        let is_taken = registry
            .gateway(name)
            .is_some_and(|other| other.id != before.id);
        if is_taken {
            return Err(CatalogError::Exists);
        }
        let id = &before.id;
        let written = registry
            .put_gateway(id, &entry, Some(&before), attachment)
            .await?;
        self.applied_gateway(&*written.ok_or(CatalogError::Changed)?)
    }

    /// Deletes the gateway `key`.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is read-only or of another version than `version`.
    pub(super) async fn remove_gateway(
        &self,
        key: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError> {
        let registry = self.writable()?;
        let stored = self.stored_gateway(registry, key, version)?;
        let is_deleted = registry.delete_gateway(&stored, attachment).await?;
        self.refresh();
        match is_deleted {
            true => Ok(()),
            false => Err(CatalogError::Changed),
        }
    }

    /// Returns the gateway `key` of the store, which must have `version` if there is one.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the gateway is read-only, unknown or of another version.
    fn stored_gateway(
        &self,
        registry: &Registry,
        key: &str,
        version: Option<u64>,
    ) -> Result<Arc<StoredGateway>, CatalogError> {
        let stored = registry.gateway(key);
        let found = self.find_gateway(key);
        if found.is_some_and(|(found, _)| found.source != ServerSource::Store) {
            return Err(CatalogError::ReadOnly);
        }
        let stored = stored.ok_or(CatalogError::Unknown)?;
        let is_current = |version: u64| DocumentVersion(version) == stored.version;
        match version.is_none_or(is_current) {
            true => Ok(stored),
            false => Err(CatalogError::Changed),
        }
    }

    /// Validates `entry` as that of the gateway `id`, by itself and beside the others.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`] with the violations.
    fn check_gateway(
        &self,
        registry: &Registry,
        id: &str,
        entry: &Value,
    ) -> Result<(), CatalogError> {
        let gateway = registry.read_gateway(id, entry);
        let gateway = gateway.map_err(CatalogError::Invalid)?;
        let violations = self.state().merged.gateway_violations(&gateway);
        match violations.is_empty() {
            true => Ok(()),
            false => Err(CatalogError::Invalid(violations)),
        }
    }

    /// Applies the written gateway, and returns it with its version.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Changed`] if another request has deleted it in the meantime.
    fn applied_gateway(
        &self,
        written: &StoredGateway,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        self.refresh();
        let (document, _) = self
            .find_gateway(&written.id)
            .ok_or(CatalogError::Changed)?;
        Ok((document, written.version.0))
    }
}

/// Returns the document of `gateway`, which is that of the spec unless it is `stored`.
fn described(
    gateway: &GatewaySpec,
    stored: Option<&ListedGateway>,
    servers: &HashMap<&str, &ServerSpec>,
) -> GatewayDocument {
    let texts = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
    let dangling = gateway.servers.iter().filter_map(|name| {
        let reason = gateway.unusable(name, servers.get(&**name).copied())?;
        Some(DanglingServer {
            server: name.to_string(),
            reason: reason.to_owned(),
        })
    });
    let search = gateway.tool_search.as_ref();
    let visible = search.into_iter().flat_map(ToolSearch::visible);
    let (teams, user) = match &gateway.visibility {
        Visibility::Organization => (None, None),
        Visibility::Teams(teams) => (Some(texts(teams)), None),
        Visibility::User(user) => (None, Some(user.to_string())),
    };
    GatewayDocument {
        id: gateway.id().to_string(),
        name: gateway.name.to_string(),
        title: gateway.title.as_ref().map(ToString::to_string),
        description: gateway.description.as_ref().map(ToString::to_string),
        source: match stored {
            Some(_) => ServerSource::Store,
            None => ServerSource::File,
        },
        default: false,
        all_servers: gateway.has_all,
        servers: texts(&gateway.servers),
        assignments: gateway.assignments.iter().map(assigned).collect(),
        dangling: dangling.collect(),
        exposure: match search {
            Some(search) if search.has_scripts() => "code",
            Some(_) => "search",
            None => "list",
        },
        visible_tools: visible.map(str::to_owned).collect(),
        teams,
        user,
        entry: stored.map(|listed| listed.stored.entry.clone()),
        violations: Vec::new(),
    }
}

/// Returns the document of an assignment.
fn assigned(assignment: &Assignment) -> AssignmentDocument {
    let tools = assignment.tools.as_ref();
    AssignmentDocument {
        server: assignment.server.to_string(),
        tools: tools.map(|tools| tools.iter().map(ToString::to_string).collect()),
        connection: match &assignment.connection {
            AssignedConnection::Caller => "caller".to_owned(),
            AssignedConnection::Enterprise => "enterprise".to_owned(),
            AssignedConnection::Pinned(owner) => Owner::from(owner.clone()).to_string(),
        },
    }
}

/// Returns the document of a gateway that cannot be used.
fn unusable(listed: &ListedGateway) -> GatewayDocument {
    let mut gateway = GatewaySpec::new(listed.stored.name());
    gateway.id = Some(Arc::clone(&listed.stored.id));
    GatewayDocument {
        violations: listed.violations.clone(),
        ..described(&gateway, Some(listed), &HashMap::new())
    }
}

/// Generates the identifier of a gateway: a random UUID (RFC 9562).
///
/// # Errors
///
/// [`CatalogError::Unavailable`] if the system has no random numbers.
fn new_id() -> Result<String, CatalogError> {
    let mut bytes = [0; 16];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|error| CatalogError::Unavailable(error.into()))?;
    Ok(uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string())
}
