//! Server whose tools are indexed.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;

use super::TermId;
use crate::{stem, stop_words::is_stop_word, text};

/// Server whose tools are indexed.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    name: Arc<str>,
    /// Terms of its name and title.
    terms: Vec<Box<str>>,
    tools: HashMap<Arc<str>, u32, FixedState>,
    /// Number of tools with each term in their names.
    named: HashMap<TermId, u16, FixedState>,
}

impl Server {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            terms: Vec::new(),
            tools: HashMap::default(),
            named: HashMap::default(),
        }
    }

    /// Changes the title.
    pub(crate) fn set_title(&mut self, title: &str) {
        let mut terms: Vec<Box<str>> = Vec::new();
        for text in [&*self.name, title] {
            text::each_word(text, |_, word| {
                let term = stem::term(word);
                // Names of servers often contain these, and requests mean no server with them.
                let is_usual = matches!(word, "mcp" | "server");
                if !is_usual && !is_stop_word(word) && !terms.iter().any(|other| **other == *term) {
                    terms.push(term.into());
                }
            });
        }
        self.terms = terms;
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn terms(&self) -> &[Box<str>] {
        &self.terms
    }

    pub(crate) fn len(&self) -> usize {
        self.tools.len()
    }

    pub(crate) fn place(&self, tool: &str) -> Option<u32> {
        self.tools.get(tool).copied()
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = (&str, u32)> {
        self.tools.iter().map(|(name, &place)| (&**name, place))
    }

    pub(crate) fn insert(&mut self, tool: Arc<str>, place: u32, name_terms: &[TermId]) {
        self.tools.insert(tool, place);
        for &term in name_terms {
            *self.named.entry(term).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, tool: &str) -> Option<u32> {
        self.tools.remove(tool)
    }

    /// Uncounts the terms of the name of a tool.
    pub(crate) fn forget(&mut self, name_terms: &[TermId]) {
        for term in name_terms {
            if let Some(tools) = self.named.get_mut(term) {
                *tools = tools.saturating_sub(1);
                if *tools == 0 {
                    self.named.remove(term);
                }
            }
        }
    }

    /// Returns the rarity of a term among the names of the tools of this server.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    pub(crate) fn rarity_in_names(&self, term: TermId) -> f32 {
        let having = self.named.get(&term).copied().map_or(0.0, f32::from);
        rarity(having, self.tools.len() as f32)
    }
}

/// Returns the weight of a term that `having` of `all` have: inverse document frequency.
pub(crate) fn rarity(having: f32, all: f32) -> f32 {
    (1.0 + (all - having + 0.5).max(0.0) / (having + 0.5)).ln()
}
