//! Stems of words.

use std::borrow::Cow;

use snowball_stemmers_rs::{Algorithm, Stemmer};

/// Language of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    Spanish,
}

impl Language {
    /// Returns the stem of a word without diacritics.
    pub(crate) fn stem(self, word: &str) -> Cow<'_, str> {
        if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Cow::Borrowed(word);
        }
        let algorithm = match self {
            Self::English => Algorithm::English,
            Self::German => Algorithm::German,
            Self::Spanish => Algorithm::Spanish,
        };
        Cow::Owned(Stemmer::create(algorithm).stem(word).into_owned())
    }
}

/// Returns the term under which a word is indexed.
pub(crate) fn term(word: &str) -> Cow<'_, str> {
    Language::English.stem(word)
}
