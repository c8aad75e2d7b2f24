//! Transports to running servers: HTTP, or a pair of byte streams.
//!
//! A [`Transport`] is the result of
//! [`RuntimeBackend::connect`](crate::upstream::RuntimeBackend::connect). It carries bytes;
//! protocol versions, sessions and requests are the concern of [`upstream`](crate::upstream).
//!
//! See [MCP 2026-07-28,
//! transports](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports).

mod event_stream;
mod http_body;
mod link;
mod program_output;
mod standalone;

pub(crate) use self::event_stream::EventStream;
pub use self::http_body::HttpBody;
pub use self::link::{HttpClient, HttpTransport, ServerHandle, StdioTransport, Transport};
pub(crate) use self::program_output::{ExitReport, ProgramOutput};
pub use self::standalone::StandaloneStream;
