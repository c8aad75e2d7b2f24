//! Reasons why a tool matches.

use std::fmt;

use crate::{
    Field, Index, Relationship,
    index::{Posting, TermId},
    query::{Concept, Variant},
};

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

impl fmt::Display for Reason<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relationship {
            Relationship::Word => "",
            Relationship::Synonym => "synonym in ",
            Relationship::Translation => "translation in ",
            Relationship::Compound => "compound in ",
            Relationship::Spelling => "spelling in ",
            Relationship::Value => "value for ",
        };
        let fields: Vec<_> = self.fields.iter().map(|field| field.title()).collect();
        write!(formatter, "{} ({relation}{})", self.word, fields.join(", "))
    }
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
        let (variant, term, posting) = matches.max_by(|one, other| {
            let score = |it: &(&Variant, TermId, Posting)| it.0.weight * it.2.frequency();
            score(one).total_cmp(&score(other))
        })?;
        Some(Reason {
            word: concept.word.clone(),
            term: dictionary.text(term),
            relationship: variant.relationship,
            fields: posting.fields().collect(),
        })
    };
    concepts.iter().filter_map(best).collect()
}
