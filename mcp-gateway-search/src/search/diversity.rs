//! Order of the best tools of a request with several wishes.

use super::Ranked;
use crate::{Index, Ranking, query::Concept};

/// Tools that are reordered.
pub(super) const MOST: usize = 30;

/// Concepts from which on a request may have several wishes.
const LEAST: usize = 3;

/// Reorders the best tools, so that each word of a request finds its tools among the first.
///
/// The next tool is the one whose score remains the greatest after words that earlier tools match
/// have lost a share of their weight.
pub(super) fn reorder(ranked: &mut [Ranked], index: &Index, concepts: &[Concept]) {
    let novelty = novelty(ranked, index.ranking());
    if novelty == 0.0 || concepts.len() < LEAST {
        return;
    }
    let most = ranked.len().min(MOST);
    let Some(best) = ranked.get_mut(..most) else {
        return;
    };
    let mut matches: Vec<Vec<f32>> = best
        .iter()
        .map(|ranked| matches(index, ranked.place, concepts))
        .collect();
    let mut rest = vec![1.0; concepts.len()];
    for first in 0..most {
        let value = |place: &usize| {
            let whole: f32 = matches[*place].iter().sum();
            let new: f32 = matches[*place]
                .iter()
                .zip(&rest)
                .map(|(one, rest)| one * rest)
                .sum();
            let share = new / whole.max(f32::MIN_POSITIVE);
            let Ranked { words, score, .. } = best[*place];
            score - words * (1.0 - share)
        };
        let next = (first..most)
            .max_by(|one, other| value(one).total_cmp(&value(other)).then(other.cmp(one)));
        let Some(next) = next else { return };
        best[first..=next].rotate_right(1);
        matches[first..=next].rotate_right(1);
        for (rest, matched) in rest.iter_mut().zip(&matches[first]) {
            *rest *= 1.0 - novelty * matched;
        }
    }
}

/// Returns the share of its weight that a word loses. Beside meanings, which remain, words are a smaller
/// part of the score and lose a greater share.
fn novelty(ranked: &[Ranked], ranking: &Ranking) -> f32 {
    match ranked.iter().any(|ranked| ranked.similarity > 0.0) {
        true => (ranking.novelty * (1.0 + ranking.meaning)).min(1.0),
        false => ranking.novelty,
    }
}

/// Returns the match of each concept in a tool, from 0 to 1.
fn matches(index: &Index, place: u32, concepts: &[Concept]) -> Vec<f32> {
    let best = |concept: &Concept| {
        let matches = concept.variants.iter().filter_map(|variant| {
            let posting = index.dictionary().posting(variant.term?, place)?;
            Some(variant.weight * posting.frequency())
        });
        concept.weight * matches.fold(0.0, f32::max)
    };
    concepts.iter().map(best).collect()
}
