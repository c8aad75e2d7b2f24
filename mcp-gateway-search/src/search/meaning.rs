//! Similarity of meaning.

use crate::{
    Index,
    index::{RequestVector, Vectors},
    text,
};

/// Meaning of a request, if there is a model.
pub(super) struct Meaning<'i> {
    request: Option<(&'i Vectors, RequestVector)>,
    /// Similarity from which on a tool is found without a word.
    least: f32,
}

impl<'i> Meaning<'i> {
    pub(super) fn of(request: &str, index: &'i Index) -> Self {
        let request = index
            .vectors()
            .and_then(|vectors| Some((vectors, vectors.request(&text::plain(request))?)));
        Self {
            request,
            least: index.ranking().similarity,
        }
    }

    /// Returns `true` if there is nothing to compare.
    pub(super) const fn is_unknown(&self) -> bool {
        self.request.is_none()
    }

    /// Returns the similarity of a tool, from 0 to 1.
    pub(super) fn of_tool(&self, place: u32) -> f32 {
        match &self.request {
            Some((vectors, request)) => vectors.similarity(request, place).max(0.0),
            None => 0.0,
        }
    }

    /// Returns `true` if a similarity alone is enough to be found.
    pub(super) fn finds(&self, similarity: f32) -> bool {
        !self.is_unknown() && similarity >= self.least
    }
}
