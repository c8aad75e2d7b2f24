//! Sanitizing of untrusted text for display, against spoofing by invisible characters.

/// Returns untrusted `text` on one line, with bounded length, and without characters that disguise
/// the surrounding text.
///
/// A client name such as `Ed\u{202e}rotide` could otherwise imitate another name on the consent
/// page.
pub(crate) fn clean(text: impl AsRef<str>) -> String {
    let mut shown = String::new();
    let mut len = 0;
    for c in text.as_ref().chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if is_deceptive(c) || (c == ' ' && (shown.is_empty() || shown.ends_with(' '))) {
            continue;
        }
        if len == MAX_SHOWN - 1 {
            shown.push('…');
            break;
        }
        shown.push(c);
        len += 1;
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Returns `true` if `c` is invisible, or changes the order or the meaning of the characters around
/// it.
fn is_deceptive(c: char) -> bool {
    let reorders = matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_invisible = matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || reorders || is_invisible
}

/// Maximum number of characters that are shown.
pub(crate) const MAX_SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_shown_as_it_is_or_not_at_all() {
        let table = [
            ("Claude Code", "Claude Code"),
            ("  Zoë's \t\r\n client\u{0} ", "Zoë's client"),
            ("evil\u{202e}moc.elgoog", "evilmoc.elgoog"),
            ("a\u{200b}b\u{feff}c\u{2066}d\u{e0041}", "abcd"),
            ("\u{2028}line\u{2029}", "line"),
            ("日本語 العربية", "日本語 العربية"),
            ("", ""),
        ];
        for (text, shown) in table {
            assert_eq!(clean(text), shown);
        }
        assert_eq!(clean("x".repeat(10_000)).chars().count(), MAX_SHOWN);
        assert_eq!(
            clean("x".repeat(MAX_SHOWN - 1)).chars().count(),
            MAX_SHOWN - 1
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_honest(text in any::<String>()) {
            let shown = clean(&text);
            prop_assert!(shown.chars().count() <= MAX_SHOWN);
            prop_assert!(!shown.chars().any(|c| is_deceptive(c) || (c != ' ' && c.is_whitespace())));
            prop_assert_eq!(clean(&shown), shown);
        }
    }
}
