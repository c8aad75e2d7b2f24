//! Serializer of server-sent events.

/// A comment line, which keeps proxies from closing an idle connection.
pub(crate) const KEEP_ALIVE: &[u8] = b":\n\n";

/// Appends an event of type `message` with `data` and the event ID `id` to `out`.
///
/// `data` may contain any bytes; every line of it becomes a `data` field, as the format requires.
pub(crate) fn write_event(out: &mut Vec<u8>, id: Option<&str>, data: &[u8]) {
    write(out, "message", id, data);
}

/// Appends an event of the type `name` to `out`.
pub(crate) fn write_named_event(out: &mut Vec<u8>, name: &str, data: &[u8]) {
    write(out, name, None, data);
}

fn write(out: &mut Vec<u8>, name: &str, id: Option<&str>, data: &[u8]) {
    out.reserve(data.len() + name.len() + id.map_or(0, str::len) + 32);
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    // Some clients ignore events without a type. An event without data is no message.
    if !data.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    let mut lines = data.split(|byte| matches!(byte, b'\n' | b'\r'));
    // An event with an empty `data` field is valid: it gives the client an ID for resumption.
    let first = lines.next().unwrap_or_default();
    for line in std::iter::once(first).chain(lines.filter(|line| !line.is_empty())) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::SseReader;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for (id, data) in [
            (None, "{\"a\":1}"),
            (Some("7"), ""),
            (Some("8"), "{\r\n\"a\":\r\n1}"),
        ] {
            let mut out = Vec::new();
            write_event(&mut out, id, data.as_bytes());
            let mut events = Vec::new();
            SseReader::new(100).feed(&out, &mut events).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].id.as_deref(), id);
            assert_eq!(events[0].data, data.replace("\r\n", "\n"));
        }
        let mut out = Vec::new();
        write_named_event(&mut out, "endpoint", b"/messages");
        assert_eq!(out, b"event: endpoint\ndata: /messages\n\n");
    }
}
