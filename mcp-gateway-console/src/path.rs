//! Paths with identifiers, and their queries.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Root of the pages.
pub(crate) const ROOT: &str = "/console";

/// Characters of a segment that are encoded: all but the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns the segment of a path for `text`.
///
/// A segment of dots alone would be resolved by browsers, and has no other spelling: it is replaced by
/// one that names nothing.
pub(crate) fn segment(text: &str) -> String {
    match text {
        "." | ".." | "" => "~".to_owned(),
        text => utf8_percent_encode(text, ENCODED).to_string(),
    }
}

/// Returns the path of a page below `/console`, of which each segment is encoded.
pub(crate) fn page(segments: &[&str]) -> String {
    joined(ROOT, segments)
}

/// Returns the path of a resource of the API, of which each segment is encoded.
pub(crate) fn resource(segments: &[&str]) -> String {
    joined("/api/v1", segments)
}

/// Returns `path` with the parameters that have a value.
pub(crate) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    let mut separator = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        let value = utf8_percent_encode(value, ENCODED);
        let _ = write!(text, "{separator}{name}={value}");
        separator = '&';
    }
    text
}

fn joined(root: &str, segments: &[&str]) -> String {
    let mut path = root.to_owned();
    for text in segments {
        path.push('/');
        path.push_str(&segment(text));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r24_identifiers_stay_in_their_segment() {
        for (id, expected) in [
            ("notes", "/console/servers/notes"),
            ("com.example/notes", "/console/servers/com.example%2Fnotes"),
            ("../users", "/console/servers/..%2Fusers"),
            ("..", "/console/servers/~"),
            ("a?b#c&d", "/console/servers/a%3Fb%23c%26d"),
            ("\"><script>", "/console/servers/%22%3E%3Cscript%3E"),
        ] {
            assert_eq!(page(&["servers", id]), expected);
        }
        let query = [("search", "a b&c"), ("after", ""), ("limit", "5")];
        assert_eq!(with_query("/x", &query), "/x?search=a%20b%26c&limit=5");
    }
}
