//! Characters that nobody sees.

/// Returns `text` with characters that nobody sees, or that change the order or the look of others, as
/// `\u{…}`. Line breaks and tabs stay.
///
/// # Example
///
/// ```
/// use mcp_gateway_pins::printable;
///
/// assert_eq!(printable("a\u{200b}\u{e0041}b\n"), "a\\u{200b}\\u{e0041}b\n");
/// assert_eq!(printable("größer 😀"), "größer 😀");
/// ```
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) && !matches!(c, '\n' | '\t') {
            true => printable.extend(c.escape_unicode()),
            false => printable.push(c),
        }
    }
    printable
}

/// Returns `true` if `c` has no shape of its own, or changes the order or the look of others.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c) || is_direction(c) || is_selector(c) || is_tag(c)
}

/// Returns `true` if `c` has no shape, and is neither a space of ASCII nor one of the others below.
///
/// Those are the code points with the property `Default_Ignorable_Code_Point` of Unicode, separators
/// of lines, annotations, blank letters, and private use.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{f0000}'..='\u{10ffff}'
    )
}

/// Returns `true` if `c` changes the direction of the text after it.
pub(crate) fn is_direction(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Returns `true` if `c` selects a variant of the character before it.
pub(crate) fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns `true` if `c` is of the block of tags, which repeats ASCII without shapes.
pub(crate) fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}
