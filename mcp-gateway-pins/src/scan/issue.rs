//! Findings of a scan.

use std::fmt;

use crate::printable;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Severity {
    /// Usual in some honest definitions.
    Note,
    /// Not usual in honest definitions.
    Warning,
}

/// Something that hides in a definition.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Issue {
    /// Readers could differ about the meaning of the JSON text.
    Ambiguous,
    /// A comment, which no viewer of Markdown or HTML shows.
    Comment,
    /// Instructions to conceal something from the user.
    Concealment,
    /// Control characters, as those with which text is hidden in a terminal.
    Control(Box<[char]>),
    /// An image or a link that sends or contains data.
    Data,
    /// Characters that change the direction of text.
    Direction(Box<[char]>),
    /// A request for conversations, keys or passwords.
    Exfiltration,
    /// Text in characters that nobody sees.
    HiddenText(Box<str>),
    /// Characters without a shape.
    Invisible(Box<[char]>),
    /// A text that nobody reads to its end.
    Long(usize),
    /// A name that looks like that of another tool.
    Lookalike {
        /// Other tool.
        tool: Box<str>,
        /// Server of the other tool.
        server: Box<str>,
    },
    /// Markup that claims authority, such as `<IMPORTANT>`.
    Markup,
    /// A name with letters of several scripts.
    MixedScripts,
    /// A tool of another server in a text.
    Mention {
        /// Other tool.
        tool: Box<str>,
        /// Server of the other tool.
        server: Box<str>,
    },
    /// Instructions to override others.
    Override,
    /// Sentences in a value that a program reads.
    Prose,
    /// A tool of the same name on another server.
    SameName {
        /// Server of the other tool.
        server: Box<str>,
    },
    /// A name that differs from that of another tool in separators and case.
    SimilarName {
        /// Other tool.
        tool: Box<str>,
        /// Server of the other tool.
        server: Box<str>,
    },
}

impl Issue {
    /// Returns the severity.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Long(_) | Self::SameName { .. } | Self::SimilarName { .. } => Severity::Note,
            Self::Ambiguous
            | Self::Comment
            | Self::Concealment
            | Self::Control(_)
            | Self::Data
            | Self::Direction(_)
            | Self::Exfiltration
            | Self::HiddenText(_)
            | Self::Invisible(_)
            | Self::Lookalike { .. }
            | Self::Markup
            | Self::Mention { .. }
            | Self::MixedScripts
            | Self::Override
            | Self::Prose => Severity::Warning,
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous => {
                f.write_str("the meaning is ambiguous: invalid JSON, or the same member twice")
            }
            Self::Comment => f.write_str("a comment, which viewers do not show"),
            Self::Concealment => f.write_str("instructions to conceal something from the user"),
            Self::Control(characters) => {
                write!(
                    f,
                    "control characters, as of a terminal: {}",
                    listed(characters)
                )
            }
            Self::Data => f.write_str("an image or a link with data"),
            Self::Direction(characters) => {
                write!(
                    f,
                    "characters that change the direction: {}",
                    listed(characters)
                )
            }
            Self::Exfiltration => f.write_str("a request for conversations or secrets"),
            Self::HiddenText(text) => write!(f, "hidden text: {:?}", printable(text)),
            Self::Invisible(characters) => {
                write!(f, "invisible characters: {}", listed(characters))
            }
            Self::Long(length) => write!(f, "a text of {length} characters"),
            Self::Lookalike { tool, server } => {
                write!(f, "looks like {} of {server}", printable(tool))
            }
            Self::Markup => f.write_str("markup that claims authority"),
            Self::Mention { tool, server } => {
                write!(f, "mentions {} of {server}", printable(tool))
            }
            Self::MixedScripts => f.write_str("the name has letters of several scripts"),
            Self::Override => f.write_str("instructions to override others"),
            Self::Prose => f.write_str("sentences in a value that no person sees"),
            Self::SimilarName { tool, server } => {
                write!(f, "is nearly named like {} of {server}", printable(tool))
            }
            Self::SameName { server } => write!(f, "{server} has a tool of the same name"),
        }
    }
}

/// Formats characters by their code points.
fn listed(characters: &[char]) -> String {
    let points = characters.iter();
    let points: Vec<_> = points.map(|c| format!("U+{:04X}", u32::from(*c))).collect();
    points.join(" ")
}
