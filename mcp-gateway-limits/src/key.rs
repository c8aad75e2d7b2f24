//! Keys of counters: the values of the attributes by which a limit counts apart.

use std::hash::{Hash, Hasher};

use hashbrown::Equivalent;
use mcp_gateway_core::Caller;
use mcp_gateway_core::route::{Feature, Target};
use smallvec::SmallVec;

use crate::limit::{Dimension, Limit};

/// Owned key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Key(Box<[Box<str>]>);

/// Borrowed key, with the same hash as [`Key`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyRef<'a>(SmallVec<[&'a str; 8]>);

impl Key {
    /// Returns the values.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|part| &**part)
    }

    /// Returns the same key, borrowed.
    pub(crate) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef(self.parts().collect())
    }
}

impl<'a> KeyRef<'a> {
    /// Returns the key of `parts`.
    pub(crate) fn of(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// Returns the values.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }
}

impl KeyRef<'_> {
    /// Returns the same key, owned.
    pub(crate) fn to_owned(&self) -> Key {
        Key(self.0.iter().map(|part| Box::from(*part)).collect())
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in &self.0 {
            part.hash(state);
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0.iter().copied().eq(key.parts())
    }
}

/// Calls `each` with the keys under which `limit` counts a call: one, or one for each team.
///
/// With `is_listed: false`, the tool is one that the server does not list: such names are counted
/// together, because a caller can invent any number of them.
pub(crate) fn keys<'a, E>(
    limit: &Limit,
    (caller, target): (&'a Caller, &'a Target),
    is_listed: bool,
    mut each: impl FnMut(KeyRef<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let team = |team| {
        let parts = limit.dimensions().iter().map(|dimension| Part {
            dimension: *dimension,
            team,
            is_listed,
        });
        KeyRef(parts.flat_map(|part| part.values(caller, target)).collect())
    };
    let teams = caller.principal().teams();
    if !limit.dimensions().contains(&Dimension::Team) || teams.is_empty() {
        return each(team(""));
    }
    let counted = |team: &str| {
        let named = limit.scope().teams();
        named.is_empty() || named.iter().any(|one| **one == *team)
    };
    for (at, name) in teams.iter().enumerate() {
        // A token may name a team twice.
        if counted(name) && !teams[..at].contains(name) {
            each(team(name))?;
        }
    }
    Ok(())
}

/// Value of one attribute.
#[derive(Clone, Copy)]
struct Part<'a> {
    dimension: Dimension,
    team: &'a str,
    is_listed: bool,
}

impl<'a> Part<'a> {
    fn values(self, caller: &'a Caller, target: &'a Target) -> SmallVec<[&'a str; 2]> {
        let principal = caller.principal();
        let mut values = SmallVec::new();
        values.push(match self.dimension {
            Dimension::User => principal.subject(),
            Dimension::Team => self.team,
            Dimension::Client => principal.client().unwrap_or_default(),
            Dimension::Gateway => caller.gateway(),
            Dimension::Server | Dimension::Tool => &target.server,
        });
        if self.dimension == Dimension::Tool {
            values.push(match &target.feature {
                Feature::Tool(name) if self.is_listed => name,
                _ => "",
            });
        }
        values
    }
}
