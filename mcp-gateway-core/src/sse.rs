//! Server-sent events, as the [HTML standard][html] defines them.
//!
//! [html]: https://html.spec.whatwg.org/multipage/server-sent-events.html

mod reader;
mod writer;

pub use self::reader::{EventTooLarge, Reader, SseEvent};
pub(crate) use self::writer::{KEEP_ALIVE, write_event, write_named_event};
