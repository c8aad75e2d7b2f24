//! The private registry of an MCP gateway: servers that can be installed.
//!
//! An [`Entry`] describes a server: a template of its configuration, and the [`Input`]s that
//! installing it needs. [`Entries`] are documents in a [`Store`](mcp_gateway_store::Store), beside a
//! read-only library. They are exchanged with other registries:
//!
//! | part | content |
//! |---|---|
//! | [`server_json`] | the format of the official MCP registry, read leniently and written strictly |
//! | [`RegistryClient`] | reader of the registry API v0.1 of others |
//! | [`registry_api`] | responses of the registry API v0.1 |
//! | [`Requests`] | requests of users for entries, and the decisions |
//!
//! # Example
//!
//! A published `server.json` becomes the configuration of a server:
//!
//! ```
//! use mcp_gateway_registry::server_json;
//! use serde_json::json;
//!
//! let published = json!({
//!     "name": "com.example/notes", "description": "Notes", "version": "1.0.0",
//!     "remotes": [{
//!         "type": "streamable-http", "url": "https://notes.example.com/mcp",
//!         "headers": [{ "name": "Authorization", "value": "Bearer {token}", "isRequired": true }],
//!     }],
//! });
//! let entry = server_json::read(&published).unwrap().entry;
//! assert_eq!(entry.inputs[0].name, "token");
//!
//! let values = [("token".to_owned(), "hunter2".to_owned())].into();
//! let server = entry.install("notes", &values).unwrap();
//! assert_eq!(server["remote"]["headers"]["Authorization"], json!({ "secret": "Bearer hunter2" }));
//! assert_eq!(server["entry"], "com.example/notes@1.0.0");
//! ```

mod client;
mod entries;
mod entry;
mod import;
mod input;
mod install;
mod listing;
pub mod registry_api;
mod requests;
pub mod server_json;
mod summary;
mod template;
mod timestamp;
mod version;
mod violation;

pub use self::client::{FetchError, RegistryClient, RegistryPage, RegistryQuery};
pub use self::entries::{Entries, EntriesError, FoundEntry};
pub use self::entry::{Entry, EntryDocument, EntryReference, EntryStatus, Origin};
pub use self::import::{ImportOptions, ImportReport, RejectedEntry, TemplateCheck};
pub use self::input::{Input, InputFormat, InputSupplier};
pub use self::listing::{EntryFilter, EntryPage, VersionFilter, Viewer};
pub use self::requests::{Decision, EntryRequest, RequestError, Requests};
pub use self::summary::EntrySummary;
pub use self::violation::Violation;
