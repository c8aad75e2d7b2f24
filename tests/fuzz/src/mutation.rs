use fastrand::Rng;

/// Changes inputs at random, always in the same way.
#[derive(Debug)]
pub struct Mutation {
    random: Rng,
    words: Vec<Vec<u8>>,
}

impl Mutation {
    /// Changes that follow from `seed`; what is put in comes from `seeds`, among other places.
    #[must_use]
    pub fn new(seed: u64, seeds: &[&[u8]]) -> Self {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_/-.$".contains(byte);
        let words = seeds
            .iter()
            .flat_map(|seed| seed.split(|byte| !is_word(byte)));
        let words = words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec);
        let tokens = TOKENS.iter().map(|token| token.as_bytes().to_vec());
        Self {
            random: Rng::with_seed(seed),
            words: words.chain(tokens).collect(),
        }
    }

    /// One of `seeds`, changed in a few places.
    pub fn next(&mut self, seeds: &[&[u8]]) -> Vec<u8> {
        let mut data = seeds[self.random.usize(..seeds.len())].to_vec();
        for _ in 0..self.random.usize(0..6) {
            self.change(&mut data, seeds);
        }
        data.truncate(LONGEST);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>, seeds: &[&[u8]]) {
        let at = self.random.usize(..=data.len());
        let end = (at + self.random.usize(0..16)).min(data.len());
        match self.random.u8(0..8) {
            0 => data.truncate(at),
            1 => drop(data.drain(at..end)),
            2 if at < data.len() => data[at] = self.random.u8(..),
            3 if at < data.len() => data[at] ^= 1 << self.random.u8(0..8),
            4 => {
                let word = self.words[self.random.usize(..self.words.len())].clone();
                data.splice(at..at, word);
            }
            5 => {
                let word = self.words[self.random.usize(..self.words.len())].clone();
                data.splice(at..end, word);
            }
            6 => {
                let piece = data[at..end].to_vec();
                let times = self.random.usize(1..40);
                data.splice(at..at, piece.repeat(times));
            }
            _ => {
                let other = seeds[self.random.usize(..seeds.len())];
                let from = self.random.usize(..=other.len());
                data.splice(at..at, other[from..].iter().copied());
            }
        }
    }
}

const LONGEST: usize = 64 * 1024;

/// Characters that parsers evaluate.
const TOKENS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "\\u0000",
    "\\ud800",
    "\\u0069",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1e400",
    "1.5",
    "18446744073709551616",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\0",
    "\u{feff}",
    "é",
    "😀",
    "\u{7f}",
    "data:",
    "id:",
    "event:",
    "retry:",
    "=?base64?",
    "?=",
    "&a",
    "*a",
    "<<",
    "//",
    "/*",
    "__",
];
