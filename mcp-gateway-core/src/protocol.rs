//! What the revisions of the protocol have in common, and how they differ.

mod capabilities;
pub mod header;
mod list_kind;
pub mod meta;
mod method;
mod version;

pub use self::capabilities::Capabilities;
pub use self::list_kind::ListKind;
pub use self::method::Method;
pub use self::version::{Era, Version};
