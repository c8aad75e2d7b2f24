//! Definitions that are held back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_gateway_core::catalog::{Definition, DefinitionKind};

/// Definitions of a server that this process has held back, the last one of each kind and name.
///
/// Up to 4,096 are remembered, each of up to 256 KiB: a server can invent any number of them.
#[derive(Debug)]
pub struct HeldDefinitions {
    /// Name of the server, for the log.
    server: Arc<str>,
    definitions: Mutex<BTreeMap<(DefinitionKind, Box<str>), Definition>>,
}

impl HeldDefinitions {
    /// Creates an empty record for `server`.
    #[must_use]
    pub fn new(server: impl Into<Arc<str>>) -> Self {
        Self {
            server: server.into(),
            definitions: Mutex::default(),
        }
    }

    /// Records `definition`, and logs it unless it was held back before.
    pub(crate) fn record(&self, definition: &Definition) {
        let (kind, name) = (definition.kind(), definition.name());
        let mut definitions = self.definitions();
        let key = (kind, name.into());
        let known = definitions.get(&key);
        if known.is_some_and(|known| known.json() == definition.json()) {
            return;
        }
        let fits = known.is_some() || definitions.len() < MAX_DEFINITIONS;
        if fits && definition.json().len() <= MAX_JSON {
            definitions.insert(key, definition.clone());
        }
        drop(definitions);
        let server = &*self.server;
        match definition.digest() {
            Some(digest) => {
                tracing::warn!(server, %kind, name, %digest, "definition held back: not approved");
            }
            None => tracing::warn!(server, %kind, name, "definition held back: ambiguous JSON"),
        }
    }

    /// Returns the definitions, by kind and name.
    #[must_use]
    pub fn all(&self) -> Vec<Definition> {
        self.definitions().values().cloned().collect()
    }

    /// Forgets definitions that `is_obsolete` accepts.
    pub fn forget(&self, is_obsolete: impl Fn(&Definition) -> bool) {
        self.definitions()
            .retain(|_, definition| !is_obsolete(definition));
    }

    fn definitions(&self) -> MutexGuard<'_, BTreeMap<(DefinitionKind, Box<str>), Definition>> {
        let locked = self.definitions.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of definitions.
const MAX_DEFINITIONS: usize = 4096;

/// Maximum size of a definition in bytes.
const MAX_JSON: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_size_are_bounded() {
        let held = HeldDefinitions::new("a");
        let tool = |name: &str, json: &str| Definition::new(DefinitionKind::Tool, name, json);
        held.record(&tool("large", &format!("\"{}\"", "a".repeat(MAX_JSON))));
        assert!(held.all().is_empty());
        for at in 0..=MAX_DEFINITIONS {
            held.record(&tool(&at.to_string(), "{}"));
        }
        assert_eq!(held.all().len(), MAX_DEFINITIONS);
        held.record(&tool("0", r#"{"a":1}"#));
        assert_eq!(held.all()[0].json(), r#"{"a":1}"#);
        held.forget(|definition| definition.name() != "0");
        assert_eq!(held.all().len(), 1);
    }
}
