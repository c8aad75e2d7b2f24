//! Scores of tools.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Meaning, Ranked, Searched};
use crate::{
    index::{Posting, TermId, rarity},
    query::{Concept, Variant},
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
    /// Each tool of the index is selected.
    everything: bool,
}

/// Term with its weight.
struct Weighted<'s> {
    postings: &'s [Posting],
    rarity: f32,
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
            everything: searched.selection.len() == searched.index.len(),
        };
        for concept in concepts {
            scores.add(concept);
        }
        scores.add_servers(concepts);
        scores
    }

    /// Returns the best tools, the best first, and the number of tools that match.
    pub(super) fn best(&self, limit: usize, meaning: &Meaning<'_>) -> (Vec<Ranked>, usize) {
        let mut found = self.matching(meaning);
        let total = found.len();
        // The score with the greatest possible coverage of the name.
        self.combine(&mut found);
        let most = CANDIDATES.max(limit);
        if total > most {
            found.select_nth_unstable_by(most, |one, other| other.score.total_cmp(&one.score));
            found.truncate(most);
        }
        let weight = self.searched.index.ranking().name_coverage;
        for ranked in &mut found {
            let named = weight * self.name_coverage(ranked.place);
            ranked.words = self.score(&self.tools[ranked.place as usize], named);
        }
        self.combine(&mut found);
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

    /// Returns the tools that share a word with the request, or its meaning.
    fn matching(&self, meaning: &Meaning<'_>) -> Vec<Ranked> {
        let Searched { index, selection } = self.searched;
        let mut found = Vec::new();
        for (place, score) in (0..).zip(&self.tools) {
            let has_words = score.words > 0.0;
            if !has_words && (meaning.is_unknown() || !selection.contains(place)) {
                continue;
            }
            let similarity = meaning.of_tool(place);
            if has_words || meaning.finds(similarity) {
                found.push(Ranked {
                    place,
                    words: self.score(score, index.ranking().name_coverage),
                    similarity,
                    score: 0.0,
                });
            }
        }
        found
    }

    /// Adds the scores of words and of meanings. The unit of a similarity is the best score of words,
    /// because that of a word depends on how rare it is among the tools.
    fn combine(&self, found: &mut [Ranked]) {
        let best = |of: fn(&Ranked) -> f32| found.iter().map(of).fold(0.0, f32::max);
        let words = best(|ranked| ranked.words);
        let unit = if words > 0.0 { words } else { 1.0 };
        let weight = self.searched.index.ranking().meaning * unit;
        for ranked in found {
            ranked.score = weight * ranked.similarity + ranked.words;
        }
    }

    fn score(&self, score: &Score, named: f32) -> f32 {
        let covered = score.covered / self.whole.max(f32::MIN_POSITIVE);
        let query_coverage = self.searched.index.ranking().query_coverage;
        score.words * (1.0 + named + query_coverage * covered) + score.server
    }

    /// Adds the matches of a concept: for each tool, the best of its variants.
    fn add(&mut self, concept: &Concept) {
        let mut terms: Vec<_> = concept
            .variants
            .iter()
            .filter_map(|variant| self.weigh(variant))
            .collect();
        // The first term that a tool has is then the rarest one.
        terms.sort_unstable_by(|one, other| other.rarity.total_cmp(&one.rarity));
        for term in &terms {
            self.add_term(term);
        }
        let Self {
            tools,
            current,
            touched,
            ..
        } = self;
        for place in touched.drain(..) {
            let place = place as usize;
            let found = std::mem::take(&mut current[place]);
            tools[place].words += concept.weight * found.score;
            tools[place].covered += concept.weight * found.covered;
        }
        self.whole += concept.weight * terms.first().map_or(0.0, |term| term.rarity);
    }

    /// Weighs a term by its rarity.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn weigh(&mut self, variant: &Variant) -> Option<Weighted<'s>> {
        let id = variant.term?;
        let weight = self.weights.entry(id).or_default();
        *weight = weight.max(variant.weight);
        let Searched { index, selection } = self.searched;
        let postings = index.dictionary().postings(id);
        let having = match self.everything {
            true => postings.len(),
            false => postings
                .iter()
                .filter(|posting| selection.contains(posting.tool))
                .count(),
        };
        Some(Weighted {
            postings,
            rarity: variant.weight * rarity(having as f32, selection.len() as f32),
        })
    }

    /// Adds the occurrences of a term.
    fn add_term(&mut self, term: &Weighted<'_>) {
        let selection = self.searched.selection;
        match self.everything {
            true => self.add_occurrences(term, |_| true),
            false => self.add_occurrences(term, |tool| selection.contains(tool)),
        }
    }

    /// Adds the occurrences of a term in some tools. A search spends most of its time here.
    fn add_occurrences(&mut self, term: &Weighted<'_>, is_selected: impl Fn(u32) -> bool) {
        let Self {
            current, touched, ..
        } = self;
        let unit = term.rarity * Posting::UNIT;
        for posting in term.postings {
            if !is_selected(posting.tool) {
                continue;
            }
            let Some(current) = current.get_mut(posting.tool as usize) else {
                continue;
            };
            if current.covered == 0.0 {
                current.covered = term.rarity;
                touched.push(posting.tool);
            }
            let score = unit * posting.units();
            // `f32::max` takes longer, because it considers NaN.
            if score > current.score {
                current.score = score;
            }
        }
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
