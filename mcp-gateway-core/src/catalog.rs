//! What servers list: tools, prompts, resources and templates of resources.

mod entry;
mod listing;
mod param_header;

pub use self::entry::Entry;
pub(crate) use self::listing::Page;
pub use self::listing::{CacheScope, Listing};
pub use self::param_header::ParamMismatch;
pub use crate::protocol::ListKind;
