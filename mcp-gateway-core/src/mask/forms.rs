//! Forms in which a text is quoted.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::MIN_LENGTH;

/// Calls `found` with the length of each form of `c` with which `text` begins.
pub(super) fn forms(text: &str, c: char, mut found: impl FnMut(usize)) {
    if text.starts_with(c) {
        found(c.len_utf8());
    }
    match text.as_bytes().first() {
        Some(b'+') if c == ' ' => found(1),
        Some(b'%') => percent_encoded(text, c).into_iter().for_each(found),
        Some(b'\\') => escaped(text, c, found),
        Some(b'&') => html_escaped(text, c).into_iter().for_each(found),
        _ => {}
    }
}

/// Returns the length of the percent-encoded `c` with which `text` begins.
fn percent_encoded(text: &str, c: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let code = text.get(3 * at..3 * at + 3)?.strip_prefix('%')?;
        if u8::from_str_radix(code, 16).ok()? != *byte {
            return None;
        }
    }
    Some(3 * bytes.len())
}

/// Calls `found` with the length of each `c` behind backslashes with which `text` begins. A text in a
/// quoted text has several of them.
fn escaped(text: &str, c: char, mut found: impl FnMut(usize)) {
    let rest = text.trim_start_matches('\\');
    let slashes = text.len() - rest.len();
    if c == '\\' {
        [2, 4]
            .into_iter()
            .filter(|n| *n <= slashes)
            .for_each(&mut found);
    }
    if rest.starts_with(c) {
        found(slashes + c.len_utf8());
    }
    let numeric = utf16_escape(rest, c).or_else(|| code_escape(rest, c));
    numeric
        .into_iter()
        .for_each(|length| found(slashes + length));
}

/// Returns the length of the code of `c` in JSON, without the first backslashes: `u00e9`.
fn utf16_escape(text: &str, c: char) -> Option<usize> {
    let mut buffer = [0; 2];
    let mut rest = text;
    for unit in c.encode_utf16(&mut buffer) {
        rest = rest.trim_start_matches('\\').strip_prefix('u')?;
        let (code, after) = rest.split_at_checked(4)?;
        if u16::from_str_radix(code, 16).ok()? != *unit {
            return None;
        }
        rest = after;
    }
    Some(text.len() - rest.len())
}

/// Returns the length of the code of `c` in a string literal, without the backslash: `u{e9}` or `xe9`.
fn code_escape(text: &str, c: char) -> Option<usize> {
    let (code, rest) = match text.strip_prefix("u{") {
        Some(text) => text.split_once('}')?,
        None => text.strip_prefix('x')?.split_at_checked(2)?,
    };
    let is_same = u32::from_str_radix(code, 16) == Ok(u32::from(c));
    is_same.then_some(text.len() - rest.len())
}

/// Returns the length of the character reference of `c` with which `text` begins.
fn html_escaped(text: &str, c: char) -> Option<usize> {
    let (name, rest) = text.strip_prefix('&')?.split_once(';')?;
    let code = match name.strip_prefix('#') {
        Some(code) => match code.strip_prefix(['x', 'X']) {
            Some(code) => u32::from_str_radix(code, 16).ok()?,
            None => code.parse().ok()?,
        },
        None => {
            let (_, named) = REFERENCES.into_iter().find(|(known, _)| *known == name)?;
            u32::from(named)
        }
    };
    (code == u32::from(c)).then_some(text.len() - rest.len())
}

/// Returns the parts of Base64 texts that contain `secret` and depend on nothing beside it.
///
/// They differ by the position of the secret in groups of three bytes, and by the alphabet.
pub(super) fn base64_forms(secret: &str) -> impl Iterator<Item = String> {
    let of_offset = move |offset: usize| {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(secret.as_bytes());
        // The characters at both ends depend on other bytes too.
        let part = (8 * offset).div_ceil(6)..8 * bytes.len() / 6;
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|alphabet| {
            let encoded = alphabet.encode(&bytes);
            encoded.get(part.clone()).unwrap_or_default().to_owned()
        })
    };
    let encoded = (0..3).flat_map(of_offset);
    encoded.filter(|encoded| encoded.len() >= MIN_LENGTH)
}

/// Named character references of HTML that escape markup.
const REFERENCES: [(&str, char); 5] = [
    ("amp", '&'),
    ("apos", '\''),
    ("gt", '>'),
    ("lt", '<'),
    ("quot", '"'),
];
