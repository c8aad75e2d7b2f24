//! Words of texts and identifiers.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

use crate::stop_words::is_stop_word;

/// Longest word that is kept. Longer ones are hashes, keys and encoded data.
const LONGEST: usize = 32;

/// Calls `each` with the lower-case words of a text, and the place of each.
///
/// Identifiers are split at case, digits and punctuation: `getUserById` has four words. A run of
/// ideographs and hiragana, which has no spaces, is split into overlapping pairs of characters.
pub(crate) fn each_word(text: &str, mut each: impl FnMut(usize, &str)) {
    let mut run = Run::default();
    for (at, segment) in text.unicode_word_indices() {
        let first = segment.chars().next().unwrap_or_default();
        if is_unspaced(first) {
            run.push(at, segment, &mut each);
            continue;
        }
        run.end(&mut each);
        if segment.is_ascii() || first.is_alphanumeric() {
            each_part(at, segment, &mut each);
        }
    }
    run.end(&mut each);
}

/// Returns the lower-case words of a text, without those of grammar.
pub(crate) fn plain(text: &str) -> String {
    let mut words = String::new();
    each_word(text, |_, word| {
        if !is_stop_word(word) {
            words.push_str(word);
            words.push(' ');
        }
    });
    words.truncate(words.trim_end().len());
    words
}

/// Returns `true` for a character of a script that is written without spaces.
pub(crate) fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{309f}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Returns `true` for a character of a Chinese or Japanese word.
pub(crate) fn is_wide(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{30ff}') || is_unspaced(character)
}

/// A run of characters without spaces.
#[derive(Default)]
struct Run<'t> {
    /// The last character, and its place.
    last: Option<(usize, &'t str)>,
    /// At least one pair has been reported.
    paired: bool,
}

impl<'t> Run<'t> {
    fn push(&mut self, at: usize, segment: &'t str, each: &mut impl FnMut(usize, &str)) {
        for (offset, character) in segment.char_indices() {
            let here = (at + offset, &segment[offset..offset + character.len_utf8()]);
            match self.last {
                Some((before, text)) if before + text.len() == here.0 => {
                    each(before, &[text, here.1].concat());
                    self.paired = true;
                }
                Some(_) => self.end(each),
                None => {}
            }
            self.last = Some(here);
        }
    }

    /// Reports a single character, which is a word.
    fn end(&mut self, each: &mut impl FnMut(usize, &str)) {
        if let Some((at, text)) = self.last.take()
            && !self.paired
        {
            each(at, text);
        }
        self.paired = false;
    }
}

/// Calls `each` with the parts of an identifier.
fn each_part(at: usize, segment: &str, each: &mut impl FnMut(usize, &str)) {
    let mut start = 0;
    let mut before = Class::Other;
    for (offset, character) in segment.char_indices() {
        let class = Class::of(character);
        let rest = &segment[offset + character.len_utf8()..];
        if class == Class::Other || splits(&segment[start..offset], before, class, rest) {
            part(at + start, &segment[start..offset], each);
            start = if class == Class::Other {
                offset + character.len_utf8()
            } else {
                offset
            };
        }
        before = class;
    }
    part(at + start, &segment[start..], each);
}

/// Returns `true` if `word` ends before a character of class `class`, which `rest` follows.
fn splits(word: &str, before: Class, class: Class, rest: &str) -> bool {
    match (before, class) {
        (Class::Lower, Class::Upper) => true,
        // The last capital of `HTTPServer` begins a word; that of `URLs` does not.
        (Class::Upper, Class::Upper) => begins_lower(rest) && !is_plural(rest),
        // `s3`, `k8s` and `ipv4` are words.
        (Class::Lower | Class::Upper, Class::Digit) => word.len() > 3,
        (Class::Digit, Class::Lower | Class::Upper) => word.len() > 3,
        _ => false,
    }
}

fn begins_lower(text: &str) -> bool {
    text.chars().next().map(Class::of) == Some(Class::Lower)
}

fn is_plural(rest: &str) -> bool {
    rest.strip_prefix('s')
        .is_some_and(|rest| !begins_lower(rest))
}

fn part(at: usize, part: &str, each: &mut impl FnMut(usize, &str)) {
    if !part.is_empty() && part.len() <= LONGEST {
        each(at, &fold(part));
    }
}

/// Returns a word in lower case and without diacritics.
pub(crate) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let lower = word.to_lowercase().replace('ß', "ss");
    if lower.chars().all(|character| character < '\u{250}') {
        return lower
            .nfkd()
            .filter(|&character| !is_combining_mark(character))
            .collect();
    }
    lower.nfkc().collect()
}

/// Class of a character in an identifier.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Other,
}

impl Class {
    fn of(character: char) -> Self {
        match character {
            _ if character.is_numeric() => Self::Digit,
            _ if character.is_uppercase() => Self::Upper,
            _ if character.is_alphabetic() || is_combining_mark(character) => Self::Lower,
            // The prolonged sound mark of katakana is alphabetic; an apostrophe is not.
            _ => Self::Other,
        }
    }
}
