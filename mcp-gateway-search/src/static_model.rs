//! Embedding model with one vector for each token.

mod error;
mod table;

use std::{
    collections::HashSet,
    fmt,
    hash::{BuildHasher, Hasher},
};

pub use error::ModelError;
use foldhash::fast::FixedState;
use kitoken::{Definition, Kitoken};
use table::Table;

use crate::EmbeddingModel;

/// Embedding model with one vector for each token, whose mean is the vector of a text.
///
/// It is read from the two files of such a model, which have the forms of `safetensors` and `tokenizers`:
///
/// - `model.safetensors` has one tensor. Its rows are the vectors of the tokens, as `F32`, `F16`, `BF16` or `I8`.
/// - `tokenizer.json` has a vocabulary (BPE, WordPiece or Unigram). Its numbers are those of the rows.
///
/// In memory it takes two bytes for each number of the tensor.
pub struct StaticModel {
    tokenizer: Kitoken,
    /// Tokens without a meaning, such as those for the start of a text and for unknown text.
    specials: HashSet<u32, FixedState>,
    table: Table,
    fingerprint: u64,
}

impl StaticModel {
    /// Bytes of the largest `model.safetensors`.
    pub const LARGEST_WEIGHTS: usize = 512 << 20;
    /// Bytes of the largest `tokenizer.json`.
    pub const LARGEST_TOKENIZER: usize = 64 << 20;
    /// Smallest and largest length of vectors.
    pub const DIMENSIONS: std::ops::RangeInclusive<usize> = 8..=1024;
    /// Largest number of tokens.
    pub const MOST_TOKENS: usize = 1 << 20;

    /// Reads the content of `model.safetensors` and `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if a file is malformed or too large, or the two do not belong together.
    pub fn read(weights: &[u8], tokenizer: &[u8]) -> Result<Self, ModelError> {
        if tokenizer.len() > Self::LARGEST_TOKENIZER {
            return Err(ModelError::TokenizerTooLarge);
        }
        let table = Table::read(weights)?;
        let malformed = |error: &dyn fmt::Display| ModelError::Tokenizer(error.to_string());
        let definition =
            Definition::from_tokenizers_slice(tokenizer).map_err(|error| malformed(&error))?;
        let vocabulary = definition.model.vocab();
        // The library fails without tokens.
        let Some(last) = vocabulary.iter().map(|token| token.id).max() else {
            return Err(ModelError::Tokenizer("there are no tokens".to_owned()));
        };
        if last as usize >= table.rows() {
            return Err(ModelError::Vocabulary {
                token: last,
                vectors: table.rows(),
            });
        }
        let specials = definition.specials.iter().map(|special| special.id);
        let specials = specials.collect();
        Ok(Self {
            tokenizer: Kitoken::from_definition(definition).map_err(|error| malformed(&error))?,
            specials,
            table,
            fingerprint: fingerprint([weights, tokenizer]),
        })
    }
}

impl EmbeddingModel for StaticModel {
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn dimensions(&self) -> usize {
        self.table.dimensions()
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0; self.dimensions()];
        // A text that has no tokens has no meaning.
        for token in self.tokenizer.encode(text, false).unwrap_or_default() {
            if !self.specials.contains(&token) {
                self.table.add(token, &mut sum);
            }
        }
        sum
    }
}

impl fmt::Debug for StaticModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StaticModel")
            .field("tokens", &self.table.rows())
            .field("dimensions", &self.table.dimensions())
            .finish_non_exhaustive()
    }
}

fn fingerprint(files: [&[u8]; 2]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for file in files {
        hasher.write_usize(file.len());
        hasher.write(file);
    }
    hasher.finish()
}
