//! Words that requests and definitions of tools use for the same thing.

use std::{collections::HashMap, sync::LazyLock};

use smallvec::SmallVec;

use crate::{
    stem::{self, Language},
    text,
};

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::parse(include_str!("lexicon.txt")));

/// Relation between two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The words mean the same.
    Same,
    /// The words often stand for each other.
    Similar,
}

/// Table of lines of related words.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    lines: Vec<Line>,
    english: Places,
    german: Places,
    spanish: Places,
    unspaced: Places,
    /// Characters of the longest word without spaces.
    longest: usize,
}

/// Lines of each word.
type Places = HashMap<Box<str>, SmallVec<[u16; 4]>>;

#[derive(Debug)]
struct Line {
    relation: Relation,
    /// Indexed terms of the English words; those of a phrase are separated by a space.
    english: Vec<Box<str>>,
    /// Indexed terms of the other scripts.
    unspaced: Vec<Box<str>>,
}

impl Lexicon {
    pub(crate) fn shared() -> &'static Self {
        &LEXICON
    }

    /// Calls `each` with the words that are related to an English word or phrase.
    pub(crate) fn each_related(&self, term: &str, mut each: impl FnMut(Relation, &str)) {
        for line in Self::lines(&self.english, &self.lines, term) {
            for other in line.english.iter().filter(|other| &***other != term) {
                each(line.relation, other);
            }
            for other in &line.unspaced {
                each(Relation::Similar, other);
            }
        }
    }

    /// Calls `each` with the English words for a German or Spanish word. The first word of a line
    /// is the nearest translation.
    pub(crate) fn each_translation(&self, word: &str, mut each: impl FnMut(Relation, &str)) {
        for (language, places) in [
            (Language::German, &self.german),
            (Language::Spanish, &self.spanish),
        ] {
            Self::translate(
                Self::lines(places, &self.lines, &language.stem(word)),
                &mut each,
            );
        }
    }

    /// Returns the longest word at the beginning of a text without spaces, and calls `each` with
    /// the English words for it.
    pub(crate) fn each_unspaced<'t>(
        &self,
        text: &'t str,
        mut each: impl FnMut(Relation, &str),
    ) -> Option<&'t str> {
        if text.is_empty() {
            return None;
        }
        let mut ends: SmallVec<[usize; 8]> = SmallVec::new();
        ends.extend(
            text.char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .take(self.longest),
        );
        if ends.len() < self.longest {
            ends.push(text.len());
        }
        let word = ends
            .iter()
            .rev()
            .map(|&end| &text[..end])
            .find(|word| self.unspaced.contains_key(*word))?;
        Self::translate(Self::lines(&self.unspaced, &self.lines, word), &mut each);
        Some(word)
    }

    /// Returns `true` if a German or Spanish word is in the table.
    pub(crate) fn translates(&self, word: &str) -> bool {
        self.german.contains_key(&*Language::German.stem(word))
            || self.spanish.contains_key(&*Language::Spanish.stem(word))
    }

    fn translate<'l>(lines: impl Iterator<Item = &'l Line>, each: &mut impl FnMut(Relation, &str)) {
        for line in lines {
            for (place, term) in line.english.iter().enumerate() {
                each(
                    if place == 0 {
                        Relation::Same
                    } else {
                        line.relation
                    },
                    term,
                );
            }
        }
    }

    fn lines<'l>(
        places: &'l Places,
        lines: &'l [Line],
        word: &str,
    ) -> impl Iterator<Item = &'l Line> {
        let found = places.get(word).map_or(&[][..], |found| &found[..]);
        found
            .iter()
            .filter_map(|&line| lines.get(usize::from(line)))
    }

    fn parse(source: &str) -> Self {
        let mut lexicon = Self::default();
        for line in source.lines() {
            let relation = match line.split_at_checked(2) {
                Some(("= ", _)) => Relation::Same,
                Some(("~ ", _)) => Relation::Similar,
                _ => continue,
            };
            lexicon.add(relation, &line[2..]);
        }
        lexicon
    }

    fn add(&mut self, relation: Relation, line: &str) {
        let place = u16::try_from(self.lines.len()).unwrap_or(u16::MAX);
        let mut groups = line.split('|').map(str::split_whitespace);
        let mut english = Vec::new();
        for word in groups.next().into_iter().flatten() {
            let terms: Vec<_> = word
                .split('_')
                .map(|word| stem::term(word).into_owned())
                .collect();
            english.push(terms.join(" ").into_boxed_str());
        }
        english.dedup();
        for term in &english {
            note(&mut self.english, term, place);
        }
        for (places, language) in [
            (&mut self.german, Language::German),
            (&mut self.spanish, Language::Spanish),
        ] {
            for word in groups.next().into_iter().flatten() {
                note(places, &language.stem(word), place);
            }
        }
        let mut unspaced = Vec::new();
        for word in groups.next().into_iter().flatten() {
            self.longest = self.longest.max(word.chars().count());
            note(&mut self.unspaced, word, place);
            text::each_word(word, |_, term| unspaced.push(term.into()));
        }
        self.lines.push(Line {
            relation,
            english,
            unspaced,
        });
    }
}

fn note(places: &mut Places, word: &str, place: u16) {
    let found = places.entry(word.into()).or_default();
    if found.last() != Some(&place) {
        found.push(place);
    }
}
