//! Concepts of a request.

mod concept;
mod values;

use std::collections::HashSet;

pub use concept::Relationship;
use concept::weight_of;
pub(crate) use concept::{Concept, Variant};
use values::{Kind, Values, kind_of};

use crate::{
    Ranking,
    index::TermId,
    lexicon::{Lexicon, Relation},
    spelling, stem,
    stop_words::is_stop_word,
    text,
};

/// Words of a request beyond which nothing is read.
const LONGEST: usize = 60;

/// Terms of the tools that are searched.
pub(crate) trait Vocabulary {
    /// Returns the term of a text.
    fn term(&self, text: &str) -> Option<TermId>;

    /// Returns `true` if the name of a server contains the text.
    fn names_server(&self, text: &str) -> bool;

    /// Returns the nearest terms in spelling, and the edits of each.
    fn nearest(&self, text: &str, most: usize) -> Vec<(&str, usize)>;

    /// Returns `true` if anything contains the text.
    fn contains(&self, text: &str) -> bool {
        self.term(text).is_some() || self.names_server(text)
    }
}

/// Word of a request.
struct Word {
    text: String,
    /// It is probably a value of an argument.
    is_value: bool,
    /// It is a word of grammar, and read in phrases only.
    is_stop: bool,
}

/// Reads a request into concepts.
pub(crate) fn concepts(
    request: &str,
    ranking: &Ranking,
    vocabulary: &impl Vocabulary,
) -> Vec<Concept> {
    let words = words(request);
    let mut reader = Reader {
        ranking,
        vocabulary,
        concepts: Vec::new(),
    };
    let mut place = 0;
    while let Some(word) = words.get(place) {
        place += reader.read(word, words.get(place + 1));
    }
    reader.hints(request);
    reader.unspaced(request);
    for concept in &mut reader.concepts {
        for variant in &mut concept.variants {
            variant.term = vocabulary.term(&variant.text);
        }
        concept
            .variants
            .retain(|it| it.term.is_some() || vocabulary.names_server(&it.text));
    }
    reader.concepts
}

/// Returns the words of a request. If all are words of grammar, or values, they are read as others.
fn words(request: &str) -> Vec<Word> {
    let values = Values::of(request);
    let mut words = Vec::new();
    text::each_word(request, |at, word| {
        words.push(Word {
            text: word.to_owned(),
            is_value: values.contain(at, word),
            is_stop: is_stop_word(word),
        });
    });
    words.truncate(LONGEST);
    if words.iter().all(|word| word.is_stop) {
        for word in &mut words {
            word.is_stop = false;
        }
    }
    if words.iter().all(|word| word.is_value) {
        for word in &mut words {
            word.is_value = false;
        }
    }
    words
}

/// Reader of the words of a request.
struct Reader<'r, V> {
    ranking: &'r Ranking,
    vocabulary: &'r V,
    concepts: Vec<Concept>,
}

impl<V: Vocabulary> Reader<'_, V> {
    /// Reads a word, or a phrase with the next one. Returns the number of words.
    fn read(&mut self, word: &Word, next: Option<&Word>) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let place = self.concepts.len() as f32;
        let decay = 1.0 / (1.0 + place / self.ranking.decay);
        let weight = if word.is_value {
            self.ranking.value
        } else {
            1.0
        };
        let term = stem::term(&word.text);
        let mut concept = Concept::new(&word.text, decay * weight);
        let mut taken = 1;
        if let Some(next) = next.filter(|next| next.is_value == word.is_value) {
            taken = self.read_phrase(&mut concept, [&word.text, &next.text]);
        }
        if word.is_stop && concept.variants.is_empty() {
            return 1;
        }
        if taken == 1 && !word.is_stop {
            concept.add(&term, 1.0, Relationship::Word);
            if !word.is_value {
                concept.add_synonyms(&term, self.ranking);
            }
            if !self.vocabulary.contains(&term) {
                self.add_unknown(&mut concept, word, &term);
            }
        } else if let Some(next) = next {
            concept.word = [word.text.as_str(), &next.text].join(" ");
        }
        self.push(concept);
        taken
    }

    /// Adds what two words mean together. Returns the number of words that have no other meaning.
    fn read_phrase(&self, concept: &mut Concept, words: [&str; 2]) -> usize {
        let mut taken = 1;
        let phrase = words.map(stem::term).join(" ");
        Lexicon::shared().each_related(&phrase, |relation, related| {
            concept.add_related(
                related,
                weight_of(relation, self.ranking),
                Relationship::Synonym,
            );
            if relation == Relation::Similar {
                taken = 2;
            }
        });
        let joined = words.concat();
        let joined = stem::term(&joined);
        if self.vocabulary.contains(&joined) {
            concept.add(&joined, self.ranking.same, Relationship::Compound);
        }
        taken
    }

    /// Adds the kinds of values that a request contains.
    fn hints(&mut self, request: &str) {
        for chunk in request.split_whitespace() {
            let terms: &[&str] = match kind_of(chunk) {
                Some(Kind::Url) => &["url", "web", "page"],
                Some(Kind::Mail) => &["email", "mail"],
                Some(Kind::Path) => &["file", "path"],
                None => continue,
            };
            let mut concept = Concept::new(chunk, self.ranking.hint);
            for term in terms {
                concept.add(&stem::term(term), 1.0, Relationship::Value);
            }
            self.push(concept);
        }
    }

    /// Adds a concept, unless the request repeats it.
    fn push(&mut self, concept: Concept) {
        let first =
            |concept: &Concept| concept.variants.first().map(|variant| variant.text.clone());
        let new = first(&concept);
        if new.is_some() && !self.concepts.iter().any(|other| first(other) == new) {
            self.concepts.push(concept);
        }
    }

    /// Adds variants of a word that no tool contains.
    fn add_unknown(&mut self, concept: &mut Concept, word: &Word, term: &str) {
        concept.add_translations(&word.text, self.ranking);
        let known = |variant: &Variant| self.vocabulary.contains(&variant.text);
        if word.is_value || concept.variants.iter().any(known) {
            return;
        }
        if self.add_parts(concept, &word.text) {
            return;
        }
        let alphabetic = |byte: u8| byte.is_ascii_lowercase();
        if !term.bytes().all(alphabetic) {
            return;
        }
        for (nearest, edits) in self
            .vocabulary
            .nearest(term, spelling::tolerance(term.len()))
        {
            let mut weight = 1.0;
            for _ in 0..edits {
                weight *= self.ranking.misspelled;
            }
            concept.add(nearest, weight, Relationship::Spelling);
        }
    }

    /// Splits a word into two that are known.
    fn add_parts(&mut self, concept: &mut Concept, word: &str) -> bool {
        if !word.is_ascii() {
            return false;
        }
        for middle in (3..word.len().saturating_sub(2)).rev() {
            let (one, other) = word.split_at(middle);
            if self.is_known(one) && self.is_known(other) {
                for part in [one, other] {
                    let term = stem::term(part);
                    concept.add(&term, self.ranking.same, Relationship::Compound);
                    concept.add_synonyms(&term, self.ranking);
                    concept.add_translations(part, self.ranking);
                }
                return true;
            }
        }
        false
    }

    fn is_known(&self, part: &str) -> bool {
        self.vocabulary.contains(&stem::term(part)) || Lexicon::shared().translates(part)
    }

    /// Reads the words of the lexicon in text without spaces.
    fn unspaced(&mut self, request: &str) {
        let mut seen = HashSet::new();
        let mut rest = request;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|it| !text::is_wide(it)).unwrap_or(rest.len());
            let mut concept = Concept::new("", 1.0);
            let found = Lexicon::shared().each_unspaced(&rest[..end], |relation, term| {
                let weight = weight_of(relation, self.ranking);
                concept.add_related(term, weight, Relationship::Translation);
            });
            if let Some(word) = found.filter(|word| seen.insert(*word)) {
                word.clone_into(&mut concept.word);
                self.concepts.push(concept);
            }
            rest = &rest[found.map_or_else(|| first.len_utf8(), str::len)..];
        }
    }
}
