//! Parts of a platform that its start assembles.

use std::sync::Arc;

use mcp_gateway_admin::EntryRegistry;
use mcp_gateway_auth::Landing;
use mcp_gateway_auth::egress::EgressPolicy;
use mcp_gateway_registry::{Entries, EntryDocument};

use crate::auth::Services;
use crate::running::Running;

/// Returns the registry of the entries `library` and of the store, if there is one. Documents of
/// others are fetched as `policy` permits.
pub(super) fn entry_registry(
    services: &Services,
    running: &Running,
    library: Vec<EntryDocument>,
    policy: EgressPolicy,
) -> Option<EntryRegistry> {
    running.registry.as_ref()?;
    let store = services.store.as_ref()?;
    let entries = Entries::new(Arc::clone(store), library);
    Some(EntryRegistry::new(entries, Arc::clone(store), policy))
}

/// Returns the page at the base URL.
pub(super) fn landing(services: &Services) -> Landing {
    match &services.authority {
        Some(_) => Landing::Account,
        None => Landing::Description {
            base: services.base.to_string(),
        },
    }
}
