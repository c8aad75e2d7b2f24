//! Patterns in which `*` stands for any characters.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::glob;
//!
//! assert!(glob::matches("get_*", "get_file"));
//! assert!(!glob::matches("get_*", "delete_file"));
//! assert!(glob::overlap("refs/heads/*", "*/main"));
//! assert!(!glob::overlap("refs/heads/*", "refs/tags/*"));
//! ```

/// Returns `true` if `text` matches `pattern`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Returns `true` if some text matches both patterns.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let other: Vec<char> = other.chars().collect();
    // Element `at` tells if the first characters of `one` and the first `at` of `other` overlap.
    let mut row = vec![true];
    for at in 0..other.len() {
        row.push(row[at] && other[at] == '*');
    }
    for wanted in one.chars() {
        let mut next = vec![row[0] && wanted == '*'];
        for at in 0..other.len() {
            next.push(match (wanted, other[at]) {
                ('*', _) | (_, '*') => row[at + 1] || next[at],
                (wanted, known) => row[at] && wanted == known,
            });
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let table = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_overlap_if_a_text_matches_both() {
        let table = [
            ("a", "a", true),
            ("a", "b", false),
            ("", "*", true),
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("a*c", "ab*", true),
            ("*a*", "b", false),
            ("*ab", "*b", true),
            ("a*b", "a", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }

    proptest! {
        #[test]
        fn what_matches_both_of_two_patterns_is_an_overlap(
            one in "[ab*]{0,5}", other in "[ab*]{0,5}", text in "[ab]{0,5}",
        ) {
            if matches(&one, &text) && matches(&other, &text) {
                prop_assert!(overlap(&one, &other));
            }
        }

        #[test]
        fn an_overlap_is_a_text_that_matches_both(one in "[ab*]{0,3}", other in "[ab*]{0,3}") {
            // Two patterns that overlap have a common text that is no longer than both together.
            let mut texts = vec![String::new()];
            for at in 0..127 {
                for end in ["a", "b"] {
                    texts.push(format!("{}{end}", texts[at]));
                }
            }
            let common = texts.iter().any(|text| matches(&one, text) && matches(&other, text));
            prop_assert_eq!(overlap(&one, &other), common);
        }
    }
}
