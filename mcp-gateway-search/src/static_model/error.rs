//! Errors of files of models.

use thiserror::Error;

use super::StaticModel;

/// Error in the files of a [`StaticModel`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// `model.safetensors` is too large.
    #[error(
        "model.safetensors is larger than {most} MiB: choose a smaller model",
        most = StaticModel::LARGEST_WEIGHTS >> 20
    )]
    WeightsTooLarge,
    /// `tokenizer.json` is too large.
    #[error(
        "tokenizer.json is larger than {most} MiB: choose a smaller model",
        most = StaticModel::LARGEST_TOKENIZER >> 20
    )]
    TokenizerTooLarge,
    /// `model.safetensors` is malformed.
    #[error("model.safetensors is malformed: {0}")]
    Weights(String),
    /// `model.safetensors` is not that of a static model.
    #[error(
        "model.safetensors is not that of a static embedding model, which has one tensor with a row for each token; found {0}"
    )]
    Tensors(String),
    /// The type of the numbers.
    #[error("model.safetensors has numbers of type {0}; save it as F32, F16, BF16 or I8")]
    NumberType(String),
    /// The vectors are too short or too long.
    #[error(
        "model.safetensors has vectors of {0} numbers; supported are {least} to {most}",
        least = StaticModel::DIMENSIONS.start(),
        most = StaticModel::DIMENSIONS.end()
    )]
    Dimensions(usize),
    /// There are too many tokens, or none.
    #[error(
        "model.safetensors has {0} vectors; supported are 1 to {most}",
        most = StaticModel::MOST_TOKENS
    )]
    Tokens(usize),
    /// A number is infinite, or none.
    #[error("model.safetensors has a number that is not finite in row {0}: the file is damaged")]
    NotFinite(usize),
    /// `tokenizer.json` is malformed.
    #[error("tokenizer.json is malformed or of an unsupported kind: {0}")]
    Tokenizer(String),
    /// The vocabulary has more tokens than the tensor has rows.
    #[error(
        "tokenizer.json has the token {token}, and model.safetensors {vectors} vectors, from 0: the two are not of one model"
    )]
    Vocabulary {
        /// Number of the last token.
        token: u32,
        /// Number of the vectors.
        vectors: usize,
    },
}
