//! Words that are spelled differently.

/// Returns a set of the letters of a word.
///
/// An edit changes at most two members, so that most words are excluded without a comparison.
pub(crate) fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |set, byte| match byte {
        b'a'..=b'z' => set | 1 << (byte - b'a'),
        b'0'..=b'9' => set | 1 << 26,
        _ => set | 1 << 27,
    })
}

/// Returns the edits that a word of this length may differ by.
pub(crate) fn tolerance(length: usize) -> usize {
    match length {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

/// Longest word that is compared, in bytes.
const LONGEST: usize = 32;

/// Returns the number of edits between two words, up to `most`. An edit inserts, removes or
/// replaces a letter, or exchanges two neighbours.
pub(crate) fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len().abs_diff(other.len()) > most || one.len().max(other.len()) > LONGEST {
        return None;
    }
    // Three rows of the matrix of edits between beginnings of the words.
    let mut rows = [[0_u8; LONGEST + 1]; 3];
    for (column, edits) in (0..).zip(&mut rows[0]) {
        *edits = column;
    }
    for (row, &letter) in one.iter().enumerate() {
        let [before, last, next] = [(row + 2) % 3, row % 3, (row + 1) % 3];
        rows[next][0] = rows[last][0] + 1;
        let mut least = rows[next][0];
        for column in 1..=other.len() {
            let replaced = u8::from(letter != other[column - 1]);
            let mut edits = (rows[last][column - 1] + replaced)
                .min(rows[last][column] + 1)
                .min(rows[next][column - 1] + 1);
            let exchanged = row > 0
                && column > 1
                && letter == other[column - 2]
                && one[row - 1] == other[column - 1];
            if exchanged {
                edits = edits.min(rows[before][column - 2] + 1);
            }
            rows[next][column] = edits;
            least = least.min(edits);
        }
        if usize::from(least) > most + 1 {
            return None;
        }
    }
    Some(usize::from(rows[one.len() % 3][other.len()])).filter(|&edits| edits <= most)
}
