//! Terms and their occurrences.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::Posting;
use crate::spelling;

/// Term of a [`Dictionary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TermId(u32);

impl TermId {
    fn place(self) -> usize {
        self.0 as usize
    }
}

/// Terms and their occurrences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    terms: Vec<Term>,
    /// Letters of each term.
    letters: Vec<u32>,
    ids: HashTable<TermId>,
    free: Vec<TermId>,
}

#[derive(Clone, Debug, Default)]
struct Term {
    text: Box<str>,
    /// Ordered by tool.
    postings: SmallVec<[Posting; 2]>,
}

impl Dictionary {
    /// Returns the term with this text.
    pub(crate) fn find(&self, text: &str) -> Option<TermId> {
        let is_text = |id: &TermId| self.text(*id) == text;
        self.ids.find(hash(text), is_text).copied()
    }

    /// Returns the text of a term.
    pub(crate) fn text(&self, id: TermId) -> &str {
        self.terms.get(id.place()).map_or("", |term| &term.text)
    }

    /// Returns the occurrences of a term, ordered by tool.
    pub(crate) fn postings(&self, id: TermId) -> &[Posting] {
        self.terms
            .get(id.place())
            .map_or(&[], |term| &term.postings)
    }

    /// Returns the occurrence of a term in a tool.
    pub(crate) fn posting(&self, id: TermId, tool: u32) -> Option<Posting> {
        let postings = self.postings(id);
        let at = postings
            .binary_search_by_key(&tool, |posting| posting.tool)
            .ok()?;
        postings.get(at).copied()
    }

    /// Returns the terms that differ by at most `most` edits, with their edits.
    pub(crate) fn nearest(&self, word: &str, most: usize) -> Vec<(TermId, usize)> {
        let letters = spelling::letters(word);
        // An edit changes at most two members of the set of letters.
        let limit = u32::try_from(2 * most).unwrap_or(u32::MAX);
        let near = self
            .letters
            .iter()
            .zip(&self.terms)
            .enumerate()
            .filter(|(_, (other, _))| (**other ^ letters).count_ones() <= limit);
        near.filter_map(|(place, (_, term))| {
            let edits = spelling::distance(word, &term.text, most)?;
            Some((TermId(u32::try_from(place).ok()?), edits))
        })
        .collect()
    }

    /// Adds an occurrence.
    pub(crate) fn insert(&mut self, text: &str, posting: Posting) -> TermId {
        let id = self.find(text).unwrap_or_else(|| self.add(text));
        if let Some(term) = self.terms.get_mut(id.place()) {
            let at = term
                .postings
                .partition_point(|other| other.tool < posting.tool);
            term.postings.insert(at, posting);
        }
        id
    }

    /// Removes an occurrence, and a term without further ones.
    pub(crate) fn remove(&mut self, id: TermId, tool: u32) {
        let Some(term) = self.terms.get_mut(id.place()) else {
            return;
        };
        if let Ok(at) = term
            .postings
            .binary_search_by_key(&tool, |posting| posting.tool)
        {
            term.postings.remove(at);
        }
        if term.postings.is_empty() {
            let term = std::mem::take(term);
            if let Ok(entry) = self.ids.find_entry(hash(&term.text), |other| *other == id) {
                entry.remove();
            }
            self.letters[id.place()] = 0;
            self.free.push(id);
        }
    }

    fn add(&mut self, text: &str) -> TermId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.terms.push(Term::default());
            self.letters.push(0);
            TermId(u32::try_from(self.terms.len() - 1).unwrap_or(u32::MAX))
        });
        self.letters[id.place()] = spelling::letters(text);
        self.terms[id.place()].text = text.into();
        let terms = &self.terms;
        self.ids
            .insert_unique(hash(text), id, |other| hash(&terms[other.place()].text));
        id
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}
