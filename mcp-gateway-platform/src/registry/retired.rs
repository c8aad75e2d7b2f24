//! Servers whose entries are not active any more.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::BoxError;
use mcp_gateway_registry::{Entries, EntryReference, EntryStatus};
use mcp_gateway_store::{Documents, Store};
use serde_json::Value;

use super::SERVERS;
use crate::spec::PlatformSpec;
use crate::state::StateStore;

/// Server whose entry is deprecated or deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetiredEntry {
    /// Name of the server.
    pub server: String,
    /// Entry from which it has been installed, as `NAME@VERSION`.
    pub entry: String,
    /// Status of the entry.
    pub status: &'static str,
    /// Reason for the status.
    pub message: Option<String>,
}

/// Returns the servers of `spec` and of its store whose entries are deprecated or deleted; none
/// without a store that exists.
///
/// # Errors
///
/// An error if the store cannot be opened or read.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::registry::retired_entries;
/// use mcp_gateway_platform::spec::{PlatformSpec, Storage};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mcp_gateway_core::BoxError> {
/// let mut spec = PlatformSpec::default();
/// spec.fixed.store = Storage::Memory;
/// assert_eq!(retired_entries(&spec).await?, []);
/// # Ok(())
/// # }
/// ```
pub async fn retired_entries(spec: &PlatformSpec) -> Result<Vec<RetiredEntry>, BoxError> {
    let fixed = &spec.fixed;
    let state = StateStore::open_existing(&fixed.store, fixed.session_key.as_ref()).await?;
    let Some(StateStore { store, .. }) = state else {
        return Ok(Vec::new());
    };
    let servers = spec.dynamic.servers.iter();
    let servers = servers.filter_map(|server| {
        let entry = server.entry.as_ref()?;
        Some((server.name.to_string(), entry.to_string()))
    });
    let mut installed: Vec<_> = servers.collect();
    installed.extend(installed_in(&store).await?);
    let entries = Entries::new(Arc::clone(&store), []);
    let mut retired = Vec::new();
    for (server, entry) in installed {
        retired.extend(retired_entry(&entries, server, entry).await?);
    }
    store.close().await;
    Ok(retired)
}

/// Returns the servers in `store` that have been installed, with their entries.
async fn installed_in(store: &Arc<dyn Store>) -> Result<Vec<(String, String)>, BoxError> {
    let documents = Documents::<Value>::new(Arc::clone(store), SERVERS);
    let (mut installed, mut last) = (Vec::new(), None);
    loop {
        let page = documents.list("", last.as_deref(), PAGE).await?;
        let Some((end, _)) = page.last() else {
            return Ok(installed);
        };
        last = Some(end.clone());
        let with_entry = page.into_iter().filter_map(|(server, found)| {
            let entry = found.value["entry"].as_str()?.to_owned();
            Some((server, entry))
        });
        installed.extend(with_entry);
    }
}

/// Returns the entry of `server`, if it is not active any more.
async fn retired_entry(
    entries: &Entries,
    server: String,
    entry: String,
) -> Result<Option<RetiredEntry>, BoxError> {
    let Ok(EntryReference { name, version, .. }) = entry.parse() else {
        return Ok(None);
    };
    let found = entries.get(&name, version.as_deref()).await?;
    let found = found.map(|found| found.document.entry);
    let retired = found.filter(|entry| entry.status != EntryStatus::Active);
    Ok(retired.map(|found| RetiredEntry {
        server,
        entry,
        status: found.status.as_str(),
        message: found.status_message,
    }))
}

impl fmt::Display for RetiredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            server,
            entry,
            status,
            message,
        } = self;
        write!(f, "{server}: installed from {entry}, which is {status}")?;
        match message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Number of documents that are read at once.
const PAGE: usize = 500;
