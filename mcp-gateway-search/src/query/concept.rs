//! Concept of a request.

use crate::{
    Ranking,
    index::TermId,
    lexicon::{Lexicon, Relation},
};

/// Relation of a word of a tool to the word of the request that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relationship {
    /// The word itself, or another form of it.
    Word,
    /// A word that means the same, or a similar one.
    Synonym,
    /// A translation.
    Translation,
    /// A part of the word, or the word together with its neighbour.
    Compound,
    /// Another spelling.
    Spelling,
    /// The kind of value that it is.
    Value,
}

/// Meaning of one word of a request.
#[derive(Clone, Debug)]
pub(crate) struct Concept {
    /// As in the request.
    pub(crate) word: String,
    pub(crate) weight: f32,
    /// The alternatives, without duplicates.
    pub(crate) variants: Vec<Variant>,
}

/// Term that stands for a concept.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) text: Box<str>,
    /// Its term in the index. Without one it is in the name of a server only.
    pub(crate) term: Option<TermId>,
    pub(crate) weight: f32,
    pub(crate) relationship: Relationship,
}

impl Concept {
    pub(super) fn new(word: &str, weight: f32) -> Self {
        Self {
            word: word.to_owned(),
            weight,
            variants: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, text: &str, weight: f32, relationship: Relationship) {
        match self
            .variants
            .iter_mut()
            .find(|variant| *variant.text == *text)
        {
            Some(variant) if variant.weight >= weight => {}
            Some(variant) => {
                variant.weight = weight;
                variant.relationship = relationship;
            }
            None => self.variants.push(Variant {
                text: text.into(),
                term: None,
                weight,
                relationship,
            }),
        }
    }

    /// Adds a related word, or the words of a related phrase.
    pub(super) fn add_related(&mut self, term: &str, weight: f32, relationship: Relationship) {
        match term.split_once(' ') {
            None => self.add(term, weight, relationship),
            Some((one, other)) => {
                self.add(&[one, other].concat(), weight, relationship);
                self.add(one, weight * 0.6, relationship);
                self.add(other, weight * 0.6, relationship);
            }
        }
    }

    pub(super) fn add_synonyms(&mut self, term: &str, ranking: &Ranking) {
        Lexicon::shared().each_related(term, |relation, other| {
            self.add_related(other, weight_of(relation, ranking), Relationship::Synonym);
        });
    }

    pub(super) fn add_translations(&mut self, word: &str, ranking: &Ranking) {
        Lexicon::shared().each_translation(word, |relation, term| {
            self.add_related(
                term,
                weight_of(relation, ranking),
                Relationship::Translation,
            );
        });
    }
}

pub(super) fn weight_of(relation: Relation, ranking: &Ranking) -> f32 {
    match relation {
        Relation::Same => ranking.same,
        Relation::Similar => ranking.similar,
    }
}
