//! Short names of tools, in place of those that exceed a limit.
//!
//! A short name is derived from the long one alone, so that it is the same after a restart and at
//! every replica.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

/// Returns the name in place of `long`, which exceeds `max` bytes: its beginning, and a hash.
pub(super) fn short_name(long: &str, max: usize) -> String {
    let hash = digest(&SHA256, long.as_bytes());
    let mut kept = max.saturating_sub(SUFFIX);
    while !long.is_char_boundary(kept) {
        kept -= 1;
    }
    let mut short = String::from(&long[..kept]);
    short.push(MARK);
    for byte in &hash.as_ref()[..HASH / 2] {
        // Writing to a string cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// Returns `true` if `name` may be a short name of at most `max` bytes.
pub(super) fn may_be_short(name: &str, max: usize) -> bool {
    // The end of the kept part is a character, of up to four bytes.
    let is_long = name.len() <= max && name.len() + 4 > max;
    let suffix = name.rsplit_once(MARK).map(|(_, hash)| hash);
    let is_hash = |hash: &str| hash.len() == HASH && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_long && suffix.is_some_and(is_hash)
}

/// Character before the hash.
const MARK: char = '-';

/// Length of the hash in hexadecimal digits.
const HASH: usize = 8;

/// Length of mark and hash.
const SUFFIX: usize = 1 + HASH;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_stable_and_distinct() {
        let long = |end: &str| format!("server__{}{end}", "x".repeat(70));
        let short = short_name(&long("a"), 64);
        assert_eq!(
            short,
            "server__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-9a173afa"
        );
        assert!(may_be_short(&short, 64));
        assert_ne!(short_name(&long("b"), 64), short);
        let wide = short_name(&format!("server__{}", "ä".repeat(60)), 64);
        assert!(wide.len() <= 64 && may_be_short(&wide, 64), "{wide}");
        let no_hash = format!("{}-0123456g", "a".repeat(55));
        for name in ["a", &*"a".repeat(64), &*no_hash] {
            assert!(!may_be_short(name, 64), "{name}");
        }
    }
}
