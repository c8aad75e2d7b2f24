//! Characters that nobody sees, or that change what others look like.

use std::collections::BTreeSet;

use super::Issue;
use crate::printable::{is_direction, is_invisible, is_selector, is_tag};

/// Hidden characters of a text.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    invisible: BTreeSet<char>,
    directions: BTreeSet<char>,
    controls: BTreeSet<char>,
    /// Text in tags and selectors.
    text: String,
}

impl Hidden {
    /// Returns the findings about the characters of `text`.
    pub(super) fn find(text: &str) -> Vec<Issue> {
        let is_plain = |c: char| matches!(c, ' '..='~' | '\n' | '\t' | '\r');
        if text.chars().all(is_plain) {
            return Vec::new();
        }
        Self::read(text).issues()
    }

    fn read(text: &str) -> Self {
        let mut hidden = Self::default();
        let mut before = ' ';
        let mut in_flag = false;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            in_flag = c == FLAG || in_flag && is_tag(c);
            if is_tag(c) {
                // Flags of regions are a black flag with the region in tags.
                if !in_flag {
                    hidden.text.extend(tagged(c));
                }
            } else if is_selector(c) {
                if !selects(before, c) {
                    hidden.text.extend(selected(c));
                }
            } else if is_direction(c) {
                hidden.directions.insert(c);
            } else if c.is_control() {
                if !matches!(c, '\n' | '\t' | '\r') {
                    hidden.controls.insert(c);
                }
            } else if is_invisible(c) {
                let after = characters.peek().copied().unwrap_or(' ');
                if !joins(before, c, after) {
                    hidden.invisible.insert(c);
                }
            }
            before = c;
        }
        hidden
    }

    fn issues(self) -> Vec<Issue> {
        let list = |characters: BTreeSet<char>| -> Option<Box<[char]>> {
            (!characters.is_empty()).then(|| characters.into_iter().collect())
        };
        let text = (!self.text.is_empty()).then(|| Issue::HiddenText(self.text.into()));
        let issues = [
            text,
            list(self.invisible).map(Issue::Invisible),
            list(self.directions).map(Issue::Direction),
            list(self.controls).map(Issue::Control),
        ];
        issues.into_iter().flatten().collect()
    }
}

/// Returns the ASCII character that a tag stands for.
fn tagged(c: char) -> Option<char> {
    let ascii = char::from_u32(u32::from(c).checked_sub(0xe_0000)?)?;
    Some(if ascii.is_ascii_graphic() || ascii == ' ' {
        ascii
    } else {
        '\u{fffd}'
    })
}

/// Returns the character of the byte that a selector stands for in hidden texts.
fn selected(c: char) -> Option<char> {
    let byte = match c {
        '\u{fe00}'..='\u{fe0f}' => u32::from(c) - 0xfe00,
        _ => u32::from(c) - 0xe_0100 + 16,
    };
    let ascii = char::from_u32(byte)?;
    Some(if ascii.is_ascii_graphic() || ascii == ' ' {
        ascii
    } else {
        '\u{fffd}'
    })
}

/// Returns `true` if the selector `c` changes the look of the character `before`.
fn selects(before: char, c: char) -> bool {
    match c {
        // As text or as emoji: symbols, and the characters of keycaps.
        '\u{fe0e}' | '\u{fe0f}' => is_symbol(before) || matches!(before, '0'..='9' | '#' | '*'),
        // Variants of ideographs, and of some symbols.
        _ => is_ideograph(before) || c == '\u{fe00}' && is_symbol(before),
    }
}

/// Returns `true` if `c` joins or separates letters of scripts that need it, or parts of an emoji.
fn joins(before: char, c: char, after: char) -> bool {
    let is_letter = |c: char| c.is_alphabetic() && !c.is_ascii() && !is_latin(c) || is_mark(c);
    match c {
        '\u{200c}' => is_letter(before) && is_letter(after),
        '\u{200d}' => {
            is_letter(before) && (is_letter(after) || !after.is_alphanumeric())
                || (is_symbol(before) || is_selector(before)) && is_symbol(after)
        }
        _ => false,
    }
}

/// Returns `true` for symbols and pictographs.
fn is_symbol(c: char) -> bool {
    matches!(
        c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
            | '\u{2190}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Returns `true` for ideographs of East Asia, Mongolian and Phags-pa letters.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{1820}'..='\u{18aa}' | '\u{2e80}'..='\u{9fff}' | '\u{a840}'..='\u{a877}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Returns `true` for Latin letters beyond ASCII.
fn is_latin(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Returns `true` for vowel signs and viramas of Indic scripts.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{dff}')
}

/// Black flag, with which flags of regions begin.
const FLAG: char = '\u{1f3f4}';
