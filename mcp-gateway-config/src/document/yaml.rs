//! YAML, parsed to nodes with positions.
//!
//! Anchors and aliases are supported. Tags are not: the reader determines the type of a value.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Diagnostic, DiagnosticSink, Key, Node, Position, Scalar, Severity, Value};

/// Parses the only document of `text`, and records a syntax error.
pub(crate) fn parse(text: &str, report: &DiagnosticSink<'_>) -> Option<Node> {
    let mut tree = Tree::default();
    for next in Parser::new_from_str(text) {
        let taken = next
            .map_err(|error| YamlError::syntax(&error))
            .and_then(|(event, span)| tree.take(event, span));
        if let Err(invalid) = taken {
            report.add(invalid.0);
            return None;
        }
    }
    if tree.root.is_none() {
        report.add(YamlError::new(Position::new(1, 1), "the file is empty").0);
    }
    tree.root
}

/// Parse error.
struct YamlError(Diagnostic);

impl YamlError {
    /// Creates an error at `place`.
    fn new(place: Position, message: impl Into<String>) -> Self {
        Self(Diagnostic {
            severity: Severity::Error,
            position: Some(place),
            path: String::new(),
            message: message.into(),
        })
    }

    /// Converts a parser error.
    fn syntax(error: &ScanError) -> Self {
        let marker = error.marker();
        let place = Position::new(marker.line(), marker.col() + 1);
        Self::new(place, format!("invalid YAML: {}", error.info()))
    }
}

/// Builder of nodes from parser events.
#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, (Node, usize)>,
    /// Approximate memory use of the nodes.
    weight: usize,
}

/// List or map that is not complete.
struct OpenCollection {
    at: Position,
    anchor: usize,
    /// Memory use before it.
    weight: usize,
    collection: Collection,
}

/// Content of an open collection.
enum Collection {
    /// Items so far.
    List(Vec<Node>),
    /// Entries so far, and the key that has no value yet.
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Tree {
    /// Processes a parser event.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let at = Position::new(span.start.line(), span.start.col() + 1);
        if event.tag().is_some() {
            return Err(YamlError::new(at, "tags are not supported"));
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others carry no values")]
        match event {
            Event::Scalar(text, style, anchor, _) => self.scalar(at, &text, style, anchor),
            Event::SequenceStart(_, anchor, _) => {
                self.begin(at, anchor, Collection::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(at, anchor, Collection::Map(Vec::new(), None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(at, anchor),
            _ => Ok(()),
        }
    }

    /// Adds a scalar. Only plain scalars can be null.
    fn scalar(
        &mut self,
        at: Position,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
    ) -> Result<(), YamlError> {
        let quoted = style != ScalarStyle::Plain;
        let null = !quoted && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let value = match null {
            true => Value::Null,
            false => Value::Scalar(Scalar {
                text: text.to_owned(),
                quoted,
            }),
        };
        let weight = NODE_WEIGHT + text.len();
        self.add(Node { at, value }, anchor, weight)
    }

    /// Opens a collection.
    fn begin(&mut self, at: Position, anchor: usize, collection: Collection) {
        self.open.push(OpenCollection {
            at,
            anchor,
            weight: self.weight,
            collection,
        });
    }

    /// Closes the innermost collection, and adds it to the one around it.
    fn end(&mut self) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.collection {
            Collection::List(items) => Value::List(items),
            Collection::Map(entries, _) => Value::Map(entries),
        };
        let weight = self.weight - open.weight + NODE_WEIGHT;
        // The weight of its parts is included in its own from here on.
        self.weight = open.weight;
        self.add(Node { at: open.at, value }, open.anchor, weight)
    }

    /// Adds a copy of an anchored node, within the memory limit.
    fn alias(&mut self, at: Position, anchor: usize) -> Result<(), YamlError> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(YamlError::new(at, "recursive alias"));
        };
        let (weight, fits) = (*weight, self.weight + weight <= MAX_WEIGHT);
        match fits {
            true => self.add(node.clone(), 0, weight),
            false => Err(YamlError::new(at, TOO_LARGE)),
        }
    }

    /// Adds `node` to the innermost collection.
    fn add(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), YamlError> {
        self.weight += weight;
        if anchor != 0 {
            // A copy is kept for its aliases.
            self.weight += weight;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        if self.weight > MAX_WEIGHT {
            return Err(YamlError::new(node.at, TOO_LARGE));
        }
        match self.open.last_mut().map(|open| &mut open.collection) {
            Some(Collection::List(items)) => items.push(node),
            Some(Collection::Map(entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(key_of(node)?),
            },
            None if self.root.is_some() => {
                let message = "only one document is allowed";
                return Err(YamlError::new(node.at, message));
            }
            None => self.root = Some(node),
        }
        Ok(())
    }
}

/// Converts a scalar to a key.
fn key_of(node: Node) -> Result<Key, YamlError> {
    match node.value {
        Value::Scalar(scalar) => Ok(Key {
            at: node.at,
            text: scalar.text,
        }),
        Value::List(_) | Value::Map(_) | Value::Null => {
            let message = format!("a key must be a string, not {}", node.value.kind());
            Err(YamlError::new(node.at, message))
        }
    }
}

/// Approximate memory use of a node without its text.
const NODE_WEIGHT: usize = 64;

/// Approximate memory limit of a file in bytes: aliases could expand a small file to more than the
/// available memory.
const MAX_WEIGHT: usize = 64 << 20;

/// Message for a file above the memory limit.
const TOO_LARGE: &str = "the file is too large";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::NoEnvironment;

    fn read(text: &str) -> Result<String, String> {
        let report = DiagnosticSink::new(&NoEnvironment);
        match parse(text, &report) {
            Some(node) => Ok(show(&node)),
            None => Err(report.into_diagnostics().lines("f").collect()),
        }
    }

    /// Formats the nodes in one line, each scalar with its position.
    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "-".to_owned(),
            Value::Scalar(scalar) => {
                let quote = if scalar.quoted { "'" } else { "" };
                format!("{quote}{}{quote}@{}", scalar.text, node.at)
            }
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(show).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Map(entries) => {
                let entry =
                    |(key, node): &(Key, Node)| format!("{}@{}={}", key.text, key.at, show(node));
                let entries: Vec<_> = entries.iter().map(entry).collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    #[test]
    fn every_value_has_a_place() {
        let text = "a: 1\nb:\n  - 'x'\n  - ~\nc: {d: [true]}\n";
        let expected = "{a@1:1=1@1:4 b@2:1=['x'@3:5 -] c@5:1={d@5:5=[true@5:9]}}";
        assert_eq!(read(text).as_deref(), Ok(expected));
    }

    #[test]
    fn aliases_stand_for_their_anchors() {
        let text = "a: &x [1]\nb: *x\n";
        assert_eq!(read(text).as_deref(), Ok("{a@1:1=[1@1:8] b@2:1=[1@1:8]}"));
    }

    #[test]
    fn what_is_no_tree_is_refused_with_its_place() {
        let table = [
            ("", "f:1:1: the file is empty"),
            ("a: [1\nb: 2", "f:2:2: invalid YAML"),
            ("a: 1\n---\nb: 2\n", "f:3:1: only one document"),
            ("a: !env X", "f:1:"),
            ("a: *x", "f:1:4: invalid YAML"),
            ("a: &x [*x]", "f:1:8: recursive alias"),
            ("? [a]\n: 1", "f:1:3: a key must be a string"),
        ];
        for (text, expected) in table {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_small_file_does_not_become_a_large_one() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(read(&text).unwrap_err().contains("too large"));
        let deep = "[".repeat(100_000);
        assert!(read(&deep).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[-:?\\[\\]{},#&*!|>'\"%@ \\na-c0~]{0,64}") {
            let _ = read(&text);
        }
    }
}
