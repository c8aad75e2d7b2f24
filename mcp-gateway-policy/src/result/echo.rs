//! Values that paths have selected, to be found in other texts.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::value::RawValue;

use super::masker::push_string;
use crate::condition::members;

/// Texts of selected values.
#[derive(Debug, Default)]
pub(super) struct Echo {
    texts: BTreeSet<String>,
    bytes: usize,
    is_full: bool,
}

impl Echo {
    /// Adds the texts and numbers in a selected value, a JSON text.
    pub(super) fn add(&mut self, value: &str) {
        match value.as_bytes().first() {
            Some(b'{') => match members(value) {
                Ok(members) => members.iter().for_each(|(_, value)| self.add(value.get())),
                Err(_) => self.is_full = true,
            },
            Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(value) {
                Ok(items) => items.iter().for_each(|item| self.add(item.get())),
                Err(_) => self.is_full = true,
            },
            Some(b'"') => match serde_json::from_str::<String>(value) {
                Ok(text) => self.add_text(text),
                Err(_) => self.is_full = true,
            },
            Some(b'-' | b'0'..=b'9') => self.add_text(value.to_owned()),
            _ => {}
        }
    }

    fn add_text(&mut self, text: String) {
        if text.chars().count() < MIN_LENGTH {
            return;
        }
        let mut escaped = String::new();
        push_string(&mut escaped, &text);
        let escaped = escaped.trim_matches('"').to_owned();
        for form in [text, escaped] {
            let len = form.len();
            if self.texts.insert(form) {
                self.bytes += len;
            }
        }
        self.is_full |= self.bytes > MAX_BYTES || self.texts.len() > MAX_TEXTS;
    }

    /// Returns `true` if there is no value.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && !self.is_full
    }

    /// Returns the pattern of all texts, the longest first; `None` if there are too many.
    pub(super) fn pattern(&self) -> Option<Regex> {
        if self.is_full {
            return None;
        }
        let mut texts: Vec<_> = self.texts.iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let texts: Vec<_> = texts.iter().map(|text| regex::escape(text)).collect();
        let pattern = RegexBuilder::new(&texts.join("|"))
            .size_limit(MAX_COMPILED)
            .build();
        pattern.ok()
    }
}

/// Length in characters below which a value is replaced at its place only.
const MIN_LENGTH: usize = 4;

/// Maximum number of texts.
const MAX_TEXTS: usize = 8_192;

/// Maximum size of all texts, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Maximum size of the compiled pattern, in bytes.
const MAX_COMPILED: usize = 64 << 20;
