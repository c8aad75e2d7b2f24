//! Ways to a running server: HTTP, or a pair of byte streams.

mod event_stream;
mod link;

pub(crate) use self::event_stream::EventStream;
pub use self::link::{HttpBody, HttpClient, HttpLink, Link, Pipe, Running};
