//! Masking of known secrets in the texts of others.

mod forms;

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;

use self::forms::{base64_forms, forms};

/// Secrets of a request, which are replaced in what others write about it.
///
/// A server that rejects a request may quote what it has received. Its text is masked where it
/// becomes a text of the gateway: an error, a description of an answer, a line of a program. A secret
/// is replaced as it is, and where it is percent-encoded, escaped as in JSON or a string literal,
/// escaped as in HTML, or part of a Base64 text. These may be mixed.
///
/// - A secret of fewer than eight characters is replaced only where it is a word of its own, because
///   its occurrences inside of other words would disclose it.
/// - A text that ends with at least eight characters of a longer secret is masked as well: it may have
///   been cut there.
/// - Each line of a secret is a secret.
///
/// # Example
///
/// ```
/// use http::HeaderValue;
/// use mcp_gateway_core::Mask;
///
/// let mask = Mask::new()
///     .with_secret("k3y/with=signs")
///     .with_header(&HeaderValue::from_static("Bearer ghp_16C7e42F292c"));
/// assert_eq!(mask.apply(r#"{"token":"ghp_16C7e42F292c"}"#), r#"{"token":"***"}"#);
/// assert_eq!(mask.apply("?key=k3y%2Fwith%3dsigns&a=1"), "?key=***&a=1");
/// assert_eq!(mask.apply("connection refused"), "connection refused");
/// assert_eq!(format!("{mask:?}"), "Mask { .. }");
/// ```
#[derive(Clone, Default)]
#[doc(alias("redact", "redaction", "scrub"))]
pub struct Mask(Vec<Pattern>);

/// Text that is replaced.
#[derive(Clone)]
struct Pattern {
    text: Box<str>,
    /// Set if it is replaced only as a word of its own.
    is_word: bool,
}

impl Mask {
    /// Creates a mask without secrets, which changes no text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret.
    #[must_use]
    pub fn with_secret(mut self, secret: &str) -> Self {
        let lines = secret.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            self.add(line);
            for encoded in base64_forms(line) {
                self.add(&encoded);
            }
        }
        self
    }

    /// Adds the value of a header, and the part that follows its scheme.
    ///
    /// Of `Basic`, it is the password, whether it is form-encoded or not.
    #[must_use]
    pub fn with_header(self, value: &HeaderValue) -> Self {
        let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
            return self;
        };
        let mask = self.with_secret(text);
        let Some((scheme, rest)) = text.split_once(' ') else {
            return mask;
        };
        let mask = mask.with_secret(rest);
        if !scheme.eq_ignore_ascii_case("Basic") {
            return mask;
        }
        let pair = STANDARD.decode(rest.trim()).unwrap_or_default();
        let pair = String::from_utf8_lossy(&pair);
        let (_, password) = pair.split_once(':').unwrap_or_default();
        let decoded = percent_decode_str(password).decode_utf8_lossy();
        mask.with_secret(password).with_secret(&decoded)
    }

    /// Adds `text` as it is.
    fn add(&mut self, text: &str) {
        if self.0.iter().all(|known| *known.text != *text) {
            self.0.push(Pattern {
                text: text.into(),
                is_word: text.chars().count() < MIN_LENGTH,
            });
        }
    }

    /// Replaces the secrets in `text`.
    #[must_use]
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed("");
        let (mut at, mut kept) = (0, 0);
        while let Some(c) = text[at..].chars().next() {
            match self.end(text, at) {
                Some(end) => {
                    let masked = masked.to_mut();
                    masked.push_str(&text[kept..at]);
                    masked.push_str(MARKER);
                    (at, kept) = (end, end);
                }
                None => at += c.len_utf8(),
            }
        }
        match kept {
            0 => Cow::Borrowed(text),
            _ => masked + &text[kept..],
        }
    }

    /// Returns the end of the longest secret that begins at the position `at` of `text`.
    fn end(&self, text: &str, at: usize) -> Option<usize> {
        let ends = self.0.iter().filter_map(|pattern| pattern.end(text, at));
        ends.max()
    }
}

impl Pattern {
    /// Returns the end of the secret that begins at the position `at` of `text`.
    fn end(&self, text: &str, at: usize) -> Option<usize> {
        if self.is_word && text[..at].ends_with(char::is_alphanumeric) {
            return None;
        }
        let mut chars = self.text.chars().enumerate();
        // Positions to which the forms of the first characters extend. Most often there is none.
        let mut ends = positions(text, &[at], chars.next()?.1);
        for (matched, c) in chars {
            if ends.is_empty() {
                return None;
            }
            let next = positions(text, &ends, c);
            if next.is_empty() && matched >= MIN_LENGTH && ends.contains(&text.len()) {
                return Some(text.len());
            }
            ends = next;
        }
        let is_whole =
            |end: &usize| !self.is_word || !text[*end..].starts_with(char::is_alphanumeric);
        ends.into_iter().filter(is_whole).max()
    }
}

/// Returns the ends of the forms of `c` that begin at one of the positions `starts`.
fn positions(text: &str, starts: &[usize], c: char) -> Vec<usize> {
    let mut ends = Vec::new();
    for start in starts {
        forms(&text[*start..], c, |length| {
            if !ends.contains(&(start + length)) {
                ends.push(start + length);
            }
        });
    }
    ends
}

impl fmt::Debug for Mask {
    /// Omits the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

/// Replacement of secrets.
const MARKER: &str = "***";

/// Length in characters below which a secret is replaced only as a word of its own.
const MIN_LENGTH: usize = 8;

#[cfg(test)]
mod tests;
