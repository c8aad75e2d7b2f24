//! Incremental parser of server-sent events.

use std::mem;
use std::time::Duration;

use bytes::Bytes;

/// An incremental parser of a stream of server-sent events.
///
/// The stream may be divided into pieces at any byte. Lines may end in LF, CR or CRLF; comments and
/// unknown fields are ignored. Memory is bounded by the limit given to [`new`](Self::new).
///
/// # Example
///
/// ```
/// use mcp_gateway_core::sse::SseReader;
///
/// let mut reader = SseReader::new(1024);
/// let mut events = Vec::new();
/// for piece in ["id: 7\r", "\ndata: {\"a\":", "1}\n", "\n: ping\n\n"] {
///     reader.feed(piece.as_bytes(), &mut events)?;
/// }
/// assert_eq!(events.len(), 1);
/// assert_eq!(events[0].data, "{\"a\":1}");
/// assert_eq!(events[0].id.as_deref(), Some("7"));
/// # Ok::<_, mcp_gateway_core::sse::EventTooLarge>(())
/// ```
#[derive(Debug)]
pub struct SseReader {
    /// Maximum size of an event, in bytes.
    limit: usize,
    /// Start of a line whose end has not arrived.
    line: Vec<u8>,
    /// Fields of the event that is being read.
    event: Pending,
    /// `true` if the last piece ended in CR, so that a following LF belongs to it.
    after_cr: bool,
    /// `true` before the first line, which may begin with a byte order mark.
    at_start: bool,
}

/// A server-sent event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SseEvent {
    /// Values of the `data` fields, joined by LF.
    ///
    /// Empty in an event that only gives the client an [`id`](Self::id) from which to resume.
    pub data: Bytes,
    /// Event type; `None` for the default, `message`.
    pub name: Option<String>,
    /// Event ID from which the stream can be resumed.
    pub id: Option<String>,
    /// Delay before a reconnection that the server asks for.
    pub retry: Option<Duration>,
}

impl SseEvent {
    /// Returns `true` if the event is a message of the protocol: of the default type, and with data.
    ///
    /// Servers and proxies send events of other types, such as keep-alives.
    pub(crate) fn is_message(&self) -> bool {
        self.name.is_none() && !self.data.is_empty()
    }
}

/// Error of a stream whose event, or a line of it, exceeds the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
#[non_exhaustive]
pub struct EventTooLarge {
    /// Limit in bytes.
    pub limit: usize,
}

/// Fields of an incomplete event.
#[derive(Debug, Default)]
struct Pending {
    data: Vec<u8>,
    /// `true` if a field was read that makes the event worth dispatching.
    any: bool,
    name: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

impl SseReader {
    /// Creates a parser at the start of a stream whose events have at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Pending::default(),
            after_cr: false,
            at_start: true,
        }
    }

    /// Parses the next piece of the stream and appends the events that it completes to `events`.
    ///
    /// # Errors
    ///
    /// [`EventTooLarge`] if an event exceeds the limit. The parser must not be used again then.
    pub fn feed(&mut self, piece: &[u8], events: &mut Vec<SseEvent>) -> Result<(), EventTooLarge> {
        let mut rest = piece;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            self.check_size(end)?;
            if self.line.is_empty() {
                self.take_line(&rest[..end], events);
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                self.take_line(&line, events);
            }
            let ended_in_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if ended_in_cr {
                self.after_cr = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.check_size(rest.len())?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// Returns an error if `more` bytes would exceed the limit.
    fn check_size(&self, more: usize) -> Result<(), EventTooLarge> {
        // The names of fields, and the LF between two lines, do not count as data.
        if self.line.len() + self.event.data.len() + more > self.limit.saturating_add(64) {
            return Err(EventTooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// Parses one complete line.
    fn take_line(&mut self, line: &[u8], events: &mut Vec<SseEvent>) {
        let line = match mem::take(&mut self.at_start) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            events.extend(self.event.take());
            return;
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        self.event
            .set(field, value.strip_prefix(b" ").unwrap_or(value));
    }
}

impl Pending {
    /// Sets one field.
    fn set(&mut self, field: &[u8], value: &[u8]) {
        let text = || std::str::from_utf8(value).ok();
        match field {
            b"data" => {
                if self.any && !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.any = true;
            }
            b"event" => self.name = text().filter(|name| !name.is_empty()).map(str::to_owned),
            b"id" if !value.contains(&0) => {
                self.id = text().map(str::to_owned);
                self.any = true;
            }
            b"retry" => {
                self.retry = text()
                    .and_then(|ms| ms.parse().ok())
                    .map(Duration::from_millis);
                self.any |= self.retry.is_some();
            }
            _ => {}
        }
    }

    /// Takes the complete event, leaving an empty one.
    fn take(&mut self) -> Option<SseEvent> {
        let Self {
            data,
            any,
            name,
            id,
            retry,
        } = mem::take(self);
        any.then(|| SseEvent {
            data: data.into(),
            name: name.filter(|name| name != "message"),
            id,
            retry,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut reader = SseReader::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            reader.feed(piece, &mut events).unwrap();
        }
        events
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let text = "\u{feff}event: endpoint\ndata:/m\n\ndata: a\ndata:  b\nid\nfoo: x\n\n\
                    :comment\n\nid: 3\ndata:\n\nretry: 50\n\nretry: x\n\ndata: lost";
        let events = read(&[text.as_bytes()]);
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].name.as_deref(), Some("endpoint"));
        assert_eq!(events[0].data, "/m");
        assert_eq!(events[1].data, "a\n b");
        assert_eq!(events[1].id.as_deref(), Some(""));
        assert_eq!(
            (events[2].id.as_deref(), events[2].data.is_empty()),
            (Some("3"), true)
        );
        assert_eq!(events[3].retry, Some(Duration::from_millis(50)));
    }

    #[test]
    fn a_name_alone_is_no_event() {
        assert!(read(&[b"event: ping\n\n"]).is_empty());
        assert_eq!(read(&[b"event: message\ndata: x\n\n"])[0].name, None);
    }

    #[test]
    fn an_event_that_does_not_end_is_refused() {
        for line in ["x", "data: x", "data: x\n"] {
            let mut reader = SseReader::new(1000);
            let mut events = Vec::new();
            let result = (0..10_000).try_for_each(|_| reader.feed(line.as_bytes(), &mut events));
            assert_eq!(result, Err(EventTooLarge { limit: 1000 }), "{line:?}");
            assert!(events.is_empty());
        }
    }

    proptest! {
        /// The events of a stream depend neither on its division into pieces nor on its line ends.
        #[test]
        fn cuts_do_not_matter(
            text in "(data: [a-c]{0,3}\n|id: [0-9]{0,2}\n|:\n|\n){0,20}",
            end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
            cuts in prop::collection::vec(0..1000_usize, 0..10),
        ) {
            let whole = read(&[text.as_bytes()]);
            let text = text.replace('\n', end);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), whole);
        }
    }
}
