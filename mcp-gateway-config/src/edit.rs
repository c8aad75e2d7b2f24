//! Changes of a configuration file that keep its comments, its order and its style.
//!
//! The text is changed where the change belongs. Then it is parsed again, and accepted only if it
//! has the intended content and nothing else has changed.
//!
//! | style of `servers` | change |
//! |---|---|
//! | missing | the key and the item are appended |
//! | without a value, or `[]` | the item follows as a block |
//! | block | the item follows the last one, before the comments of the next key |
//! | in brackets | the item follows the last one, in brackets as well |
//!
//! Line endings, a byte order mark, and document markers stay; JSON remains JSON.

use crate::document::{DiagnosticSink, Key, NoEnvironment, Node, Position, Value, yaml};

/// Error of a change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The file, or the text to add, is not valid YAML.
    #[error("{0}")]
    Invalid(String),
    /// The file has another style than this module can change.
    #[error("the file has a style that cannot be changed automatically; add to `servers`:\n{0}")]
    Style(String),
}

/// Adds `server`, the YAML text of a map, to the list `servers` of the configuration `text`.
///
/// # Errors
///
/// [`EditError`] if `text` or `server` is invalid, or the result is not what was intended.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::edit::add_server;
///
/// let text = "servers:\n  # The demo\n  - name: demo\n    builtin: demo\n\nlisten: 127.0.0.1:80 # HTTP\n";
/// let added = add_server(text, "name: b\nbuiltin: demo\n").unwrap();
/// let (before, after) = added.split_once("  - name: b\n    builtin: demo\n").unwrap();
/// assert_eq!(format!("{before}{after}"), text);
/// assert!(after.starts_with("\nlisten"));
/// ```
pub fn add_server(text: &str, server: &str) -> Result<String, EditError> {
    let (mark, text) = text.split_at(text.len() - text.trim_start_matches(MARK).len());
    let (root, added) = match is_blank(text) {
        true => (empty(), parse(server)?),
        false => (parse(text)?, parse(server)?),
    };
    let insertion = Insertion {
        ending: if has_crlf(text) { "\r\n" } else { "\n" },
        is_json: serde_json::from_str::<serde_json::Value>(text).is_ok(),
        text,
        root: &root,
        server,
        added: &added,
    };
    let is_intended =
        |text: &String| parse(text).is_ok_and(|after| is_intended(&root, &after, &added));
    match insertion.candidates().into_iter().find(is_intended) {
        Some(changed) => Ok(format!("{mark}{changed}")),
        None => Err(EditError::Style(insertion.advice())),
    }
}

/// Returns `true` if `text` has nothing but comments, directives and the markers of a document.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::edit::is_blank;
///
/// assert!(is_blank("\u{feff}---\n  # A comment\n...\n"));
/// assert!(!is_blank("servers: []\n"));
/// ```
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let is_blank = |line: &str| line.is_empty() || line.starts_with('#');
    text.trim_start_matches(MARK).lines().all(|line| {
        let rest = MARKERS.iter().find_map(|marker| line.strip_prefix(marker));
        let is_marker = rest.is_some_and(|rest| is_blank(rest.trim()));
        is_marker || line.starts_with('%') || is_blank(line.trim())
    })
}

/// A server to insert into a file.
struct Insertion<'a> {
    text: &'a str,
    /// Content of the file.
    root: &'a Node,
    /// YAML text of the server.
    server: &'a str,
    /// Content of the server.
    added: &'a Node,
    /// Line ending of the file.
    ending: &'static str,
    /// Set if the file is JSON.
    is_json: bool,
}

impl Insertion<'_> {
    /// Returns texts of which one is probably the intended one, the best first.
    ///
    /// A text may be invalid, or have another content, because a search does not tell the brackets of
    /// the list from those in comments and quotes. The caller parses it, and compares the content.
    fn candidates(&self) -> Vec<String> {
        let Value::Map(entries) = &self.root.value else {
            return Vec::new();
        };
        let Some((key, list)) = entries.iter().find(|(key, _)| key.text == SERVERS) else {
            return vec![self.append_list(entries)];
        };
        match &list.value {
            Value::List(items) if self.begins_with(list, '[') => match items.last() {
                Some(last) => self.insert_in_brackets(last),
                None => self.insert_in_empty_brackets(list),
            },
            Value::List(_) => self.insert_in_block(key, entries).into_iter().collect(),
            Value::Null => vec![self.insert_lines(key.at.line, key.at.column + 1)],
            Value::Map(_) | Value::Scalar(_) => Vec::new(),
        }
    }

    /// Appends the list of servers to a document with `entries`.
    fn append_list(&self, entries: &[(Key, Node)]) -> String {
        let indent = entries.first().map_or(0, |(key, _)| key.at.column - 1);
        let (before, after) = self.text.split_at(document_end(self.text));
        let ending = self.ending;
        let separator = match before.is_empty() || before.ends_with('\n') {
            true => "",
            false => ending,
        };
        let item = self.item(indent + 2);
        format!(
            "{before}{separator}{:indent$}{SERVERS}:{ending}{item}{after}",
            ""
        )
    }

    /// Inserts an item at the end of a block list, before the comments of what follows.
    ///
    /// Blank lines, and comments that are indented no further than the items, belong to what follows.
    fn insert_in_block(&self, key: &Key, entries: &[(Key, Node)]) -> Option<String> {
        let document = &self.text[..document_end(self.text)];
        let lines: Vec<_> = document.lines().collect();
        let mut items = lines.iter().skip(key.at.line);
        let indent = indentation(items.find(|line| line.trim_start().starts_with('-'))?);
        let next = entries.iter().map(|(key, _)| key.at.line);
        let next = next.filter(|line| *line > key.at.line).min();
        let end = next.map_or(lines.len(), |line| line - 1);
        let is_apart = |line: &&str| {
            let is_comment = line.trim_start().starts_with('#') && indentation(line) <= indent;
            line.trim().is_empty() || is_comment
        };
        let apart = lines
            .get(..end)?
            .iter()
            .rev()
            .take_while(|line| is_apart(line));
        Some(self.insert_lines(end - apart.count(), indent))
    }

    /// Inserts an item after `last`, the last one of a list in brackets.
    fn insert_in_brackets(&self, last: &Node) -> Vec<String> {
        let Some(start) = offset(self.text, last) else {
            return Vec::new();
        };
        let item = self.flow(self.added);
        let ends = |end| {
            let found = self.text[start..].match_indices(end);
            found.map(|(at, _)| self.text.split_at(start + at))
        };
        let before_end = ends(']').map(|(before, after)| {
            let (before, space) = before.split_at(before.trim_end().len());
            let separator = if before.ends_with(',') { " " } else { ", " };
            format!("{before}{separator}{item}{space}{after}")
        });
        // A comment may be between the last item and the bracket.
        let after_last = ends('}').map(|(before, after)| {
            let after = after.trim_start_matches('}');
            let last = &self.text[before.len()..self.text.len() - after.len()];
            format!("{before}{last}, {item}{after}")
        });
        // Brackets may also be in the last item, or in comments.
        before_end.chain(after_last).collect()
    }

    /// Inserts an item into a list without items: as a block, or between its brackets.
    ///
    /// Brackets with a comment between them stay, and so do those of a map in braces.
    fn insert_in_empty_brackets(&self, list: &Node) -> Vec<String> {
        let Some(start) = offset(self.text, list) else {
            return Vec::new();
        };
        let (before, brackets) = self.text.split_at(start + 1);
        let space = if brackets.starts_with('#') { " " } else { "" };
        let between = format!("{before}{}{space}{brackets}", self.flow(self.added));
        let block = brackets.trim_start().strip_prefix(']').map(|after| {
            let text = format!("{}{after}", self.text[..start].trim_end());
            let without = Insertion {
                text: &text,
                ..*self
            };
            without.insert_lines(list.at.line, 2)
        });
        block.into_iter().chain([between]).collect()
    }

    /// Inserts the server as an item of a block list after the line with the number `line`.
    fn insert_lines(&self, line: usize, indent: usize) -> String {
        let mut lines = self.text.split_inclusive('\n');
        let before: String = lines.by_ref().take(line).collect();
        let separator = if before.ends_with('\n') {
            ""
        } else {
            self.ending
        };
        let after: String = lines.collect();
        format!("{before}{separator}{}{after}", self.item(indent))
    }

    /// Formats the server as an item of a block list.
    fn item(&self, indent: usize) -> String {
        let line = |(at, line): (usize, &str)| {
            let mark = if at == 0 { "- " } else { "  " };
            format!("{:indent$}{mark}{line}{}", "", self.ending)
        };
        self.server.lines().enumerate().map(line).collect()
    }

    /// Formats `node` within brackets and braces.
    fn flow(&self, node: &Node) -> String {
        let join = |parts: Vec<String>| parts.join(", ");
        match &node.value {
            Value::List(items) => {
                format!(
                    "[{}]",
                    join(items.iter().map(|item| self.flow(item)).collect())
                )
            }
            Value::Map(entries) => {
                let entry = |(key, node): &(Key, Node)| {
                    let key = self.flow_scalar(&key.text, self.is_json);
                    format!("{key}: {}", self.flow(node))
                };
                format!("{{ {} }}", join(entries.iter().map(entry).collect()))
            }
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) => {
                let is_text = || serde_json::from_str::<serde_json::Value>(&scalar.text).is_err();
                self.flow_scalar(&scalar.text, scalar.quoted || self.is_json && is_text())
            }
        }
    }

    /// Formats a scalar, in quotes if necessary or `quoted`.
    fn flow_scalar(&self, text: &str, quoted: bool) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match !quoted && text.chars().all(is_plain) {
            true => text.to_owned(),
            // A JSON string is a YAML scalar.
            false => serde_json::Value::from(text).to_string(),
        }
    }

    /// Returns the text to add in the style of the file.
    fn advice(&self) -> String {
        match self.begins_with(self.root, '{') {
            true => self.flow(self.added),
            false => self.item(2),
        }
    }

    /// Returns `true` if `node` begins with `character`.
    fn begins_with(&self, node: &Node, character: char) -> bool {
        offset(self.text, node).is_some_and(|at| self.text[at..].starts_with(character))
    }
}

/// Returns `true` if the lines of `text` end with CR LF.
fn has_crlf(text: &str) -> bool {
    let first = text.split_inclusive('\n').next();
    first.is_some_and(|line| line.ends_with("\r\n"))
}

/// Returns the position of the marker that ends the document, or of the end of `text`, in bytes.
///
/// No scalar has a line that begins with the marker, so that the text needs no parsing.
fn document_end(text: &str) -> usize {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix(END);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return start;
        }
        start += line.len();
    }
    start
}

/// Returns the position of `node` in `text` in bytes.
fn offset(text: &str, node: &Node) -> Option<usize> {
    let lines = text.split_inclusive('\n').take(node.at.line - 1);
    let start = lines.map(str::len).sum();
    let line: &str = text.get(start..)?;
    let (at, _) = line.char_indices().nth(node.at.column - 1)?;
    Some(start + at)
}

/// Returns the number of spaces at the start of `line`.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns the content of a file without keys.
fn empty() -> Node {
    Node {
        at: Position::new(1, 1),
        value: Value::Map(Vec::new()),
    }
}

/// Returns `true` if `after` is `before` with `added` as the last server.
fn is_intended(before: &Node, after: &Node, added: &Node) -> bool {
    let mut expected = match &before.value {
        Value::Map(entries) => entries.clone(),
        Value::List(_) | Value::Null | Value::Scalar(_) => return false,
    };
    let position = expected.iter().position(|(key, _)| key.text == SERVERS);
    let at = added.at;
    let position = position.unwrap_or_else(|| {
        let key = Key {
            at,
            text: SERVERS.to_owned(),
        };
        expected.push((
            key,
            Node {
                at,
                value: Value::Null,
            },
        ));
        expected.len() - 1
    });
    let list = &mut expected[position].1.value;
    match list {
        Value::List(items) => items.push(added.clone()),
        other => *other = Value::List(vec![added.clone()]),
    }
    let value = Value::Map(expected);
    is_same(&Node { at, value }, after)
}

/// Returns `true` if both have the same content, wherever it is.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs
                    .into_iter()
                    .all(|((one_key, one), (other_key, other))| {
                        one_key.text == other_key.text && is_same(one, other)
                    })
        }
        (Value::Null, Value::Null) => true,
        (Value::Scalar(one), Value::Scalar(other)) => one.text == other.text,
        _ => false,
    }
}

/// Parses `text`.
fn parse(text: &str) -> Result<Node, EditError> {
    let sink = DiagnosticSink::new(&NoEnvironment);
    let node = yaml::parse(text, &sink);
    node.ok_or_else(|| EditError::Invalid(sink.into_diagnostics().to_string()))
}

/// Key of the list of servers.
const SERVERS: &str = "servers";

/// Byte order mark.
const MARK: char = '\u{feff}';

/// Markers of the start and the end of a document.
const MARKERS: [&str; 2] = ["---", END];

/// Marker of the end of a document.
const END: &str = "...";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const NEW: &str = "name: b\nprocess:\n  command: npx\n  args: [-y, \"x@1\"] # pinned\n";

    fn added(text: &str) -> String {
        add_server(text, NEW).unwrap()
    }

    #[test]
    fn the_style_of_the_file_is_kept() {
        let block = |indent: &str| {
            NEW.lines()
                .enumerate()
                .fold(String::new(), |text, (at, line)| {
                    let mark = if at == 0 { "- " } else { "  " };
                    format!("{text}{indent}{mark}{line}\n")
                })
        };
        let flow = "{ name: b, process: { command: npx, args: [-y, \"x@1\"] } }";
        let (two, none) = (block("  "), block(""));
        let table = [
            ("", format!("servers:\n{two}")),
            (
                "# only a comment",
                format!("# only a comment\nservers:\n{two}"),
            ),
            (
                "listen: 127.0.0.1:80",
                format!("listen: 127.0.0.1:80\nservers:\n{two}"),
            ),
            ("servers:\nlog: {}\n", format!("servers:\n{two}log: {{}}\n")),
            ("servers: [] # none\n", format!("servers: # none\n{two}")),
            (
                "servers:\n- name: a # first\n  builtin: demo\n",
                format!("servers:\n- name: a # first\n  builtin: demo\n{none}"),
            ),
            (
                "servers:\n  -\n    name: a\n\n    # of a\n    builtin: demo\n  # end\n\n# log\nlog: {}",
                format!(
                    "servers:\n  -\n    name: a\n\n    # of a\n    builtin: demo\n{two}  # end\n\n# log\nlog: {{}}"
                ),
            ),
            (
                "servers: [{ name: a, tools: { allow: [\"]\"] } }] # ]\n",
                format!("servers: [{{ name: a, tools: {{ allow: [\"]\"] }} }}, {flow}] # ]\n"),
            ),
            (
                "{ \"servers\": [\n  { \"name\": \"a\" },\n] }\n",
                format!("{{ \"servers\": [\n  {{ \"name\": \"a\" }}, {flow}\n] }}\n"),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(added(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_changed_is_left_alone() {
        let table = [
            ("servers: 1\n", "cannot be changed automatically"),
            (
                "{ listen: 127.0.0.1:80 }\n",
                "cannot be changed automatically",
            ),
            ("a: &a []\nservers: *a\n", "cannot be changed automatically"),
            ("servers: [", "invalid YAML"),
        ];
        for (text, expected) in table {
            let error = add_server(text, NEW).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn line_endings_marks_and_markers_stay() {
        let item =
            "  - name: b\n    process:\n      command: npx\n      args: [-y, \"x@1\"] # pinned\n";
        let table = [
            ("---\n", format!("---\nservers:\n{item}")),
            (
                "%YAML 1.2\n--- # a\n",
                format!("%YAML 1.2\n--- # a\nservers:\n{item}"),
            ),
            (
                "log: {}\n...\n",
                format!("log: {{}}\nservers:\n{item}...\n"),
            ),
            (
                "servers:\n  - name: a\n# end\n... # of all\n# more\n",
                format!("servers:\n  - name: a\n{item}# end\n... # of all\n# more\n"),
            ),
            (
                "  # indented\n  log: {}\n",
                format!(
                    "  # indented\n  log: {{}}\n  servers:\n{}",
                    item.lines()
                        .map(|line| format!("  {line}\n"))
                        .collect::<String>()
                ),
            ),
            (
                "  # only a comment\n",
                format!("  # only a comment\nservers:\n{item}"),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(added(text), expected, "{text}");
            let marked = added(&format!("\u{feff}{text}"));
            assert_eq!(marked, format!("\u{feff}{expected}"), "{text}");
            let crlf = |text: &str| text.replace('\n', "\r\n");
            assert_eq!(added(&crlf(text)), crlf(&expected), "{text}");
        }
    }

    #[test]
    fn json_remains_json() {
        let flow = r#"{ "name": "b", "process": { "command": "npx", "args": ["-y", "x@1"] } }"#;
        let table = [
            (r#"{"servers":[]}"#, format!(r#"{{"servers":[{flow}]}}"#)),
            (
                r#"{"servers":[{"name":"a"}]}"#,
                format!(r#"{{"servers":[{{"name":"a"}}, {flow}]}}"#),
            ),
            (
                "{\n  \"servers\": [ ],\n  \"log\": {}\n}\n",
                format!("{{\n  \"servers\": [{flow} ],\n  \"log\": {{}}\n}}\n"),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(added(text), expected);
            let json: serde_json::Value = serde_json::from_str(&expected).unwrap();
            assert_eq!(
                json["servers"].as_array().unwrap().last().unwrap()["name"],
                "b"
            );
        }
        let refused = add_server("{\"log\": {}}", NEW).unwrap_err().to_string();
        assert!(refused.ends_with(flow), "{refused}");
    }

    /// Returns the content of `node`: maps as lists of pairs.
    fn content(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::List(items) => items.iter().map(content).collect(),
            Value::Map(entries) => {
                let pair = |(key, node): &(Key, Node)| serde_json::json!([key.text, content(node)]);
                serde_json::json!({ "map": entries.iter().map(pair).collect::<Vec<_>>() })
            }
            Value::Null => serde_json::Value::Null,
            Value::Scalar(scalar) => scalar.text.as_str().into(),
        }
    }

    /// Returns the content of `text` with the new server.
    fn with_the_server(text: &str) -> serde_json::Value {
        let before = if is_blank(text) {
            empty()
        } else {
            parse(text).unwrap()
        };
        let new = content(&parse(NEW).unwrap());
        let mut before = content(&before);
        let entries = before["map"].as_array_mut().unwrap();
        match entries.iter_mut().find(|entry| entry[0] == SERVERS) {
            Some(entry) => match entry[1].as_array_mut() {
                Some(items) => items.push(new),
                None => entry[1] = serde_json::json!([new]),
            },
            None => entries.push(serde_json::json!([SERVERS, [new]])),
        }
        before
    }

    /// Returns the number of bytes at the start that both have.
    fn common(one: impl Iterator<Item = u8>, other: impl Iterator<Item = u8>) -> usize {
        one.zip(other)
            .take_while(|(one, other)| one == other)
            .count()
    }

    const HEADS: [&str; 5] = [
        "",
        "# head\n",
        "---\n",
        "--- # ]}\n# head\n",
        "%YAML 1.2\n---\n",
    ];

    const BEFORE: [&str; 3] = [
        "",
        "listen: 127.0.0.1:80 # first\n",
        "log: { level: info }\n\n# about servers\n",
    ];

    const STYLES: [&str; 16] = [
        "",
        "servers:\n",
        "servers: # none\n",
        "servers: []\n",
        "servers: [ ] # none ]\n",
        "servers: [ # none ]\n]\n",
        "servers: [{ name: a, builtin: demo }]\n",
        "servers: [ { name: a, tools: { allow: [\"]}\"] } } ] # ]\n",
        "servers: [\n  { name: a },\n  { name: c },\n]\n",
        "servers: [\n  { name: a }, # first }\n  # last ]\n]\n",
        "servers: [\n  { name: a, tools: { deny: [x] }} # }\n  ]\n",
        "servers:\n- name: a # -\n  builtin: demo\n",
        "servers:\n    - name: a\n      builtin: demo\n\n      # - of a\n  # end\n",
        "servers:\n  -\n    name: a\n",
        "servers:\n  - { name: a }\n  - name: |\n      # c\n",
        "servers: &all\n  - name: a\n",
    ];

    const AFTER: [&str; 3] = ["", "results: {}\n", "\n# gateways\ngateways: [] # end\n"];

    const ENDS: [&str; 3] = ["", "...\n", "... # end\n# after\n"];

    proptest! {
        #[test]
        fn the_file_is_as_before_with_one_server_more(
            head in select(&HEADS), before in select(&BEFORE), style in select(&STYLES),
            after in select(&AFTER), end in select(&ENDS),
            is_marked: bool, is_crlf: bool, is_open: bool,
        ) {
            let mut text = [head, before, style, after, end].concat();
            if is_open {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if is_crlf {
                text = text.replace('\n', "\r\n");
            }
            if is_marked {
                text.insert(0, MARK);
            }
            let changed = add_server(&text, NEW);
            prop_assert!(changed.is_ok(), "{text:?} {changed:?}");
            let changed = changed.unwrap();
            prop_assert_eq!(content(&parse(&changed).unwrap()), with_the_server(&text));
            let (breaks, crlf) = (changed.matches('\n').count(), changed.matches("\r\n").count());
            // Without a line break, a file has no line ending.
            let expected = if text.contains("\r\n") { breaks } else { 0 };
            prop_assert_eq!(crlf, expected, "{:?}", changed);
            // All but the brackets of an empty list is there.
            let brackets = [" []", " [ ]"].into_iter().find(|text| style.contains(text));
            let text = brackets.map_or_else(|| text.clone(), |empty| text.replacen(empty, "", 1));
            let kept = common(text.bytes(), changed.bytes())
                + common(text.bytes().rev(), changed.bytes().rev());
            prop_assert!(kept >= text.len(), "{text:?} {changed:?}");
        }

        #[test]
        fn any_file_is_changed_as_intended_or_not_at_all(
            start in select(&["", "servers:", "servers: [", "\u{feff}", "a: 1\n"]),
            text in "[-:?\\[\\]{},#&*!|>'\"%@ \r\n.a-c~]{0,32}",
        ) {
            let text = format!("{start}{text}");
            if let Ok(changed) = add_server(&text, NEW) {
                prop_assert_eq!(content(&parse(&changed).unwrap()), with_the_server(&text));
            }
        }
    }
}
