//! What servers list: tools, prompts, resources and templates of resources.

mod entry;
mod kind;
mod listing;
mod param_header;

pub use self::entry::Entry;
pub use self::kind::ListKind;
pub(crate) use self::listing::Page;
pub use self::listing::{CacheScope, Listing};
pub use self::param_header::ParamMismatch;
