//! Findings about definitions.

use std::fmt;
use std::sync::Arc;

/// Treatment of tool definitions that the interfaces of models reject.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LintPolicy {
    /// They are listed as they are.
    #[default]
    Report,
    /// They are adapted where their meaning stays, and otherwise listed as they are.
    Adapt,
    /// They are adapted where their meaning stays, and otherwise left out of the list.
    HoldBack,
}

/// Defect of a definition, and its treatment.
///
/// Its text begins with the path of the member, such as `inputSchema.properties.a has the unknown
/// type "int"`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// Name or URI of the entry on the server.
    pub name: Arc<str>,
    /// Path of the defective member in the definition.
    pub path: Box<str>,
    /// Defect.
    pub defect: Defect,
    /// Treatment.
    pub outcome: Outcome,
}

/// Treatment of a defect.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Outcome {
    /// The definition is adapted.
    Adapted,
    /// The definition is listed as it is.
    Reported,
    /// The definition is left out of the list.
    HeldBack,
}

/// Defect of a definition.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Defect {
    /// Name with characters that model interfaces do not allow.
    Characters,
    /// Combination of schemas at the top level.
    Combination(&'static str),
    /// Value of another kind than the contained one.
    Kind(&'static str),
    /// Required member that is absent or `null`.
    Missing,
    /// `null` instead of an absent member.
    Null,
    /// Type of a schema that must have the type `object`; `None` without a type.
    NotObject(Option<Box<str>>),
    /// Reference without a target.
    Reference(Box<str>),
    /// List of required names below `properties`.
    RequiredBelowProperties,
    /// Flag in a property instead of its name in `required`.
    RequiredFlag,
    /// Type that JSON Schema does not define.
    UnknownType(Box<str>),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.defect)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Characters => {
                f.write_str("has characters other than letters, digits, '-', '_' and '.'")
            }
            Self::Combination(key) => write!(f, "has {key} at the top level"),
            Self::Kind(expected) => write!(f, "is not {expected}"),
            Self::Missing => f.write_str("is missing"),
            Self::NotObject(None) => f.write_str("has no type; object is required"),
            Self::NotObject(Some(found)) => write!(f, "has the type {found}, not object"),
            Self::Null => f.write_str("is null"),
            Self::Reference(target) => write!(f, "refers to {target}, which does not exist"),
            Self::RequiredBelowProperties => {
                f.write_str("is a list below properties; it belongs beside them")
            }
            Self::RequiredFlag => f.write_str("is a flag; required names belong beside properties"),
            Self::UnknownType(name) => write!(f, "has the unknown type {name}"),
        }
    }
}

/// Returns `text` as it may stand in a log: of limited length, and without control characters.
pub(super) fn printable(text: &str) -> Box<str> {
    let visible = |c: char| match c.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => {
            let start = text[..end].chars().map(visible);
            start.chain(['\u{2026}']).collect()
        }
        None if text.contains(char::is_control) => text.chars().map(visible).collect(),
        None => text.into(),
    }
}

/// Maximum length of a text of the server in a finding, in characters.
const MAX_TEXT: usize = 200;
