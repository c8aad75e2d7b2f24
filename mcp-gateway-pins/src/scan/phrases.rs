//! Phrases of texts that address the model behind the back of the user.

use std::sync::LazyLock;

use regex::Regex;

use super::Issue;
use super::texts::Text;

/// Returns the findings about the phrases of `text`.
pub(super) fn find(text: &Text<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let length = text.text.chars().count();
    for (pattern, issue) in PATTERNS.iter() {
        if pattern.is_match(text.text) {
            issues.push(issue.clone());
        }
    }
    if text.is_prose && length > MAX_PROSE {
        issues.push(Issue::Long(length));
    }
    let words = || text.text.split_whitespace().take(MIN_WORDS).count();
    if !text.is_prose && length > MAX_VALUE && words() == MIN_WORDS {
        issues.push(Issue::Prose);
    }
    issues
}

/// Patterns with their findings; a pattern that does not compile is missing, which a test excludes.
static PATTERNS: LazyLock<Vec<(Regex, Issue)>> = LazyLock::new(|| {
    let patterns = SOURCES.iter();
    patterns
        .filter_map(|(pattern, issue)| Some((Regex::new(pattern).ok()?, issue.clone())))
        .collect()
});

const SOURCES: &[(&str, Issue)] = &[
    (
        r"(?i)\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all other|any other)\b[^.\n]{0,20}\b(?:instructions?|rules|prompts?|tools?)\b",
        Issue::Override,
    ),
    (
        r"(?i)\b(?:do not|don't|never|without)\s+(?:tell|mention|inform|reveal|notify|show)(?:ing)?\s+(?:(?:this|it|that|anything|about|of|to)\s+){0,3}the\s+user\b",
        Issue::Concealment,
    ),
    (
        r"(?i)<\s*(?:important|system|instructions?|hidden|admin|critical)\s*>",
        Issue::Markup,
    ),
    (r"<!--", Issue::Comment),
    (
        r"(?i)!\[[^\]\n]*\]\(\s*https?:|\]\(\s*data:|<img\s",
        Issue::Data,
    ),
    (
        r"(?i)\b(?:send|forward|post|upload|pass|include|attach|read|open)\b[^.\n]{0,60}(?:\b(?:whole|full|entire|previous) conversation|\bchat history|\bsystem prompt|\bprivate keys?\b|/\.ssh/|\bid_rsa\b|/\.aws/credentials|/etc/passwd)",
        Issue::Exfiltration,
    ),
];

/// Maximum length of a description, in characters: a third of a small model's context of tools.
const MAX_PROSE: usize = 8192;

/// Maximum length of a value with sentences, in characters.
const MAX_VALUE: usize = 200;

/// Number of words that make sentences.
const MIN_WORDS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_compile() {
        assert_eq!(PATTERNS.len(), SOURCES.len());
    }

    #[test]
    fn long_texts_are_found_by_their_place() {
        let text = "word ".repeat(50);
        let found = |is_prose, text: &str| {
            let path = String::new();
            let text = Text {
                path,
                text,
                is_prose,
                is_name: false,
            };
            find(&text)
        };
        assert!(found(true, &text).is_empty());
        assert_eq!(found(false, &text), [Issue::Prose]);
        assert!(found(false, &"a".repeat(300)).is_empty());
        assert_eq!(found(true, &"a".repeat(9000)), [Issue::Long(9000)]);
    }
}
