//! Instructions by which MCP clients connect to a gateway.

use std::fmt;

/// Instructions for the clients that a program knows.
pub trait ClientGuides: fmt::Debug + Send + Sync + 'static {
    /// Returns the URL of the gateway `name`, or of the default gateway, for clients.
    fn endpoint(&self, name: Option<&str>) -> String;

    /// Returns the instructions for the gateway `name`, or for the default gateway.
    fn guides(&self, name: Option<&str>) -> Vec<ClientGuide>;
}

/// Instructions for one client.
///
/// # Example
///
/// ```
/// use mcp_gateway_console::ClientGuide;
///
/// let guide = ClientGuide::new("claude-code", "Claude Code", "claude mcp add dev https://gw/mcp");
/// assert!(guide.link.is_none());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientGuide {
    /// Identifier.
    pub id: String,
    /// Name for people.
    pub label: String,
    /// Instructions with a login: paragraphs of prose, commands and files, with empty lines between.
    pub login: String,
    /// Instructions with a token, in the same form.
    pub token: Option<String>,
    /// Link by which the client adds the gateway.
    pub link: Option<String>,
    /// Version of the client with which the instructions were tried.
    pub tried: Option<String>,
}

impl ClientGuide {
    /// Creates instructions with a login alone.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>, login: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            login: login.into(),
            token: None,
            link: None,
            tried: None,
        }
    }
}

/// Paragraph of instructions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Sentences.
    Prose(String),
    /// A command, or the content of a file.
    Code(String),
}

/// Returns the paragraphs of `text`.
///
/// A line that ends like a sentence, and numbered lines, are prose. All else is to be copied.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let paragraphs = text.split("\n\n").map(|text| text.trim_matches('\n'));
    let paragraphs = paragraphs.filter(|text| !text.is_empty());
    paragraphs
        .map(|text| match is_prose(text) {
            true => Step::Prose(text.to_owned()),
            false => Step::Code(text.to_owned()),
        })
        .collect()
}

fn is_prose(text: &str) -> bool {
    let is_numbered = |line: &str| {
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < line.len() && digits.starts_with(". ")
    };
    let is_sentence = !text.contains('\n') && text.ends_with([':', '.']);
    let starts_upper = text.starts_with(|c: char| c.is_ascii_uppercase());
    (is_sentence && starts_upper) || text.lines().all(is_numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_files_are_to_be_copied() {
        let text = "For the current user:\n\nclaude mcp add x\n\nIn a file:\n\n{\n  \"a\": 1\n}\n\n\
                    1. Open it\n2. URL: https://gw\n\nmcpServers:\n  - name: dev\n";
        let found = steps(text);
        let is_code: Vec<_> = found
            .iter()
            .map(|step| matches!(step, Step::Code(_)))
            .collect();
        assert_eq!(is_code, [false, true, false, true, false, true]);
    }
}
