//! Responses of the registry API v0.1.

use serde_json::{Value, json};

use crate::server_json::{LOCAL, OFFICIAL, write};
use crate::{EntryPage, FoundEntry, timestamp};

/// Returns the response with one version of an entry: `{ server, _meta }`.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_registry::{Entries, EntriesError, Entry, EntryDocument, registry_api};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), EntriesError> {
/// let library = [EntryDocument::new(Entry::new("memory", "1.0.0", "Knowledge graph"), 0)];
/// let entries = Entries::new(Arc::new(MemoryStore::new()), library);
/// let found = entries.get(registry_api::name("local/memory"), None).await?.unwrap();
/// let response = registry_api::server(&found);
/// assert_eq!(response["server"]["name"], "local/memory");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn server(found: &FoundEntry) -> Value {
    let (document, entry) = (&found.document, &found.document.entry);
    let mut managed = json!({
        "status": entry.status.as_str(),
        "publishedAt": timestamp::format(document.created),
        "updatedAt": timestamp::format(document.updated),
        "isLatest": found.is_latest,
    });
    if let Some(message) = &entry.status_message {
        managed["statusMessage"] = message.as_str().into();
    }
    json!({ "server": write(document), "_meta": { OFFICIAL: managed } })
}

/// Returns the response with a page of entries.
#[must_use]
pub fn servers(page: &EntryPage<FoundEntry>) -> Value {
    let servers: Vec<_> = page.items.iter().map(server).collect();
    let mut metadata = json!({ "count": servers.len() });
    if let Some(next) = &page.next {
        metadata["nextCursor"] = next.as_str().into();
    }
    json!({ "servers": servers, "metadata": metadata })
}

/// Returns the name of the entry that is published as `name`.
#[must_use]
pub fn name(name: &str) -> &str {
    let local = name
        .strip_prefix(LOCAL)
        .and_then(|name| name.strip_prefix('/'));
    local.unwrap_or(name)
}

/// Parses a time of `updated_since` (RFC 3339); returns seconds since the Unix epoch.
#[must_use]
pub fn since(text: &str) -> Option<u64> {
    timestamp::parse(text)
}
