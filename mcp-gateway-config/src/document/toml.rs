//! TOML, parsed to nodes with positions.
//!
//! | TOML | Node |
//! |---|---|
//! | table, inline table, dotted key | map |
//! | array, array of tables | list |
//! | string | quoted scalar without its quotes and escapes |
//! | integer, float, boolean, date and time | plain scalar |
//!
//! TOML has no null. The parser rejects duplicate keys, and limits the nesting depth.

use toml_edit::{Array, Document, Item, Key as TomlKey, TableLike, Value as TomlValue};

use super::{Diagnostic, DiagnosticSink, Key, Node, Position, Scalar, Severity, Value};

/// Parses `text`, and records a syntax error.
///
/// A byte order mark is ignored. The root is a map at the first character. After a syntax error,
/// the result is `None`, and the only diagnostic has the position of the error if the parser knows
/// it.
pub(crate) fn parse(text: &str, report: &DiagnosticSink<'_>) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let positions = Positions(text);
    match Document::parse(text) {
        Ok(document) => {
            let at = Position::new(1, 1);
            let value = positions.map(document.as_table());
            Some(Node { at, value })
        }
        Err(error) => {
            report.add(Diagnostic {
                severity: Severity::Error,
                position: error.span().map(|span| positions.at(span.start)),
                path: String::new(),
                message: format!("invalid TOML: {}", first_line(error.message())),
            });
            None
        }
    }
}

/// Returns the first line of `message`, because a diagnostic has a single line.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// Converter of byte offsets to positions.
struct Positions<'a>(&'a str);

impl Positions<'_> {
    /// Returns the position of the byte `offset`. Columns count characters; an offset behind the
    /// end is that of the end.
    fn at(&self, offset: usize) -> Position {
        let before = self.0.get(..offset).unwrap_or(self.0);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Position::new(before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    /// Returns the position of a span; that of the file without one.
    fn of(&self, span: Option<std::ops::Range<usize>>) -> Position {
        self.at(span.map_or(0, |span| span.start))
    }

    /// Converts a table, whose keys are in the order of the file.
    fn map(&self, table: &dyn TableLike) -> Value {
        let entries = table.iter().filter_map(|(name, item)| {
            let key = table.key(name);
            let at = self.of(key.and_then(TomlKey::span));
            let text = name.to_owned();
            Some((Key { at, text }, self.item(item, at)?))
        });
        Value::Map(entries.collect())
    }

    /// Converts an item. `at` is the position of its key, for tables without a header of their own.
    fn item(&self, item: &Item, at: Position) -> Option<Node> {
        let at = item.span().map_or(at, |span| self.at(span.start));
        let value = match item {
            Item::None => return None,
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.map(table),
            Item::ArrayOfTables(tables) => {
                let nodes = tables.iter().map(|table| Node {
                    at: self.of(table.span()),
                    value: self.map(table),
                });
                Value::List(nodes.collect())
            }
        };
        Some(Node { at, value })
    }

    /// Converts a value. Numbers have decimal digits, whatever their notation in the file.
    fn value(&self, value: &TomlValue) -> Value {
        let plain = |text: String| {
            let quoted = false;
            Value::Scalar(Scalar { text, quoted })
        };
        match value {
            TomlValue::String(text) => Value::Scalar(Scalar {
                text: text.value().clone(),
                quoted: true,
            }),
            TomlValue::Integer(number) => plain(number.value().to_string()),
            TomlValue::Float(number) => plain(number.value().to_string()),
            TomlValue::Boolean(value) => plain(value.value().to_string()),
            TomlValue::Datetime(time) => plain(time.value().to_string()),
            TomlValue::Array(items) => self.list(items),
            TomlValue::InlineTable(table) => self.map(table),
        }
    }

    /// Converts an array, each item with its own position.
    fn list(&self, items: &Array) -> Value {
        let items = items.iter().map(|value| Node {
            at: self.of(value.span()),
            value: self.value(value),
        });
        Value::List(items.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::NoEnvironment;

    #[test]
    fn values_are_found_at_their_positions() {
        let text = "a = [1, \"ä\", true]\n\n[b.c]\nd = { e = 1.5 }\n\n[[f]]\ng = 'h'\n";
        let report = DiagnosticSink::new(&NoEnvironment);
        let root = parse(text, &report).unwrap();
        let root = report.root(&root);
        let mut table = root.table().unwrap();
        let items = table.field("a").unwrap().items().unwrap();
        assert_eq!(items[1].text(), Some("ä"));
        let inner = table.field("b").unwrap();
        inner.entries().unwrap()[0].1.error("here");
        table.field("f").unwrap().items().unwrap()[0].error("there");
        let lines: Vec<_> = report.into_diagnostics().lines("f").collect();
        assert_eq!(lines, ["f:3:1: b.c: here", "f:6:1: f[0]: there"]);
    }

    #[test]
    fn invalid_text_is_rejected_with_its_position() {
        let report = DiagnosticSink::new(&NoEnvironment);
        assert!(parse("a = 1\nb = \n", &report).is_none());
        let lines: Vec<_> = report.into_diagnostics().lines("f").collect();
        assert!(lines[0].starts_with("f:2:"), "{lines:?}");
        assert!(lines[0].contains("invalid TOML"), "{lines:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_or_rejected(text in "[\\[\\]{}=,.#\"'a0 \\n-]{0,64}") {
            let _ = parse(&text, &DiagnosticSink::new(&NoEnvironment));
        }
    }
}
