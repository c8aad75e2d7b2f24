//! Approved definitions of a server.

use std::collections::BTreeMap;

use mcp_gateway_core::catalog::{Definition, DefinitionDigest, DefinitionKind};

/// Approved definitions of one server, by kind and name.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::{Definition, DefinitionKind};
/// use mcp_gateway_pins::Pins;
///
/// let add = Definition::new(DefinitionKind::Tool, "add", r#"{"name":"add","inputSchema":{}}"#);
/// let mut pins = Pins::default();
/// assert!(pins.approve(add.clone()));
/// assert!(pins.approves(DefinitionKind::Tool, "add", &add.digest().unwrap()));
/// assert!(!pins.approves(DefinitionKind::Prompt, "add", &add.digest().unwrap()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pins(BTreeMap<DefinitionKind, BTreeMap<Box<str>, Definition>>);

impl Pins {
    /// Approves `definition`, in place of another of its kind and name. Returns `false` if it has no
    /// digest, and is not approved.
    pub fn approve(&mut self, definition: Definition) -> bool {
        if definition.digest().is_none() {
            return false;
        }
        let name = definition.name().into();
        let definitions = self.0.entry(definition.kind()).or_default();
        definitions.insert(name, definition);
        true
    }

    /// Removes the approval of a definition. Returns `false` if there was none.
    pub fn remove(&mut self, kind: DefinitionKind, name: &str) -> bool {
        let definitions = self.0.get_mut(&kind);
        definitions.is_some_and(|definitions| definitions.remove(name).is_some())
    }

    /// Returns `true` if the definition is approved.
    #[must_use]
    pub fn approves(&self, kind: DefinitionKind, name: &str, digest: &DefinitionDigest) -> bool {
        let approved = self.get(kind, name).and_then(Definition::digest);
        approved.as_ref() == Some(digest)
    }

    /// Returns the approved definition of a kind and name.
    #[must_use]
    pub fn get(&self, kind: DefinitionKind, name: &str) -> Option<&Definition> {
        self.0.get(&kind)?.get(name)
    }

    /// Returns the approved definitions, by kind and name.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// Returns `true` if nothing is approved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl PartialEq for Pins {
    fn eq(&self, other: &Self) -> bool {
        let keys = |pins: &Self| -> Vec<_> {
            let definitions = pins.iter();
            definitions
                .map(|it| (it.kind(), Box::<str>::from(it.name()), it.digest()))
                .collect()
        };
        keys(self) == keys(other)
    }
}

impl Eq for Pins {}

impl FromIterator<Definition> for Pins {
    /// Approves definitions; those without a digest are left out.
    fn from_iter<I: IntoIterator<Item = Definition>>(definitions: I) -> Self {
        let mut pins = Self::default();
        for definition in definitions {
            pins.approve(definition);
        }
        pins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_equal_if_they_approve_the_same() {
        let tool = |json: &str| Definition::new(DefinitionKind::Tool, "a", json);
        let pins = |json: &str| Pins::from_iter([tool(json)]);
        assert_eq!(pins(r#"{"a":1, "b":2}"#), pins(r#"{"b":2,"a":1.0}"#));
        assert_ne!(pins(r#"{"a":1}"#), pins(r#"{"a":2}"#));
        assert_ne!(pins("{}"), Pins::default());
        assert!(pins(r#"{"a":1,"a":1}"#).is_empty(), "it has no digest");
        let mut changed = pins("{}");
        assert!(changed.approve(tool(r#"{"a":1}"#)));
        assert_eq!(changed, pins(r#"{"a":1}"#));
        assert!(changed.remove(DefinitionKind::Tool, "a") && changed.is_empty());
    }
}
