//! Texts with the names of inputs in braces.
//!
//! `{NAME}` stands for the value of an input. Names of other things stay as they are, and so do
//! names after `$`: `${state}` is a placeholder of the configuration of a server.

/// Part of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part<'a> {
    /// Name in braces.
    Name(&'a str),
    /// Text as it is.
    Text(&'a str),
}

/// Splits `text` into texts and those names in braces that `is_input` accepts.
pub(crate) fn parts<'a>(text: &'a str, is_input: &dyn Fn(&str) -> bool) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let (mut begin, mut from) = (0, 0);
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        from = open + 1;
        let Some(close) = text[from..].find('}').map(|at| from + at) else {
            break;
        };
        let name = &text[from..close];
        if !text[..open].ends_with('$') && is_input(name) {
            parts.extend((begin < open).then(|| Part::Text(&text[begin..open])));
            parts.push(Part::Name(name));
            (begin, from) = (close + 1, close + 1);
        }
    }
    parts.extend((begin < text.len()).then(|| Part::Text(&text[begin..])));
    parts
}

/// Returns `true` if `text` looks like a name, unlike a piece of JSON or of a pattern.
pub(crate) fn is_identifier(text: &str) -> bool {
    crate::input::is_name(text)
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_inputs_are_found() {
        let is_input = |name: &str| ["a", "b"].contains(&name);
        for (text, expected) in [
            ("", vec![]),
            ("x", vec![Part::Text("x")]),
            ("{a}", vec![Part::Name("a")]),
            (
                "x{a}{b}y",
                vec![
                    Part::Text("x"),
                    Part::Name("a"),
                    Part::Name("b"),
                    Part::Text("y"),
                ],
            ),
            ("{c}{a", vec![Part::Text("{c}{a")]),
            (
                "{{a}}",
                vec![Part::Text("{"), Part::Name("a"), Part::Text("}")],
            ),
            ("${a}/{b}", vec![Part::Text("${a}/"), Part::Name("b")]),
            (
                "ä{a}ö",
                vec![Part::Text("ä"), Part::Name("a"), Part::Text("ö")],
            ),
        ] {
            assert_eq!(parts(text, &is_input), expected, "{text}");
        }
        for (text, expected) in [
            ("key", true),
            ("\"x\": 1", false),
            ("0", false),
            ("", false),
        ] {
            assert_eq!(is_identifier(text), expected, "{text}");
        }
    }
}
