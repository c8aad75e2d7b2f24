//! Tools whose names collide.

use std::fmt;
use std::sync::Arc;

/// A tool that does not have the name that it would have alone.
///
/// The text is meant for operators.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ToolCollision {
    /// Name of the server.
    pub server: Arc<str>,
    /// Name of the tool at the server.
    pub tool: Arc<str>,
    /// Name that the tool would have alone.
    pub name: Arc<str>,
    /// Effect of the collision.
    pub effect: CollisionEffect,
}

/// Effect of the collision of the names of tools.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CollisionEffect {
    /// The tool is not offered, because the name belongs to another one.
    Hidden {
        /// Server of the other tool.
        server: Arc<str>,
        /// Name of the other tool at its server.
        tool: Arc<str>,
    },
    /// The tool has the prefix of its server, as the others of this name.
    Prefixed,
    /// The tool is not offered, because the name begins with the prefix of another server.
    Reserved,
}

impl ToolCollision {
    /// Returns `true` if the tool is not offered.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        match self.effect {
            CollisionEffect::Hidden { .. } | CollisionEffect::Reserved => true,
            CollisionEffect::Prefixed => false,
        }
    }
}

impl fmt::Display for ToolCollision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            server,
            tool,
            name,
            effect,
        } = self;
        write!(f, "tool {tool:?} of {server:?} ")?;
        match effect {
            CollisionEffect::Hidden {
                server: other,
                tool: holder,
            } => write!(
                f,
                "is not offered: {name:?} is the name of {holder:?} of {other:?}"
            ),
            CollisionEffect::Prefixed => {
                write!(f, "is prefixed: another server has a tool {name:?}")
            }
            CollisionEffect::Reserved => write!(
                f,
                "is not offered: {name:?} begins with the prefix of another server"
            ),
        }
    }
}
