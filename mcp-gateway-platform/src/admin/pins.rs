//! Approved definitions of the admin API.
//!
//! Servers whose definitions are approved in a lock file are listed, and cannot be changed here: the
//! file is reviewed with the configuration. Those with definitions in the store are approved here,
//! in one batch with the audit record.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_admin::{
    CatalogError, PendingDocument, PinRegistry, PinnedServerDocument, ServerSource, Violation,
};
use mcp_gateway_core::catalog::Definition;
use mcp_gateway_pins::{Change, Difference};
use mcp_gateway_store::Attachment;

use crate::running::{Running, State};
use crate::spec::{PinSource, ServerSpec};

#[async_trait]
impl PinRegistry for Running {
    /// Returns the pinned servers, ordered by name, with the definitions that are held back.
    ///
    /// A server that has not been asked for its lists has nothing that is held back yet.
    fn pinned(&self) -> Vec<PinnedServerDocument> {
        let state = self.state();
        let servers = state.merged.spec.servers.iter();
        let pinned = servers.filter_map(|server| pinned(server, &state));
        let mut pinned: Vec<_> = pinned.collect();
        pinned.sort_unstable_by(|a, b| a.server.cmp(&b.server));
        pinned
    }

    /// Approves `definition`, which the request repeats as it was shown: what an administrator has not
    /// seen is never approved, even if the server has changed it since then.
    async fn approve(
        &self,
        server: &str,
        definition: Definition,
        attachment: &Attachment,
    ) -> Result<(), CatalogError> {
        let registry = self.writable()?;
        let source = {
            let merged = Arc::clone(&self.state().merged);
            let known = merged.spec.server(server).ok_or(CatalogError::Unknown)?;
            known.pinned
        };
        match source {
            Some(PinSource::Store) => {}
            Some(PinSource::File) => return Err(CatalogError::ReadOnly),
            None => {
                let violation = Violation::new("server", "the server is not pinned");
                return Err(CatalogError::Invalid(vec![violation]));
            }
        }
        if definition.digest().is_none() {
            let violation = Violation::new("definition", "it cannot be approved");
            return Err(CatalogError::Invalid(vec![violation]));
        }
        let approve = |pins: &mut mcp_gateway_pins::Pins| {
            pins.approve(definition.clone());
        };
        let is_changed = registry.change_pins(server, approve, attachment).await?;
        self.refresh();
        match is_changed {
            true => Ok(()),
            false => Err(CatalogError::Changed),
        }
    }
}

/// Returns the document of a server, if it is pinned.
fn pinned(server: &ServerSpec, state: &State) -> Option<PinnedServerDocument> {
    let source = match server.pinned? {
        PinSource::File => ServerSource::File,
        PinSource::Store => ServerSource::Store,
    };
    let held = state.controller.held(&server.name);
    let difference = Difference::pending(&server.name, &server.pins, held);
    Some(PinnedServerDocument {
        server: server.name.to_string(),
        source,
        approved: server.pins.iter().count(),
        pending: difference.changes().iter().filter_map(pending).collect(),
    })
}

/// Returns the document of a definition that is held back; `None` for one that the server has removed.
fn pending(change: &Change) -> Option<PendingDocument> {
    let definition = change.current()?;
    Some(PendingDocument {
        kind: change.kind().to_string(),
        name: change.name().to_owned(),
        status: change.status().to_owned(),
        digest: definition.digest().map(|digest| digest.to_string()),
        difference: change.lines(),
        definition: definition.json().to_owned(),
    })
}
