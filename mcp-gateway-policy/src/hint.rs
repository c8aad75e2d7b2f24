//! Annotations of tools that rules name.

/// Annotation of a tool: a claim of its server, with the default of the specification.
///
/// See [MCP 2026-07-28, tool
/// annotations](https://modelcontextprotocol.io/specification/2026-07-28/schema#toolannotations).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Hint {
    /// `destructiveHint`, `true` by default unless the tool is read-only.
    Destructive,
    /// `idempotentHint`, `false` by default.
    Idempotent,
    /// `openWorldHint`, `true` by default.
    OpenWorld,
    /// `readOnlyHint`, `false` by default.
    ReadOnly,
}

impl Hint {
    /// Returns the annotation as MCP names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructiveHint",
            Self::Idempotent => "idempotentHint",
            Self::OpenWorld => "openWorldHint",
            Self::ReadOnly => "readOnlyHint",
        }
    }
}
