//! Reasons why a tool matches.

use crate::{Field, Index, Relationship, query::Concept};

/// Match of one word.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reason<'i> {
    /// Word of the request.
    pub word: String,
    /// Stem of the word of the tool.
    pub term: &'i str,
    /// Relation of the two.
    pub relationship: Relationship,
    /// Fields that contain it.
    pub fields: Vec<Field>,
}

/// Returns the best match of each concept in a tool.
pub(super) fn of<'i>(index: &'i Index, place: u32, concepts: &[Concept]) -> Vec<Reason<'i>> {
    let dictionary = index.dictionary();
    let best = |concept: &Concept| {
        let matches = concept.variants.iter().filter_map(|variant| {
            Some((
                variant,
                variant.term?,
                dictionary.posting(variant.term?, place)?,
            ))
        });
        let (variant, term, posting) =
            matches.max_by(|one, other| one.0.weight.total_cmp(&other.0.weight))?;
        Some(Reason {
            word: concept.word.clone(),
            term: dictionary.text(term),
            relationship: variant.relationship,
            fields: posting.fields().collect(),
        })
    };
    concepts.iter().filter_map(best).collect()
}
