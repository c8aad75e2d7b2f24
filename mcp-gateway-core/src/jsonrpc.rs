//! JSON-RPC 2.0 messages, kept as the bytes that arrived.
//!
//! The gateway changes little in a message that it forwards: a name, an identifier, a few members
//! of `_meta`. A message is therefore not decoded into types and encoded again, which would lose
//! every member that the types do not declare. It stays the original text together with an index of
//! the few spans that matter.
//!
//! [`Message::parse`] is the only entry for untrusted text: it validates the whole text against RFC
//! 8259 in one pass, bounds its depth, and rejects duplicate keys in every object that the gateway
//! interprets. [`Request`], [`Response`] and [`Notification`] are the results. Responses of
//! upstreams that are too large to hold pass through a streaming scanner instead, which reports a
//! [`ScanError`].
//!
//! Specification: [JSON-RPC 2.0][jsonrpc] and [MCP 2026-07-28, base protocol][mcp].
//!
//! [jsonrpc]: https://www.jsonrpc.org/specification
//! [mcp]: https://modelcontextprotocol.io/specification/2026-07-28/basic

mod envelope;
mod error;
mod id;
mod message;
mod notification;
mod params;
mod request;
mod response;
mod response_id;
mod scan;

pub use self::error::{ErrorObject, code};
pub use self::id::Id;
pub use self::message::{Message, MessageError};
pub use self::notification::Notification;
pub(crate) use self::params::Params;
pub use self::request::Request;
pub use self::response::Response;
use self::response_id::response_id;
pub use self::scan::ScanError;
pub(crate) use self::scan::{ScanResult, Scanner};
