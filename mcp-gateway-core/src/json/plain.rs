//! Runs of characters in JSON strings that need no escape.

/// Returns the length of the run of plain characters of a string at the start of `bytes`.
///
/// A quote, a backslash or a control character ends the run; `None` if none of them follows. Most
/// of the time of a walk is spent here, so eight bytes are compared at a time.
pub(super) fn plain_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            let len = special.trailing_zeros() / u8::BITS;
            return Some(bytes.len() - rest.len() + len as usize);
        }
        rest = after;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let len = rest.iter().position(is_special)?;
    Some(bytes.len() - rest.len() + len)
}

/// Returns a word whose lowest set bit is in the lowest byte of `word` that is a quote, a backslash
/// or a control character; zero if there is none.
///
/// The bits above the lowest one mean nothing, because the subtractions borrow from them.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, b' ') | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_ends_at_its_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            prop_assert_eq!(plain_len(&bytes), bytes.iter().position(special));
        }

        #[test]
        fn a_long_run_ends_at_its_first_special_byte(
            plain in "[ !#-\\[\\]-\u{10ffff}]{0,40}",
            special in 0_u8..0x23,
        ) {
            let text = [plain.as_bytes(), &[special], plain.as_bytes()].concat();
            let ends = special < 0x20 || special == b'"';
            prop_assert_eq!(plain_len(&text), ends.then_some(plain.len()));
        }
    }
}
