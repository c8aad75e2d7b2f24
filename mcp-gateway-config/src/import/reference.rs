//! References in the texts of client files.

use super::origin::Dialect;

/// Reference that was found in a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reference<'t> {
    /// Content of `${...}`.
    Braces(&'t str),
    /// Content of `$(...)`, a command of a shell.
    Command(&'t str),
    /// Name after `$`.
    Dollar(&'t str),
    /// Content of `{{...}}`.
    Doubled(&'t str),
    /// Content of `{env:...}` and `{file:...}`.
    Single(&'t str),
    /// Content of `${{ ... }}`.
    Template(&'t str),
}

/// The references of a text, in their order. The whole text is read once.
#[derive(Debug)]
pub(super) struct References<'t> {
    dialect: Dialect,
    /// The text after the last reference.
    rest: &'t str,
    /// Delimiters that the rest lacks. Each beginning of a reference would search for them again.
    missing: Vec<&'static str>,
}

/// A reference, and the text after it.
type Found<'t> = Option<(Reference<'t>, &'t str)>;

impl<'t> References<'t> {
    /// Finds the references of `dialect` in `text`.
    pub(super) fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            dialect,
            rest: text,
            missing: Vec::new(),
        }
    }

    /// Returns the text after the last reference.
    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    /// Splits the text from `text` to `end`, which follows it, from the rest.
    fn until(&mut self, end: &'static str, text: &'t str) -> Option<(&'t str, &'t str)> {
        if self.missing.contains(&end) {
            return None;
        }
        let split = text.split_once(end);
        if split.is_none() {
            self.missing.push(end);
        }
        split
    }

    /// Splits `${{ content }}` from the beginning of `text`.
    fn template(&mut self, text: &'t str) -> Found<'t> {
        let (content, after) = self.until("}}", text.strip_prefix("${{")?)?;
        Some((Reference::Template(content), after))
    }

    /// Splits `${content}` from the beginning of `text`.
    fn braces(&mut self, text: &'t str) -> Found<'t> {
        let (content, after) = self.until("}", text.strip_prefix("${")?)?;
        Some((Reference::Braces(content), after))
    }

    /// Splits `{env:content}` or `{file:content}` from the beginning of `text`.
    fn single(&mut self, text: &'t str) -> Found<'t> {
        let inner = text.strip_prefix('{')?;
        if !inner.starts_with("env:") && !inner.starts_with("file:") {
            return None;
        }
        let (content, after) = self.until("}", inner)?;
        Some((Reference::Single(content), after))
    }

    /// Splits `$(content)` from the beginning of `text`, where the client would run the command.
    fn command(&mut self, text: &'t str) -> Found<'t> {
        if self.dialect != Dialect::Crush {
            return None;
        }
        let (content, after) = self.until(")", text.strip_prefix("$(")?)?;
        Some((Reference::Command(content), after))
    }
}

impl<'t> Iterator for References<'t> {
    /// The text before a reference, and the reference.
    type Item = (&'t str, Reference<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        for (at, c) in self.rest.char_indices() {
            let (before, text) = self.rest.split_at(at);
            let found = match c {
                '$' => self
                    .template(text)
                    .or_else(|| self.braces(text))
                    .or_else(|| self.command(text))
                    .or_else(|| dollar(text, self.dialect)),
                '{' if self.dialect == Dialect::Opencode => self.single(text),
                '{' if self.dialect == Dialect::LibreChat => doubled(text),
                _ => None,
            };
            if let Some((reference, after)) = found {
                self.rest = after;
                return Some((before, reference));
            }
        }
        None
    }
}

/// Splits `{{NAME}}` from the beginning of `text`. Only white space may be around the name.
fn doubled(text: &str) -> Found<'_> {
    let inner = text.strip_prefix("{{")?.trim_start();
    let (name, after) = split_name(inner);
    let after = after.trim_start().strip_prefix("}}")?;
    is_name(name).then_some((Reference::Doubled(name), after))
}

/// Splits `$NAME` from the beginning of `text`, if it is a reference in the dialect.
fn dollar(text: &str, dialect: Dialect) -> Found<'_> {
    let (name, after) = split_name(text.strip_prefix('$')?);
    let known =
        matches!(dialect, Dialect::Gemini | Dialect::Crush) || name.starts_with("COPILOT_MCP_");
    (known && is_name(name)).then_some((Reference::Dollar(name), after))
}

/// Splits the characters of a name from the beginning of `text`.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_name_char(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns `true` for the characters of a variable name: ASCII letters, digits and underscores.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns `true` if `name` is not empty and has only such characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_char)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn references_are_found_in_their_order() {
        let text = "a${B}c${{ d }}e${{f}${{g}}$h$(i){env:j}{{ k }}{{l m}}${n";
        let find = |dialect| {
            let mut references = References::new(text, dialect);
            let found: Vec<_> = references.by_ref().collect();
            (found, references.rest())
        };
        let (found, rest) = find(Dialect::Other);
        let expected = [
            ("a", Reference::Braces("B")),
            ("c", Reference::Template(" d ")),
            ("e", Reference::Template("f}${{g")),
        ];
        assert_eq!(found, expected);
        assert_eq!(rest, "$h$(i){env:j}{{ k }}{{l m}}${n");
        let (found, rest) = find(Dialect::Crush);
        let more = [("", Reference::Dollar("h")), ("", Reference::Command("i"))];
        assert_eq!((&found[3..], rest), (&more[..], "{env:j}{{ k }}{{l m}}${n"));
        assert_eq!(
            find(Dialect::Opencode).0[3],
            ("$h$(i)", Reference::Single("env:j"))
        );
        let doubled = ("$h$(i){env:j}", Reference::Doubled("k"));
        assert_eq!(find(Dialect::LibreChat).0[3], doubled);
    }

    #[test]
    fn category_secret_file_unfinished_references_cost_one_search() {
        let (sender, finished) = mpsc::channel();
        thread::spawn(move || {
            for (unit, dialect) in [
                ("${A", Dialect::Other),
                ("${{A}", Dialect::Other),
                ("$(A", Dialect::Crush),
                ("{env:A", Dialect::Opencode),
                ("{{ A", Dialect::LibreChat),
                ("{{}} {{", Dialect::LibreChat),
            ] {
                let text = unit.repeat(1 << 20);
                let found = References::new(&text, dialect).count();
                assert!(found == 0 || unit == "${{A}", "{unit}: {found}");
            }
            sender.send(()).unwrap();
        });
        // A search for each of them would take hours.
        finished.recv_timeout(Duration::from_secs(300)).unwrap();
    }
}
