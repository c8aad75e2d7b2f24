//! Text output for users.
//!
//! Names, descriptions and errors come from servers, clients and files. Here alone they are made
//! harmless for a terminal: a control character, which could move the cursor or change the title of
//! the window, and a bidirectional control, which could reorder the text, become U+FFFD.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

pub(crate) use mcp_gateway_core::error_chain as chain;

/// Prints `text` in one line to standard output.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_line(text: impl Display) -> io::Result<()> {
    print(&sanitize(&text.to_string()))
}

/// Prints the lines of `text` to standard output.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_text(text: impl Display) -> io::Result<()> {
    print(&sanitize_lines(&text.to_string()))
}

/// Prints `json`, the text of a JSON value, to standard output. Control characters are escaped.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_json(json: impl Display) -> io::Result<()> {
    print(&escape(&json.to_string()))
}

/// Prints `content`, which is data, to standard output: as it is, unless that is a terminal.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_content(content: &str) -> io::Result<()> {
    match io::stdout().is_terminal() {
        true => print_text(content),
        false => print(content),
    }
}

/// Prints `secret` to standard output, and `label` to the terminal if that is one.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_secret(label: impl Display, secret: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        eprint_line(label);
    }
    print(secret)
}

/// Prints `text` in one line to standard error.
pub(crate) fn eprint_line(text: impl Display) {
    eprint(&sanitize(&text.to_string()));
}

/// Prints the lines of `text` to standard error.
pub(crate) fn eprint_text(text: impl Display) {
    eprint(&sanitize_lines(&text.to_string()));
}

fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

fn eprint(text: &str) {
    // There is no other place to report it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Replaces the characters that a terminal interprets, line breaks included.
fn sanitize(text: &str) -> String {
    let visible = |c: char| if is_interpreted(c) { REPLACEMENT } else { c };
    text.chars().map(visible).collect()
}

/// Replaces the characters that a terminal interprets in each line of `text`, except tabs.
fn sanitize_lines(text: &str) -> String {
    let line = |line: &str| {
        let cells: Vec<_> = line.split('\t').map(sanitize).collect();
        cells.join("\t")
    };
    let lines = text.split('\n');
    let lines: Vec<_> = lines
        .map(|text| line(text.strip_suffix('\r').unwrap_or(text)))
        .collect();
    lines.join("\n")
}

/// Escapes the characters in the strings of a JSON text that a terminal interprets.
fn escape(json: &str) -> Cow<'_, str> {
    // Outside of strings, these are the only ones.
    let is_escaped = |c: char| is_interpreted(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(is_escaped) {
        return json.into();
    }
    let escaped = json.chars().map(|c| match is_escaped(c) {
        // All of them are in the basic multilingual plane.
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    });
    escaped.collect::<String>().into()
}

/// Returns `true` for control characters, and for those that change the direction of text.
fn is_interpreted(c: char) -> bool {
    let is_directional = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_directional
}

const REPLACEMENT: char = '\u{fffd}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_terminal_names_move_no_cursor() {
        assert_eq!(sanitize("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(
            sanitize("\u{9b}31m\u{202e}\u{7f}ä"),
            "\u{fffd}31m\u{fffd}\u{fffd}ä"
        );
    }

    #[test]
    fn texts_have_lines_and_columns() {
        assert_eq!(
            sanitize_lines("a\tb\r\nc\u{1b}\rd\n"),
            "a\tb\nc\u{fffd}\u{fffd}d\n"
        );
    }

    #[test]
    fn json_is_escaped_and_means_the_same() {
        let json = "{\n\t\"a\": \"\u{9b}31m\u{2066}\u{7f}ä\"\r\n}";
        let escaped = escape(json);
        assert!(escaped.contains(r#""\u009b31m\u2066\u007fä""#), "{escaped}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&escaped), parse(json));
    }
}
