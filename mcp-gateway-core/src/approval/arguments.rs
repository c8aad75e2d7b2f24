//! Arguments of a call: their digest, and the text that an approver sees.
//!
//! The digest depends neither on whitespace nor on the order of members. Numbers keep their
//! spelling, so that two integers beyond 2^53 are never the same.

use std::borrow::Cow;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ApprovalError;
use crate::json::{Tree, TreeObject, string, string_json};

/// Maximum length of the shown arguments, in bytes.
const MAX_SHOWN: usize = 16 * 1024;

/// Maximum length of each text of arguments that are longer, in bytes.
const MAX_TEXT: usize = 1024;

/// Replacement of a secret.
const MARKER: &str = "\"***\"";

/// Arguments of a call.
pub(super) struct Arguments<'a>(Tree<'a>);

impl<'a> Arguments<'a> {
    /// Parses the JSON text of arguments.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Ambiguous`] if an object has a member twice, or a string is not Unicode: two
    /// readers could read different calls.
    pub(super) fn parse(text: &'a str) -> Result<Self, ApprovalError> {
        let tree = Tree::parse(text).map_err(|_| ApprovalError::Ambiguous)?;
        Ok(Self(tree))
    }

    /// Returns the digest of the arguments.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Ambiguous`], as for [`parse`](Self::parse).
    pub(super) fn digest(&self) -> Result<String, ApprovalError> {
        let mut canonical = String::new();
        write_canonical(&self.0, &mut canonical)?;
        Ok(sha256(&canonical))
    }

    /// Returns the JSON text to show: without secrets and invisible characters, and bounded.
    pub(super) fn shown(mut self) -> String {
        mask(&mut self.0);
        let text = written(&self.0);
        if text.len() <= MAX_SHOWN {
            return bounded(&text, MAX_SHOWN);
        }
        // A long text must not hide what follows it.
        shorten(&mut self.0);
        bounded(&written(&self.0), MAX_SHOWN)
    }
}

/// Returns the SHA-256 digest of `text`, in URL-safe Base64.
pub(super) fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn write_canonical(tree: &Tree<'_>, out: &mut String) -> Result<(), ApprovalError> {
    match tree {
        Tree::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out)?;
                out.push(',');
            }
            out.push(']');
            Ok(())
        }
        Tree::Object(object) => write_members(object, out),
        Tree::Scalar(token) if token.starts_with('"') => {
            let text = tree.text().ok_or(ApprovalError::Ambiguous)?;
            out.push_str(&string_json(&text));
            Ok(())
        }
        Tree::Scalar(token) => {
            out.push_str(token);
            Ok(())
        }
    }
}

fn write_members(object: &TreeObject<'_>, out: &mut String) -> Result<(), ApprovalError> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_by_key(|(key, _)| *key);
    if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(ApprovalError::Ambiguous);
    }
    out.push('{');
    for (key, value) in members {
        out.push_str(&string_json(key));
        out.push(':');
        write_canonical(value, out)?;
        out.push(',');
    }
    out.push('}');
    Ok(())
}

/// Returns the JSON text of `tree`, with escapes instead of invisible characters.
fn written(tree: &Tree<'_>) -> String {
    let mut text = String::new();
    tree.write(&mut text);
    visible(&text).into_owned()
}

/// Cuts long texts.
fn shorten(tree: &mut Tree<'_>) {
    match tree {
        Tree::Array(items) => items.iter_mut().for_each(shorten),
        Tree::Object(object) => object.retain(|_, value| {
            shorten(value);
            true
        }),
        Tree::Scalar(token) if token.len() > MAX_TEXT => {
            let text = string(token).unwrap_or_else(|| token.to_string().into());
            *token = string_json(&bounded(&text, MAX_TEXT)).into();
        }
        Tree::Scalar(_) => {}
    }
}

/// Replaces the values that are secrets, by their keys or their own form.
fn mask(tree: &mut Tree<'_>) {
    match tree {
        Tree::Array(items) => items.iter_mut().for_each(mask),
        Tree::Object(object) => object.retain(|key, value| {
            match is_secret_key(key) {
                true => *value = Tree::Scalar(MARKER.into()),
                false => mask(value),
            }
            true
        }),
        Tree::Scalar(token) => {
            let text = string(token).unwrap_or_else(|| token.to_string().into());
            if is_secret(&text) {
                *token = MARKER.into();
            }
        }
    }
}

/// Returns `true` if the value of `key` is a secret by its name.
fn is_secret_key(key: &str) -> bool {
    let key: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    let key = key.to_lowercase();
    SECRET_NAMES.contains(&&*key)
        || SECRET_PARTS.iter().any(|part| key.contains(part))
        || key.ends_with("token")
}

/// Returns `true` if `text` has the form of a credential.
fn is_secret(text: &str) -> bool {
    let text = text.trim_start();
    let is_token = text.starts_with("eyJ") && text.matches('.').count() >= 2;
    is_token
        || SECRET_PREFIXES.iter().any(|prefix| {
            let start = text.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
        || text.contains("PRIVATE KEY-----")
}

/// Returns `text` with escapes instead of characters that are invisible or reorder others.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_invisible(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string is infallible.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the beginning of `text` if it is longer than `max` bytes.
fn bounded(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut ends = (0..=max).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    let end = end.unwrap_or_default();
    format!("{}… ({} more bytes)", &text[..end], text.len() - end)
}

/// Names of secrets, in lower case and without separators.
const SECRET_NAMES: &[&str] = &[
    "auth", "cookie", "cvc", "cvv", "jwt", "otp", "pass", "pin", "pwd",
];

/// Parts of names of secrets.
const SECRET_PARTS: &[&str] = &[
    "accesskey",
    "apikey",
    "authorization",
    "bearer",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "setcookie",
];

/// Beginnings of credentials.
const SECRET_PREFIXES: &[&str] = &[
    "AKIA",
    "Basic ",
    "Bearer ",
    "gho_",
    "ghp_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(text: &str) -> Result<String, ApprovalError> {
        Arguments::parse(text)?.digest()
    }

    fn shown(text: &str) -> String {
        Arguments::parse(text).unwrap().shown()
    }

    #[test]
    fn a_digest_does_not_depend_on_the_spelling() {
        let one = digest_of(r#"{"a":[1,{"c":"\u0041","b":null}],"d":2}"#).unwrap();
        let other = digest_of(r#" { "d" : 2, "a":[1, {"b":null,"c":"A"}]}"#).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn integers_beyond_the_precision_of_a_double_are_kept_apart() {
        let digests: std::collections::BTreeSet<_> = [
            r#"{"id":9007199254740992}"#,
            r#"{"id":9007199254740993}"#,
            r#"{"id":18446744073709551616}"#,
            r#"{"id":18446744073709551617}"#,
            r#"{"id":"9007199254740992"}"#,
            r#"{"id":[9007199254740992]}"#,
        ]
        .into_iter()
        .map(|text| digest_of(text).unwrap())
        .collect();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn arguments_with_two_meanings_have_no_digest() {
        for text in [
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":"\ud800"}"#,
            r#"[{"b":{"a":1,"a":1}}]"#,
        ] {
            assert!(
                matches!(digest_of(text), Err(ApprovalError::Ambiguous)),
                "{text}"
            );
        }
    }

    #[test]
    fn secrets_are_masked() {
        let text = r#"{"user":"ada","api_key":"k","nested":{"Client-Secret":["x"],"accessToken":1},
            "max_tokens":7,"header":"Bearer abc","list":["ghp_16C7e42F292c","fine"]}"#;
        let expected = concat!(
            r#"{"user":"ada","api_key":"***","nested":{"Client-Secret":"***","accessToken":"***"},"#,
            r#""max_tokens":7,"header":"***","list":["***","fine"]}"#
        );
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn invisible_characters_are_shown() {
        let text = "{\"path\":\"a\u{202e}b\u{e0041}\"}";
        assert_eq!(shown(text), r#"{"path":"a\u202eb\udb40\udc41"}"#);
    }

    #[test]
    fn a_long_text_does_not_hide_what_follows() {
        let text = format!(r#"{{"a":"{}","path":"/"}}"#, "x".repeat(40_000));
        let shown = shown(&text);
        assert!(shown.len() < 2 * MAX_TEXT, "{}", shown.len());
        assert!(shown.ends_with(r#" more bytes)","path":"/"}"#), "{shown}");
    }

    #[test]
    fn long_arguments_are_cut() {
        let items = vec!["\u{202e}".repeat(300); 40];
        let shown = shown(&serde_json::json!({ "a": items }).to_string());
        assert!(shown.len() < MAX_SHOWN + 64, "{}", shown.len());
        assert!(shown.ends_with("more bytes)"));
    }
}
