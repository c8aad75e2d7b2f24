//! Server-sent events: the reader for streams of upstreams and the writer for streams to clients.
//!
//! The format is that of the [HTML standard][html]. MCP uses it in the Streamable HTTP transport
//! ([2026-07-28][mcp]) and in the HTTP+SSE transport of 2024-11-05.
//!
//! [html]: https://html.spec.whatwg.org/multipage/server-sent-events.html
//! [mcp]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http

mod reader;
mod writer;

pub use self::reader::{EventTooLarge, SseEvent, SseReader};
pub(crate) use self::writer::{KEEP_ALIVE, write_event, write_named_event};
