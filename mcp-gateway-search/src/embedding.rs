//! Meaning of texts as vectors.

use std::fmt;

/// Model that embeds texts: the nearer two meanings, the smaller the angle between their vectors.
///
/// An [`Index`](crate::Index) with a model also finds tools that share no word with a request. `StaticModel`, behind
/// the feature `model`, is one.
pub trait EmbeddingModel: fmt::Debug + Send + Sync {
    /// Returns a hash of the model. Models with the same one embed all texts alike.
    fn fingerprint(&self) -> u64;

    /// Returns the length of the vectors.
    fn dimensions(&self) -> usize;

    /// Returns the vector of a text, which has any length; zeros if nothing in the text has a meaning.
    fn embed(&self, text: &str) -> Vec<f32>;
}
