//! Base64 texts of binary content.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

/// Decoder that accepts what readers accept.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(Indifferent),
);

/// Returns the content of a Base64 text; `None` if it is none.
///
/// It may have line breaks, as in mails, and the alphabet of URLs: readers ignore the former, and many
/// know the latter.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let bytes = bytes.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    let mut bytes: Vec<u8> = bytes.collect();
    while bytes.pop_if(|byte| *byte == b'=').is_some() {}
    LENIENT.decode(bytes).ok()
}

/// Returns the Base64 text of `content`.
pub(super) fn encoded(content: &str) -> String {
    STANDARD.encode(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_masked_value_is_found_in_base64_as_readers_accept_it() {
        for text in [
            "c2VjcmV0Pz8/",
            "c2Vj\r\ncmV0Pz8/\n",
            "c2VjcmV0Pz8_",
            "c2VjcmV0Pz8/=",
        ] {
            assert_eq!(decoded(text).as_deref(), Some(&b"secret???"[..]), "{text}");
        }
        // Bits after the end, and a padding that is missing or too long.
        for text in [
            "c2VjcmV0IQ==",
            "c2VjcmV0IR==",
            "c2VjcmV0IQ",
            "c2VjcmV0IQ===",
        ] {
            assert_eq!(decoded(text).as_deref(), Some(&b"secret!"[..]), "{text}");
        }
        assert_eq!(decoded("no base64!"), None);
        assert_eq!(decoded(&encoded("secret")).as_deref(), Some(&b"secret"[..]));
    }
}
