//! Values of arguments in a request.

use std::ops::Range;

/// Places of a request that are probably values of arguments.
pub(super) struct Values(Vec<Range<usize>>);

impl Values {
    pub(super) fn of(request: &str) -> Self {
        let mut ranges = Vec::new();
        let mut place = 0;
        for chunk in request.split_inclusive(char::is_whitespace) {
            if kind_of(chunk.trim()).is_some() {
                // The extension of a file tells its kind.
                let end = chunk.rfind('.').unwrap_or(chunk.len());
                ranges.push(place..place + end);
            }
            place += chunk.len();
        }
        for (open, close) in [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')]
        {
            quoted(request, open, close, &mut ranges);
        }
        Self(ranges)
    }

    pub(super) fn contain(&self, at: usize, word: &str) -> bool {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        (digits > 0 && (word.len() > 3 || digits == word.len()))
            || self.0.iter().any(|range| range.contains(&at))
    }
}

/// Adds the texts between quotation marks. An apostrophe within a word is none.
fn quoted(request: &str, open: char, close: char, ranges: &mut Vec<Range<usize>>) {
    let mut begun: Option<usize> = None;
    let mut before = ' ';
    let mut characters = request.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map_or(' ', |&(_, next)| next);
        match begun {
            Some(start) if character == close && !next.is_alphanumeric() => {
                ranges.push(start..at);
                begun = None;
            }
            None if character == open && !before.is_alphanumeric() => begun = Some(at),
            _ => {}
        }
        before = character;
    }
}

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Url,
    Mail,
    /// Path or name of a file.
    Path,
}

/// Returns the kind of value that a text without spaces is.
pub(super) fn kind_of(chunk: &str) -> Option<Kind> {
    let inner = chunk.trim_matches(|character: char| !character.is_alphanumeric());
    let extension = inner.rsplit_once('.').map(|(_, extension)| extension);
    let is_file = extension
        .is_some_and(|extension| (2..=5).contains(&extension.len()) && extension.is_ascii());
    match () {
        () if inner.contains("://") || inner.starts_with("www.") => Some(Kind::Url),
        () if inner.contains('@') => Some(Kind::Mail),
        () if chunk.starts_with('/') || inner.matches('/').count() > 1 || is_file => {
            Some(Kind::Path)
        }
        () => None,
    }
}
