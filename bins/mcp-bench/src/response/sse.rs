//! Server-sent events.

use std::borrow::Cow;

/// Iterator over the data of the complete events of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Events<'a> {
    rest: &'a [u8],
}

impl<'a> Events<'a> {
    /// Creates an iterator over `stream`.
    pub(crate) fn new(stream: &'a [u8]) -> Self {
        Self {
            rest: stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream),
        }
    }

    /// Returns the next line without its end; `None` if no complete line remains.
    fn line(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr2(b'\n', b'\r', self.rest)?;
        let (line, rest) = self.rest.split_at(end);
        let ending = if rest.starts_with(b"\r\n") { 2 } else { 1 };
        self.rest = &rest[ending..];
        Some(line)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut data: Option<Cow<'a, [u8]>> = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                match data {
                    Some(data) => return Some(data),
                    None => continue,
                }
            }
            let Some(value) = data_of(line) else { continue };
            data = Some(match data {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned([before.as_ref(), b"\n", value].concat()),
            });
        }
    }
}

/// Returns the value of a `data` field.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    if value.is_empty() {
        return Some(value);
    }
    let value = value.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &str) -> Vec<String> {
        Events::new(stream.as_bytes())
            .map(|event| String::from_utf8_lossy(&event).into_owned())
            .collect()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        assert_eq!(
            events("data: a\n\ndata:b\r\n\r\ndata:  c\r\r"),
            ["a", "b", " c"]
        );
        assert_eq!(
            events("\u{feff}: comment\nevent: x\nid: 1\ndata: a\ndata\ndata: b\n\n"),
            ["a\n\nb"]
        );
        assert_eq!(events("id: 1\n\nretry: 5\n\n"), [""; 0]);
        assert_eq!(events("data:\n\n"), [""]);
        assert_eq!(events("database: a\n\n"), [""; 0]);
    }

    #[test]
    fn an_event_without_its_end_is_none() {
        assert_eq!(events("data: a\n\ndata: b\n"), ["a"]);
        assert_eq!(events("data: a"), [""; 0]);
    }
}
