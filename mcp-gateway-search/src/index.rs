//! Inverted index of the tools of servers.

mod dictionary;
mod occurrences;
mod posting;
mod server;
mod vectors;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use dictionary::{Dictionary, TermId};
use occurrences::Occurrences;
pub(crate) use posting::Posting;
pub(crate) use server::{Server, rarity};
pub(crate) use vectors::{RequestVector, Vectors};

use crate::{EmbeddingModel, Ranking, Tool};

/// Index of the tools of servers.
///
/// A tool is added, replaced and removed on its own, in time that does not depend on the tools of
/// other servers. A search is restricted to some of the tools by a [`Selection`](crate::Selection).
#[derive(Clone, Debug)]
pub struct Index {
    ranking: Ranking,
    dictionary: Dictionary,
    servers: BTreeMap<Arc<str>, Server>,
    tools: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Vectors of the tools, if there is a model.
    vectors: Option<Vectors>,
    version: u64,
}

/// Indexed tool.
#[derive(Clone, Debug)]
struct Entry {
    server: Arc<str>,
    name: Arc<str>,
    digest: u64,
    /// All terms; those of the name come first.
    terms: Box<[TermId]>,
    name_terms: u8,
}

impl Default for Index {
    fn default() -> Self {
        Self::new(Ranking::default())
    }
}

impl Index {
    /// Creates an empty index.
    #[must_use]
    pub fn new(ranking: Ranking) -> Self {
        Self {
            ranking,
            dictionary: Dictionary::default(),
            servers: BTreeMap::new(),
            tools: Vec::new(),
            free: Vec::new(),
            vectors: None,
            version: 0,
        }
    }

    /// Creates an empty index, which also compares the meanings of requests and tools.
    ///
    /// It takes one more byte for each tool and dimension of the model.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mcp_gateway_search::{EmbeddingModel, Index, Ranking, Tool};
    ///
    /// #[derive(Debug)]
    /// struct Animals;
    ///
    /// impl EmbeddingModel for Animals {
    ///     fn fingerprint(&self) -> u64 {
    ///         1
    ///     }
    ///     fn dimensions(&self) -> usize {
    ///         1
    ///     }
    ///     fn embed(&self, text: &str) -> Vec<f32> {
    ///         vec![if text.contains("cat") || text.contains("dog") { 1.0 } else { 0.0 }]
    ///     }
    /// }
    ///
    /// let mut index = Index::with_model(Ranking::default(), Arc::new(Animals));
    /// index.insert("zoo", &Tool::new("feed_cats"));
    /// let found = index.search("dogs", &index.select_all(), 5).unwrap();
    /// assert_eq!(found.hits[0].tool, "feed_cats");
    /// ```
    #[must_use]
    pub fn with_model(ranking: Ranking, model: Arc<dyn EmbeddingModel>) -> Self {
        Self {
            vectors: Some(Vectors::new(model)),
            ..Self::new(ranking)
        }
    }

    /// Adds a server without tools, or changes its title.
    pub fn insert_server(&mut self, name: &str, title: &str) {
        let name: Arc<str> = name.into();
        let new = || Server::new(Arc::clone(&name));
        self.servers
            .entry(Arc::clone(&name))
            .or_insert_with(new)
            .set_title(title);
        self.version += 1;
    }

    /// Removes a server and its tools.
    pub fn remove_server(&mut self, name: &str) {
        let Some(server) = self.servers.remove(name) else {
            return;
        };
        for (_, place) in server.tools() {
            self.clear(place);
        }
        self.version += 1;
    }

    /// Adds a tool to a server, or replaces the one of this name. Returns `false` if it has been
    /// the same before.
    pub fn insert(&mut self, server: &str, tool: &Tool<'_>) -> bool {
        let digest = tool.digest();
        let known = self
            .servers
            .get(server)
            .and_then(|server| server.place(tool.name));
        if known
            .and_then(|place| self.entry(place))
            .is_some_and(|entry| entry.digest == digest)
        {
            return false;
        }
        if !self.servers.contains_key(server) {
            self.insert_server(server, "");
        }
        self.remove(server, tool.name);
        let place = self.free.pop().unwrap_or_else(|| {
            self.tools.push(None);
            u32::try_from(self.tools.len() - 1).unwrap_or(u32::MAX)
        });
        self.fill(place, server, tool);
        self.version += 1;
        true
    }

    /// Removes a tool. Returns `false` if the server has none of this name.
    pub fn remove(&mut self, server: &str, tool: &str) -> bool {
        let Some(owner) = self.servers.get_mut(server) else {
            return false;
        };
        let Some(place) = owner.remove(tool) else {
            return false;
        };
        if let Some(entry) = self.tools.get(place as usize).and_then(Option::as_ref) {
            owner.forget(entry.name_terms());
        }
        self.clear(place);
        self.version += 1;
        true
    }

    /// Returns the names of the servers, and the number of tools of each.
    pub fn servers(&self) -> impl Iterator<Item = (&str, usize)> {
        self.servers
            .iter()
            .map(|(name, server)| (&**name, server.len()))
    }

    /// Returns the number of tools.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tools.len() - self.free.len()
    }

    /// Returns `true` if there are no tools.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) const fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    pub(crate) const fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    pub(crate) const fn vectors(&self) -> Option<&Vectors> {
        self.vectors.as_ref()
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Returns one more than the largest place of a tool.
    pub(crate) fn places(&self) -> usize {
        self.tools.len()
    }

    /// Returns server and name of a tool.
    pub(crate) fn tool(&self, place: u32) -> Option<(&str, &str)> {
        self.entry(place)
            .map(|entry| (&*entry.server, &*entry.name))
    }

    /// Returns the terms of the name of a tool.
    pub(crate) fn name_terms(&self, place: u32) -> &[TermId] {
        self.entry(place).map_or(&[], Entry::name_terms)
    }

    pub(crate) fn server(&self, name: &str) -> Option<&Server> {
        self.servers.get(name)
    }

    pub(crate) fn all_servers(&self) -> impl Iterator<Item = (&str, &Server)> {
        self.servers.iter().map(|(name, server)| (&**name, server))
    }

    fn entry(&self, place: u32) -> Option<&Entry> {
        self.tools.get(place as usize)?.as_ref()
    }

    /// Adds the terms of a tool.
    fn fill(&mut self, place: u32, server: &str, tool: &Tool<'_>) {
        let found = Occurrences::of(tool);
        let mut terms = Vec::with_capacity(found.words.len());
        for (word, counts) in &found.words {
            let posting = Posting::new(place, counts, &found.lengths, &self.ranking);
            terms.push(self.dictionary.insert(word, posting));
        }
        let Some(owner) = self.servers.get_mut(server) else {
            return;
        };
        let entry = Entry {
            server: Arc::clone(owner.name()),
            name: tool.name.into(),
            digest: tool.digest(),
            name_terms: u8::try_from(found.name_words).unwrap_or(u8::MAX),
            terms: terms.into_boxed_slice(),
        };
        owner.insert(Arc::clone(&entry.name), place, entry.name_terms());
        if let Some(vectors) = &mut self.vectors {
            vectors.insert(place, tool);
        }
        if let Some(free) = self.tools.get_mut(place as usize) {
            *free = Some(entry);
        }
    }

    /// Removes the terms of a tool.
    fn clear(&mut self, place: u32) {
        let Some(entry) = self.tools.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        for &term in &entry.terms {
            self.dictionary.remove(term, place);
        }
        if let Some(vectors) = &mut self.vectors {
            vectors.remove(place);
        }
        self.free.push(place);
    }
}

impl Entry {
    fn name_terms(&self) -> &[TermId] {
        self.terms
            .get(..usize::from(self.name_terms))
            .unwrap_or_default()
    }
}
