//! Transports to running servers: HTTP, or a pair of byte streams.
//!
//! A [`Link`] is what a [`RuntimeBackend`](crate::upstream::RuntimeBackend) returns. It carries
//! bytes; protocol versions, sessions and requests are the concern of
//! [`upstream`](crate::upstream).

mod event_stream;
mod link;

pub(crate) use self::event_stream::EventStream;
pub use self::link::{HttpBody, HttpClient, HttpLink, Link, Pipe, Running};
