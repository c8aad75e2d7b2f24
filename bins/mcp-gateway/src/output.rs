//! What the program writes for people.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Writes `text` and the end of a line to the standard output.
///
/// # Errors
///
/// When nobody reads it any more.
pub(crate) fn say(text: impl std::fmt::Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// Writes `text` and the end of a line to the standard error.
pub(crate) fn complain(text: impl std::fmt::Display) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What a stranger says, without what could play tricks on a terminal.
pub(crate) fn plain(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).take(MAX_TEXT).collect()
}

const MAX_TEXT: usize = 1000;
