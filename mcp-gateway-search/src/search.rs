//! Ranked search.

mod diversity;
mod meaning;
mod reasons;
mod scores;

use meaning::Meaning;
pub use reasons::Reason;
use scores::Scores;

use crate::{
    Index, Selection,
    index::TermId,
    query::{self, Vocabulary},
};

/// Result of a search.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Found<'i> {
    /// Best tools, the best first.
    pub hits: Vec<Hit<'i>>,
    /// Number of tools that match at all.
    pub total: usize,
    /// Words of the request that match nothing.
    pub unmatched: Vec<String>,
}

/// Tool that matches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hit<'i> {
    /// Name of the server.
    pub server: &'i str,
    /// Name of the tool.
    pub tool: &'i str,
    /// Score, comparable within one search.
    pub score: f32,
    /// Words that match; none if the meaning alone is similar.
    pub reasons: Vec<Reason<'i>>,
}

/// Tool with its score.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    place: u32,
    /// Score of its words.
    words: f32,
    /// Similarity of its meaning, from 0 to 1.
    similarity: f32,
    score: f32,
}

impl Index {
    /// Searches the selected tools, and returns the best `limit`.
    ///
    /// Returns nothing if the index has changed since the selection.
    #[must_use]
    pub fn search(&self, request: &str, selection: &Selection, limit: usize) -> Option<Found<'_>> {
        if !selection.is_current(self) {
            return None;
        }
        let searched = Searched {
            index: self,
            selection,
        };
        let concepts = query::concepts(request, self.ranking(), &searched);
        let scores = Scores::new(searched, &concepts);
        let meaning = Meaning::of(request, self);
        let (mut best, total) = scores.best(limit.max(diversity::MOST), &meaning);
        diversity::reorder(&mut best, self, &concepts);
        let hit = |ranked: &Ranked| {
            let (server, tool) = self.tool(ranked.place)?;
            let reasons = reasons::of(self, ranked.place, &concepts);
            Some(Hit {
                server,
                tool,
                score: ranked.score,
                reasons,
            })
        };
        let unmatched = concepts
            .iter()
            .filter(|concept| concept.variants.is_empty());
        Some(Found {
            hits: best.iter().take(limit).filter_map(hit).collect(),
            total,
            unmatched: unmatched.map(|concept| concept.word.clone()).collect(),
        })
    }
}

/// Selected tools of an index.
#[derive(Clone, Copy)]
struct Searched<'s> {
    index: &'s Index,
    selection: &'s Selection,
}

impl Searched<'_> {
    fn is_visible(&self, term: TermId) -> bool {
        let postings = self.index.dictionary().postings(term);
        postings
            .iter()
            .any(|posting| self.selection.contains(posting.tool))
    }
}

impl Vocabulary for Searched<'_> {
    fn term(&self, text: &str) -> Option<TermId> {
        self.index
            .dictionary()
            .find(text)
            .filter(|&term| self.is_visible(term))
    }

    fn names_server(&self, text: &str) -> bool {
        !self.selection.servers_named(text).is_empty()
    }

    fn nearest(&self, text: &str, most: usize) -> Vec<(&str, usize)> {
        const ENOUGH: usize = 3;
        let dictionary = self.index.dictionary();
        let mut found = dictionary.nearest(text, most);
        found.retain(|&(term, _)| self.is_visible(term));
        found.sort_by_key(|&(term, edits)| (edits, usize::MAX - dictionary.postings(term).len()));
        let least = found.first().map_or(0, |&(_, edits)| edits);
        let found = found
            .into_iter()
            .filter(|&(_, edits)| edits == least)
            .take(ENOUGH);
        found
            .map(|(term, edits)| (dictionary.text(term), edits))
            .collect()
    }
}
