//! JSON-RPC messages, kept as the bytes that arrived.
//!
//! The gateway changes little in what passes through it: a name, an identifier, a few keys of
//! `_meta`. So a message is not decoded into types and encoded again, which would lose what the
//! types do not know; it stays the text that it was, with an index of the few places that matter.

mod envelope;
mod error;
mod id;
mod message;
mod notification;
mod params;
mod request;
mod response;
mod scan;

pub use self::error::{ErrorObject, code};
pub use self::id::Id;
pub use self::message::{Message, MessageError};
pub use self::notification::Notification;
pub(crate) use self::params::Params;
pub use self::request::Request;
pub use self::response::Response;
pub use self::scan::ScanError;
pub(crate) use self::scan::{Scanner, Seen};
