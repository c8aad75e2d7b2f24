//! Untrusted text, made visible.

use std::borrow::Cow;

/// Returns `text` with characters that are invisible, or that change the order of those around them,
/// replaced by their escapes.
///
/// A name such as `notes\u{202e}nimda` could otherwise imitate another one.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| match is_deceptive(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(escape).collect())
}

fn is_deceptive(c: char) -> bool {
    let reorders = matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_invisible = matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}');
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || reorders || is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r25_text_that_disguises_itself_is_made_visible() {
        assert_eq!(shown("Zoë's notes\n"), "Zoë's notes\n");
        assert_eq!(shown("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
    }
}
