//! Lists of servers: tools, prompts, resources and resource templates.
//!
//! [`Listing`] is the list of one kind from one server, assembled from its pages. Entries
//! keep the text of the server; only names and URIs are rewritten when a list is sent to a client.
//! Defects that would cost a client the whole list are adapted, so that one broken tool does not
//! hide the rest; see [`lint`].

mod app;
mod definition;
mod digest;
mod entry;
pub mod lint;
mod listing;
mod param_header;

pub use self::definition::{Definition, DefinitionKind, DefinitionVerifier};
pub use self::digest::{DefinitionDigest, DigestError};
pub use self::entry::CatalogEntry;
pub(crate) use self::listing::ListPage;
pub use self::listing::{CacheScope, Listing};
pub use self::param_header::ParamMismatch;
pub use crate::protocol::ListKind;
