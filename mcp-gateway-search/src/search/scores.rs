//! Scores of tools.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Ranked, Searched};
use crate::{
    index::{TermId, rarity},
    query::Concept,
};

/// Tools whose names are compared with the request.
const CANDIDATES: usize = 256;

/// Scores of the selected tools.
pub(super) struct Scores<'s> {
    searched: Searched<'s>,
    /// Of each place of the index.
    tools: Vec<Score>,
    /// Best match of the current concept, at each place of the index.
    current: Vec<Match>,
    /// Places with a match of the current concept.
    touched: Vec<u32>,
    /// Coverage of a tool that has all words of the request.
    whole: f32,
    /// Weight of each term of the request.
    weights: HashMap<TermId, f32, FixedState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Score {
    /// Sum of the matches of words.
    words: f32,
    /// Rarity of the words that match.
    covered: f32,
    /// Score of the server.
    server: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Match {
    score: f32,
    covered: f32,
}

impl<'s> Scores<'s> {
    pub(super) fn new(searched: Searched<'s>, concepts: &[Concept]) -> Self {
        let places = searched.index.places();
        let mut scores = Self {
            searched,
            tools: vec![Score::default(); places],
            current: vec![Match::default(); places],
            touched: Vec::with_capacity(places),
            whole: 0.0,
            weights: HashMap::default(),
        };
        for concept in concepts {
            scores.add(concept);
        }
        scores.add_servers(concepts);
        scores
    }

    /// Returns the best tools, the best first, and the number of tools that match.
    pub(super) fn best(&self, limit: usize) -> (Vec<Ranked>, usize) {
        let ranking = self.searched.index.ranking();
        let mut found: Vec<Ranked> = Vec::new();
        for (place, score) in (0..).zip(&self.tools) {
            if score.words > 0.0 {
                found.push(Ranked {
                    place,
                    score: self.score(score, ranking.name_coverage),
                });
            }
        }
        let total = found.len();
        // The score with the greatest possible coverage of the name.
        if total > CANDIDATES.max(limit) {
            let by_score = |one: &Ranked, other: &Ranked| other.score.total_cmp(&one.score);
            found.select_nth_unstable_by(CANDIDATES.max(limit), by_score);
            found.truncate(CANDIDATES.max(limit));
        }
        for ranked in &mut found {
            let named = ranking.name_coverage * self.name_coverage(ranked.place);
            ranked.score = self.score(&self.tools[ranked.place as usize], named);
        }
        let name = |ranked: &Ranked| self.searched.index.tool(ranked.place);
        found.sort_unstable_by(|one, other| {
            other
                .score
                .total_cmp(&one.score)
                .then_with(|| name(one).cmp(&name(other)))
        });
        found.truncate(limit);
        (found, total)
    }

    fn score(&self, score: &Score, named: f32) -> f32 {
        let covered = score.covered / self.whole.max(f32::MIN_POSITIVE);
        let query_coverage = self.searched.index.ranking().query_coverage;
        score.words * (1.0 + named + query_coverage * covered) + score.server
    }

    /// Adds the matches of a concept: for each tool, the best of its variants.
    fn add(&mut self, concept: &Concept) {
        let mut rarest: f32 = 0.0;
        for variant in &concept.variants {
            let Some(term) = variant.term else { continue };
            let weight = self.weights.entry(term).or_default();
            *weight = weight.max(variant.weight);
            rarest = rarest.max(self.add_term(term, variant.weight));
        }
        for place in self.touched.drain(..) {
            let place = place as usize;
            let found = std::mem::take(&mut self.current[place]);
            self.tools[place].words += concept.weight * found.score;
            self.tools[place].covered += concept.weight * found.covered;
        }
        self.whole += concept.weight * rarest;
    }

    /// Adds the occurrences of a term. Returns its weighted rarity.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn add_term(&mut self, term: TermId, weight: f32) -> f32 {
        let selection = self.searched.selection;
        let postings = self.searched.index.dictionary().postings(term);
        let visible = || {
            postings
                .iter()
                .filter(|posting| selection.contains(posting.tool))
        };
        let covered = weight * rarity(visible().count() as f32, selection.len() as f32);
        for posting in visible() {
            let current = &mut self.current[posting.tool as usize];
            if current.covered == 0.0 {
                self.touched.push(posting.tool);
            }
            current.score = current.score.max(covered * posting.frequency());
            current.covered = current.covered.max(covered);
        }
        covered
    }

    /// Adds the scores of servers that the request names.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn add_servers(&mut self, concepts: &[Concept]) {
        let Searched { index, selection } = self.searched;
        if selection.servers() < 2 {
            return;
        }
        let mut named: HashMap<(&str, &str), f32, FixedState> = HashMap::default();
        for variant in concepts.iter().flat_map(|concept| &concept.variants) {
            let servers = selection.servers_named(&variant.text);
            let rarity = rarity(servers.len() as f32, selection.servers() as f32);
            for server in servers {
                let score = named.entry((server, &variant.text)).or_default();
                *score = score.max(variant.weight * rarity);
            }
        }
        for ((server, _), score) in named {
            for (_, place) in index
                .server(server)
                .into_iter()
                .flat_map(|server| server.tools())
            {
                self.tools[place as usize].server += index.ranking().server * score;
            }
        }
    }

    /// Returns the weighted share of the name of a tool that the request covers.
    fn name_coverage(&self, place: u32) -> f32 {
        let index = self.searched.index;
        let Some(server) = index
            .tool(place)
            .and_then(|(server, _)| index.server(server))
        else {
            return 0.0;
        };
        let (mut covered, mut whole) = (0.0, f32::MIN_POSITIVE);
        for &term in index.name_terms(place) {
            let rarity = server.rarity_in_names(term);
            whole += rarity;
            covered += rarity * self.weights.get(&term).copied().unwrap_or_default();
        }
        covered / whole
    }
}
