//! Tools that a caller may see.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::Index;

/// Tools of an [`Index`] that a caller may see.
///
/// A search finds no other tools, and neither its order nor its hints depend on other tools. It is
/// valid until the index changes.
#[derive(Clone, Debug)]
pub struct Selection {
    version: u64,
    tools: Vec<u64>,
    len: usize,
    /// Servers with each term in their name, as far as they have selected tools.
    named: HashMap<Box<str>, Vec<Box<str>>, FixedState>,
    servers: usize,
}

impl Index {
    /// Selects the tools that `is_visible` accepts by server and name.
    pub fn select(&self, mut is_visible: impl FnMut(&str, &str) -> bool) -> Selection {
        let mut selection = Selection {
            version: self.version(),
            tools: vec![0; self.places().div_ceil(64)],
            len: 0,
            named: HashMap::default(),
            servers: 0,
        };
        for (name, server) in self.all_servers() {
            let before = selection.len;
            for (tool, place) in server.tools() {
                if is_visible(name, tool) {
                    selection.insert(place);
                }
            }
            if selection.len > before {
                selection.servers += 1;
                for term in server.terms() {
                    selection
                        .named
                        .entry(term.clone())
                        .or_default()
                        .push(name.into());
                }
            }
        }
        selection
    }

    /// Selects all tools.
    #[must_use]
    pub fn select_all(&self) -> Selection {
        self.select(|_, _| true)
    }
}

impl Selection {
    /// Returns the number of tools.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if no tool is selected.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns `true` if the index has not changed since.
    #[must_use]
    pub fn is_current(&self, index: &Index) -> bool {
        self.version == index.version()
    }

    pub(crate) fn contains(&self, place: u32) -> bool {
        self.tools
            .get(place as usize / 64)
            .is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    /// Number of servers with selected tools.
    pub(crate) const fn servers(&self) -> usize {
        self.servers
    }

    /// Returns the servers with a term in their name.
    pub(crate) fn servers_named(&self, term: &str) -> &[Box<str>] {
        self.named.get(term).map_or(&[], Vec::as_slice)
    }

    fn insert(&mut self, place: u32) {
        if let Some(word) = self.tools.get_mut(place as usize / 64) {
            *word |= 1 << (place % 64);
            self.len += 1;
        }
    }
}
