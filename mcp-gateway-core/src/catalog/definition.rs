//! Definitions that must be approved.

use std::fmt;

use super::{CatalogEntry, DefinitionDigest, ListKind};
use crate::json::string_json;

/// Kind of a definition that a server presents to models.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum DefinitionKind {
    /// Instructions of the server; there is one, without a name.
    Instructions,
    /// A prompt.
    Prompt,
    /// A tool.
    Tool,
}

/// A definition, as the server wrote it.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::{Definition, DefinitionKind};
///
/// let instructions = Definition::of_instructions("Ask before you delete.");
/// assert_eq!(instructions.kind(), DefinitionKind::Instructions);
/// assert_eq!(instructions.json(), r#""Ask before you delete.""#);
/// assert!(instructions.digest().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Definition {
    kind: DefinitionKind,
    name: Box<str>,
    json: Box<str>,
    digest: Option<DefinitionDigest>,
}

/// Approval of definitions, before clients receive them and before what they define is called.
///
/// Called for each entry of a list of tools or prompts, and once per call of one. It must answer from
/// memory without blocking.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::{Definition, DefinitionKind, DefinitionVerifier};
/// use mcp_gateway_core::catalog::DefinitionDigest;
///
/// /// Approves one tool.
/// #[derive(Debug)]
/// struct OnlyAdd(DefinitionDigest);
///
/// impl DefinitionVerifier for OnlyAdd {
///     fn approves(&self, kind: DefinitionKind, name: &str, digest: &DefinitionDigest) -> bool {
///         kind == DefinitionKind::Tool && name == "add" && *digest == self.0
///     }
///
///     fn held_back(&self, definition: &Definition) {
///         println!("{} {} is held back", definition.kind(), definition.name());
///     }
/// }
/// ```
pub trait DefinitionVerifier: fmt::Debug + Send + Sync + 'static {
    /// Returns `true` if clients may receive the definition `name` with `digest`.
    fn approves(&self, kind: DefinitionKind, name: &str, digest: &DefinitionDigest) -> bool;

    /// Records a definition that is held back. Nothing is recorded by default.
    fn held_back(&self, definition: &Definition) {
        let _ = definition;
    }
}

impl DefinitionKind {
    /// All kinds, in their order.
    pub const ALL: [Self; 3] = [Self::Instructions, Self::Prompt, Self::Tool];

    /// Returns the kind of the entries of a list, if they must be approved.
    ///
    /// Resources are data, and as such have no definition that a model follows.
    #[must_use]
    pub fn of_list(kind: ListKind) -> Option<Self> {
        match kind {
            ListKind::Prompts => Some(Self::Prompt),
            ListKind::Tools => Some(Self::Tool),
            ListKind::Resources | ListKind::Templates => None,
        }
    }

    /// Returns the name of the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Prompt => "prompt",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for DefinitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Definition {
    /// Creates a definition of `kind` from its JSON text.
    #[must_use]
    pub fn new(kind: DefinitionKind, name: &str, json: &str) -> Self {
        Self {
            kind,
            name: name.into(),
            digest: DefinitionDigest::of_json(json),
            json: json.into(),
        }
    }

    /// Creates the definition that is the entry of a list.
    #[must_use]
    pub fn of_entry(kind: DefinitionKind, entry: &CatalogEntry) -> Self {
        Self {
            kind,
            name: (&**entry.name()).into(),
            digest: entry.digest(),
            json: entry.source().into(),
        }
    }

    /// Creates the definition that is the instructions of a server.
    #[must_use]
    pub fn of_instructions(text: &str) -> Self {
        Self::new(DefinitionKind::Instructions, "", &string_json(text))
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> DefinitionKind {
        self.kind
    }

    /// Returns the name on the server; empty for instructions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the JSON text of the server: an object, or the string of instructions.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Returns the digest; `None` for a text that must not be approved, because readers could differ
    /// about its meaning.
    #[must_use]
    pub fn digest(&self) -> Option<DefinitionDigest> {
        self.digest
    }
}
