//! Masking of a result, from JSON text to JSON text.
//!
//! Everything that is not masked is copied as it is: numbers keep their digits.

use std::borrow::Cow;

use regex::{NoExpand, Regex};
use serde_json::value::RawValue;

use super::ResultMask;
use super::echo::Echo;
use super::encoded::decoded;
use crate::condition::members;

/// A result that cannot be masked reliably, so that nobody may receive it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum MaskFailure {
    #[error("it is not valid JSON, or not read alike by all readers")]
    Unreadable,
    #[error("it has too many masked values")]
    TooMany,
}

/// Masking of the texts of one result.
pub(super) struct Masker<'m> {
    masks: &'m [&'m ResultMask],
    /// Values that paths have selected, in the pass that collects them.
    selected: Option<Echo>,
    /// The same as a pattern, in the pass that replaces them elsewhere.
    echo: Option<(Regex, &'m str)>,
}

/// Position of a value in a result.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    /// In a part that the protocol defines.
    Protocol,
    /// In content that the server defines.
    Free,
}

type Masked = Result<(), MaskFailure>;

/// Returns `text`, a JSON text of the protocol, with its masked parts replaced.
pub(super) fn mask(text: &str, masks: &[&ResultMask]) -> Result<String, MaskFailure> {
    let mut masker = Masker {
        masks,
        selected: Some(Echo::default()),
        echo: None,
    };
    let mut masked = String::with_capacity(text.len());
    masker.value(text, Place::Protocol, 0, &mut masked)?;
    let Some(selected) = masker
        .selected
        .take()
        .filter(|selected| !selected.is_empty())
    else {
        return Ok(masked);
    };
    let replacement = masks.first().map_or("***", |mask| mask.replacement());
    let echo = selected.pattern().ok_or(MaskFailure::TooMany)?;
    let mut masker = Masker {
        masks: &[],
        selected: None,
        echo: Some((echo, replacement)),
    };
    let mut echoed = String::with_capacity(masked.len());
    masker.value(&masked, Place::Protocol, 0, &mut echoed)?;
    Ok(echoed)
}

impl Masker<'_> {
    /// Masks the value `text` and appends it to `out`.
    fn value(&mut self, text: &str, place: Place, depth: usize, out: &mut String) -> Masked {
        let text = text.trim_ascii();
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, place, depth, out),
            Some(b'[') => self.array(text, place, depth, out),
            Some(b'"') => {
                let string: String = read(text)?;
                match self.text(&string, depth)? {
                    Some(masked) => push_string(out, &masked),
                    None => out.push_str(text),
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                match self.matched(text) {
                    Cow::Borrowed(number) => out.push_str(number),
                    Cow::Owned(masked) => push_string(out, &masked),
                }
                Ok(())
            }
            _ => {
                out.push_str(text);
                Ok(())
            }
        }
    }

    fn array(&mut self, text: &str, place: Place, depth: usize, out: &mut String) -> Masked {
        let items: Vec<&RawValue> = read(text)?;
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.value(item.get(), place, depth, out)?;
        }
        out.push(']');
        Ok(())
    }

    fn object(&mut self, text: &str, place: Place, depth: usize, out: &mut String) -> Masked {
        let members = members(text).map_err(|_| MaskFailure::Unreadable)?;
        out.push('{');
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            match place {
                Place::Free => push_string(out, &self.matched(key)),
                Place::Protocol => push_string(out, key),
            }
            out.push(':');
            self.member(key, (value.get(), place), depth, out)?;
        }
        out.push('}');
        Ok(())
    }

    /// Masks the value of the member `key`.
    fn member(
        &mut self,
        key: &str,
        (value, place): (&str, Place),
        depth: usize,
        out: &mut String,
    ) -> Masked {
        if place == Place::Free {
            return self.value(value, place, depth, out);
        }
        match key {
            "structuredContent" => {
                let value = self.document(value)?;
                self.value(&value, Place::Free, depth, out)
            }
            "_meta" if self.echo.is_none() && value.contains("progressToken") => {
                self.value(value, Place::Protocol, depth, out)
            }
            "_meta" | "data" | "blob" if value.starts_with(['{', '[']) => {
                self.value(value, Place::Free, depth, out)
            }
            "blob" | "data" => self.binary(value, depth, out),
            _ if is_exempt(key, value) => {
                out.push_str(value);
                Ok(())
            }
            _ => self.value(value, place, depth, out),
        }
    }

    /// Masks a Base64 text whose content is a text; other content is copied.
    fn binary(&mut self, value: &str, depth: usize, out: &mut String) -> Masked {
        let string: Cow<'_, str> = match value.starts_with('"') {
            true => read::<String>(value)?.into(),
            false => return self.value(value, Place::Free, depth, out),
        };
        let Some(content) = decoded(&string) else {
            return self.value(value, Place::Free, depth, out);
        };
        let Ok(content) = String::from_utf8(content) else {
            out.push_str(value);
            return Ok(());
        };
        match self.text(&content, depth)? {
            Some(masked) => push_string(out, &super::encoded::encoded(&masked)),
            None => out.push_str(value),
        }
        Ok(())
    }

    /// Returns the masked form of a decoded text; `None` if nothing is masked.
    fn text(&mut self, text: &str, depth: usize) -> Result<Option<String>, MaskFailure> {
        let mut masked = Cow::Borrowed(text);
        if let Some(json) = self.json_in(text, depth)? {
            let json = self.document(json)?;
            let mut out = String::with_capacity(json.len());
            self.value(&json, Place::Free, depth + 1, &mut out)?;
            if out != json || matches!(json, Cow::Owned(_)) {
                masked = out.into();
            }
        }
        let changed = match self.matched(&masked) {
            Cow::Owned(matched) => Some(matched),
            Cow::Borrowed(_) => None,
        };
        Ok(match (changed, masked) {
            (Some(changed), _) | (None, Cow::Owned(changed)) => Some(changed),
            (None, Cow::Borrowed(_)) => None,
        })
    }

    /// Returns `text` if it is a JSON object or array.
    ///
    /// Fails if it only begins like one, and values have to be selected in it.
    fn json_in<'t>(&self, text: &'t str, depth: usize) -> Result<Option<&'t str>, MaskFailure> {
        let trimmed = text.trim_ascii().trim_start_matches('\u{feff}');
        if !trimmed.starts_with(['{', '[']) {
            return Ok(None);
        }
        let is_json = serde_json::from_str::<&RawValue>(trimmed).is_ok();
        let selects = self.masks.iter().any(|mask| mask.paths().is_some());
        match is_json {
            true if depth < MAX_NESTED => Ok(Some(trimmed)),
            false if !selects || !is_like_json(trimmed) => Ok(None),
            _ => Err(MaskFailure::Unreadable),
        }
    }

    /// Replaces the values that paths select in the JSON text `text`.
    fn document<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, MaskFailure> {
        let mut text = Cow::Borrowed(text);
        let Some(selected) = &mut self.selected else {
            return Ok(text);
        };
        if !text.trim_ascii_start().starts_with(['{', '[']) {
            return Ok(text);
        }
        for mask in self.masks {
            let Some(paths) = mask.paths() else { continue };
            let mut replacement = String::new();
            push_string(&mut replacement, mask.replacement());
            let replaced = paths.replace(&text, &replacement, |value| selected.add(value));
            if let Some(replaced) = replaced.map_err(|_| MaskFailure::Unreadable)? {
                text = replaced.into();
            }
        }
        Ok(text)
    }

    /// Replaces what patterns match in `text`.
    fn matched<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        let echo = self.echo.iter().map(|(pattern, text)| (pattern, *text));
        let patterns = self.masks.iter().flat_map(|mask| {
            let patterns = mask.patterns().iter();
            patterns.map(|pattern| (pattern, mask.replacement()))
        });
        for (pattern, replacement) in patterns.chain(echo) {
            if let Cow::Owned(replaced) = pattern.replace_all(&masked, NoExpand(replacement)) {
                masked = replaced.into();
            }
        }
        masked
    }
}

/// Returns `true` if the member must arrive as it is for the protocol to work.
fn is_exempt(key: &str, value: &str) -> bool {
    let is_word = |value: &str| {
        value.len() <= MAX_WORD
            && value
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"\"_/-".contains(&byte))
    };
    match key {
        "code" | "id" | "nextCursor" | "progressToken" | "requestState" | "taskId" => true,
        "level" | "method" | "mimeType" | "resultType" | "role" | "status" | "type" => {
            is_word(value)
        }
        _ => false,
    }
}

/// Returns `true` if a reader could take `text` for JSON with a mistake.
fn is_like_json(text: &str) -> bool {
    let mut bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let _ = bytes.next();
    matches!(bytes.next(), Some(b'"' | b'{' | b'[' | b'\''))
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, MaskFailure> {
    serde_json::from_str(text).map_err(|_| MaskFailure::Unreadable)
}

/// Appends `text` as a JSON string.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Maximum depth of JSON texts in texts of JSON texts.
const MAX_NESTED: usize = 4;

/// Maximum length of a word of the protocol.
const MAX_WORD: usize = 48;
