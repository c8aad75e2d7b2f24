//! Occurrences of words in the texts of a tool.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::{Field, Tool, stem, stop_words::is_stop_word, text};

/// Words of a field beyond which nothing is indexed.
const LONGEST_FIELD: u16 = 400;

/// Occurrences of words in the texts of a tool.
#[derive(Default)]
pub(crate) struct Occurrences {
    /// Terms with their number in each field; those of the name come first.
    pub(crate) words: Vec<(String, [u16; Field::ALL.len()])>,
    /// Number of terms of the name.
    pub(crate) name_words: usize,
    /// Length of each field in words.
    pub(crate) lengths: [u16; Field::ALL.len()],
}

impl Occurrences {
    pub(crate) fn of(tool: &Tool<'_>) -> Self {
        let mut found = Self::default();
        let mut places: HashMap<String, usize, FixedState> = HashMap::default();
        tool.each_text(|field, text| {
            text::each_word(text, |_, word| {
                if !is_stop_word(word) {
                    found.count(field, &stem::term(word), &mut places);
                }
            });
            if field == Field::Name {
                found.name_words = found.words.len();
            }
        });
        found
    }

    fn count(&mut self, field: Field, term: &str, places: &mut HashMap<String, usize, FixedState>) {
        let field = field as usize;
        if self.lengths[field] == LONGEST_FIELD {
            return;
        }
        self.lengths[field] += 1;
        let place = match places.get(term) {
            Some(&place) => place,
            None => {
                places.insert(term.to_owned(), self.words.len());
                self.words.push((term.to_owned(), [0; Field::ALL.len()]));
                self.words.len() - 1
            }
        };
        self.words[place].1[field] += 1;
    }
}
