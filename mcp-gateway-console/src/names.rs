//! Lists of names in one field of a form.
//!
//! Names stand between separators. One with a separator, or white space at an end, stands in quotation
//! marks, which are doubled within it.

/// Returns `names` with commas.
pub(crate) fn join<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name.as_ref())).collect();
    names.join(", ")
}

/// Returns the names in `text` between `separators`, without white space around them.
pub(crate) fn split(text: &str, separators: &[char]) -> Vec<String> {
    let mut names = Vec::new();
    let is_before = |c: char| c.is_whitespace() || separators.contains(&c);
    let mut rest = text.trim_start_matches(is_before);
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(inner) => unquoted(inner),
            None => {
                let end = rest.find(separators).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                (name.trim_end().to_owned(), after)
            }
        };
        if !name.is_empty() {
            names.push(name);
        }
        rest = after.trim_start_matches(is_before);
    }
    names
}

/// Returns the name in quotation marks at the beginning of `text`, of which the first is missing, and
/// what follows. The end of the text is a quotation mark, too.
fn unquoted(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut rest = text;
    while let Some((part, after)) = rest.split_once('"') {
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (name, after),
        }
    }
    name.push_str(rest);
    (name, "")
}

fn quoted(name: &str) -> String {
    let is_special = |c: char| matches!(c, ',' | '"') || c.is_whitespace();
    match name.contains(is_special) || name == NONE {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}

/// Word for a list that is there, and empty.
pub(crate) const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAS: &[char] = &[',', '\n', '\r'];

    #[test]
    fn names_are_split_as_they_were_joined() {
        let table: [&[&str]; 8] = [
            &[],
            &["a"],
            &["a", "b c", "d"],
            &["a,sec", "b"],
            &["CN=Ops,OU=Groups,DC=example", "x"],
            &["\"", "a\"\"b", "\","],
            &[" a ", "é, 日本"],
            &["none"],
        ];
        for names in table {
            for separators in [COMMAS, &[',', '\n', '\r', '\t', ' ']] {
                assert_eq!(split(&join(names), separators), names, "{names:?}");
            }
        }
    }

    #[test]
    fn what_people_type_is_read() {
        for (text, expected) in [
            ("a,b", vec!["a", "b"]),
            (" a ,, b\r\nc d ", vec!["a", "b", "c d"]),
            ("\"a,b\" , c", vec!["a,b", "c"]),
            ("\"a,b", vec!["a,b"]),
            ("\"\", a", vec!["a"]),
            ("a\"b", vec!["a\"b"]),
            (", ,", vec![]),
        ] {
            assert_eq!(split(text, COMMAS), expected, "{text}");
        }
    }
}
