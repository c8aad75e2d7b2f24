//! Order of versions.

use std::cmp::Ordering;

use semver::Version;

/// Compares two versions: semantically, and others before all semantic ones, as texts.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(parsed), Some(other)) => parsed.cmp(&other).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}

/// Returns `true` if `text` can be the version of an entry.
pub(crate) fn is_valid(text: &str) -> bool {
    let is_printable = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=255).contains(&text.len()) && text != "latest" && text.bytes().all(is_printable)
}

/// Parses a semantic version, with or without a leading `v`.
fn parse(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions_are_later_than_others() {
        let ordered = [
            "2025.1",
            "latest-2",
            "0.9.0",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.9.0",
            "1.10.0",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert!(
            is_valid("1.0.0+build.5") && !is_valid("latest") && !is_valid("1 0") && !is_valid("")
        );
    }
}
