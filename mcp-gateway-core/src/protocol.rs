//! Names and values of the protocol: protocol versions, methods, headers, `_meta` keys and
//! capabilities.
//!
//! The gateway accepts every protocol version since 2024-11-05 on one endpoint. [`ProtocolVersion`] and
//! [`Era`] tell them apart; everything else is shared. Unknown methods, capabilities and members
//! are forwarded, so that extensions work without a release of the gateway.
//!
//! Specification: [MCP 2026-07-28](https://modelcontextprotocol.io/specification/2026-07-28).

mod capabilities;
pub mod header;
mod list_kind;
pub mod meta;
mod method;
mod version;

pub use self::capabilities::Capabilities;
pub use self::list_kind::ListKind;
pub use self::method::Method;
pub use self::version::{Era, ProtocolVersion};
