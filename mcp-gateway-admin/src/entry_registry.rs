//! Registry that the API administers.

use std::sync::Arc;

use mcp_gateway_auth::egress::EgressPolicy;
use mcp_gateway_registry::{Entries, Requests};
use mcp_gateway_store::Store;

/// Entries and requests of a registry, and the policy by which others are reached. Cheap to clone.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_admin::EntryRegistry;
/// use mcp_gateway_auth::egress::EgressPolicy;
/// use mcp_gateway_registry::Entries;
/// use mcp_gateway_store::MemoryStore;
///
/// let store = Arc::new(MemoryStore::new());
/// let entries = Entries::new(store.clone(), []);
/// let registry = EntryRegistry::new(entries, store, EgressPolicy::new());
/// # let _ = registry;
/// ```
#[derive(Clone, Debug)]
pub struct EntryRegistry {
    pub(crate) entries: Entries,
    pub(crate) requests: Requests,
    pub(crate) policy: EgressPolicy,
}

impl EntryRegistry {
    /// Administers `entries`, and requests in `store`. Other registries are reached as
    /// `policy` permits.
    #[must_use]
    pub fn new(entries: Entries, store: Arc<dyn Store>, policy: EgressPolicy) -> Self {
        Self {
            entries,
            requests: Requests::new(store),
            policy,
        }
    }
}
