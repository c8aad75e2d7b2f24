//! JSON with comments and trailing commas, parsed to nodes with positions.

use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};

use super::{Diagnostic, DiagnosticSink, Key, Node, Position, Scalar, Severity, Value};

/// Parses `text`, and records a syntax error.
///
/// A byte order mark is ignored.
pub(crate) fn parse(text: &str, report: &DiagnosticSink<'_>) -> Option<Node> {
    // Some editors on Windows write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let problem = |place, message| {
        report.add(Diagnostic {
            severity: Severity::Error,
            position: Some(place),
            path: String::new(),
            message,
        });
        None
    };
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => match parsed.value {
            Some(value) => Some(Positions::of(text).node(value)),
            None => problem(Position::new(1, 1), "the file is empty".to_owned()),
        },
        Err(error) => {
            let place = Position::new(error.line_display(), error.column_display());
            problem(place, format!("invalid JSON: {}", error.kind()))
        }
    }
}

/// Converter of increasing byte offsets to positions.
struct Positions<'a> {
    rest: &'a str,
    offset: usize,
    place: Position,
}

impl<'a> Positions<'a> {
    /// Creates a converter at the beginning of `text`.
    fn of(text: &'a str) -> Self {
        Self {
            rest: text,
            offset: 0,
            place: Position::new(1, 1),
        }
    }

    /// Returns the position of `offset`, which must not decrease between calls.
    fn at(&mut self, offset: usize) -> Position {
        let ahead = offset.saturating_sub(self.offset);
        let Some((passed, rest)) = self.rest.split_at_checked(ahead) else {
            return self.place;
        };
        for c in passed.chars() {
            match c {
                '\n' => self.place = Position::new(self.place.line + 1, 1),
                _ => self.place.column += 1,
            }
        }
        (self.rest, self.offset) = (rest, offset);
        self.place
    }

    /// Converts `value` to a node. The parser limits the nesting depth.
    fn node(&mut self, value: ast::Value<'_>) -> Node {
        let at = self.at(value.start());
        let plain = |text: &str| {
            Value::Scalar(Scalar {
                text: text.to_owned(),
                quoted: false,
            })
        };
        let value = match value {
            ast::Value::Array(array) => {
                let items = array.elements.into_iter();
                Value::List(items.map(|item| self.node(item)).collect())
            }
            ast::Value::BooleanLit(literal) => plain(if literal.value { "true" } else { "false" }),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::NumberLit(number) => plain(number.value),
            ast::Value::Object(object) => {
                let properties = object.properties.into_iter();
                Value::Map(properties.map(|property| self.property(property)).collect())
            }
            ast::Value::StringLit(literal) => Value::Scalar(Scalar {
                text: literal.value.into_owned(),
                quoted: true,
            }),
        };
        Node { at, value }
    }

    /// Converts a member of an object.
    fn property(&mut self, property: ast::ObjectProp<'_>) -> (Key, Node) {
        let key = Key {
            at: self.at(property.name.start()),
            text: property.name.into_string(),
        };
        (key, self.node(property.value))
    }
}

/// Extensions that editors accept in their settings.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::NoEnvironment;

    #[test]
    fn values_are_found_at_their_places() {
        let text =
            "\u{feff}{ // comment\n  \"a\": [1, \"ä\", true,],\n  /* */ \"b\\u00e4\": null,\n}";
        let report = DiagnosticSink::new(&NoEnvironment);
        let node = parse(text, &report).unwrap();
        let Value::Map(entries) = &node.value else {
            panic!("{node:?}");
        };
        let keys: Vec<_> = entries
            .iter()
            .map(|(key, _)| (&*key.text, key.at))
            .collect();
        assert_eq!(
            keys,
            [("a", Position::new(2, 3)), ("bä", Position::new(3, 9))]
        );
        let Value::List(items) = &entries[0].1.value else {
            panic!("{node:?}");
        };
        let places: Vec<_> = items.iter().map(|item| item.at.column).collect();
        assert_eq!(places, [9, 12, 17]);
        assert!(matches!(entries[1].1.value, Value::Null));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for text in [
            "",
            "// nothing",
            "{",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "'a'",
            "[+1]",
            "1 2",
        ] {
            let report = DiagnosticSink::new(&NoEnvironment);
            assert!(parse(text, &report).is_none(), "{text}");
            let problems = report.into_diagnostics();
            assert!(problems.iter().all(|problem| problem.position.is_some()));
            assert_eq!(problems.len(), 1, "{text}");
        }
        let report = DiagnosticSink::new(&NoEnvironment);
        assert!(parse("{\n \"a\": x\n}", &report).is_none());
        let lines: Vec<_> = report.into_diagnostics().lines("f").collect();
        assert!(lines[0].starts_with("f:2:7: invalid JSON"), "{lines:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[\\[\\]{},:\"/*a0.\\\\ \\nä-]{0,64}") {
            parse(&text, &DiagnosticSink::new(&NoEnvironment));
        }
    }
}
