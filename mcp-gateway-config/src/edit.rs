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
//! | in brackets | the item precedes the closing bracket, in brackets as well |

use crate::document::{DiagnosticSink, Key, NoEnvironment, Node, Value, yaml};

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
    let added = parse(server)?;
    let changed = match is_blank(text) {
        true => Some(append_list(text, server)),
        false => insert(text, &parse(text)?, server, &added),
    };
    let style = || EditError::Style(item(server, 2));
    let changed = changed.ok_or_else(style)?;
    let before = match is_blank(text) {
        true => None,
        false => Some(parse(text)?),
    };
    match parse(&changed) {
        Ok(after) if is_intended(before.as_ref(), &after, &added) => Ok(changed),
        Ok(_) | Err(_) => Err(style()),
    }
}

/// Returns `true` if `text` has nothing but comments.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#')
    })
}

/// Inserts `server` where `root`, the content of `text`, has its list of servers.
fn insert(text: &str, root: &Node, server: &str, added: &Node) -> Option<String> {
    let Value::Map(entries) = &root.value else {
        return None;
    };
    let Some((key, list)) = entries.iter().find(|(key, _)| key.text == SERVERS) else {
        return (!starts_with(text, root, '{')).then(|| append_list(text, server));
    };
    match &list.value {
        Value::List(items) if starts_with(text, list, '[') => match items.last() {
            Some(last) => insert_in_flow(text, last, added),
            None => replace_empty_list(text, list, server),
        },
        Value::List(_) => insert_in_block(text, key, entries, server),
        Value::Null => {
            let line = key.at.line;
            Some(insert_lines(text, line, &item(server, key.at.column + 1)))
        }
        Value::Map(_) | Value::Scalar(_) => None,
    }
}

/// Appends the list of servers with `server` to `text`.
fn append_list(text: &str, server: &str) -> String {
    let separator = match text.is_empty() || text.ends_with('\n') {
        true => "",
        false => "\n",
    };
    format!("{text}{separator}{SERVERS}:\n{}", item(server, 2))
}

/// Inserts an item at the end of a block list, before the comments of what follows.
fn insert_in_block(text: &str, key: &Key, entries: &[(Key, Node)], server: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().collect();
    let dash = lines
        .iter()
        .skip(key.at.line)
        .find(|line| line.trim_start().starts_with('-'))?;
    let indent = indentation(dash);
    let next = entries.iter().map(|(key, _)| key.at.line);
    let mut end = next
        .filter(|line| *line > key.at.line)
        .min()
        .map_or(lines.len(), |line| line - 1);
    let is_apart = |line: &str| {
        let is_comment = line.trim_start().starts_with('#') && indentation(line) <= indent;
        line.trim().is_empty() || is_comment
    };
    while lines.get(end - 1).is_some_and(|line| is_apart(line)) {
        end -= 1;
    }
    Some(insert_lines(text, end, &item(server, indent)))
}

/// Inserts an item after `last`, the last one of a list in brackets.
fn insert_in_flow(text: &str, last: &Node, added: &Node) -> Option<String> {
    let start = offset(text, last)?;
    let brackets = text[start..].match_indices(']').map(|(at, _)| start + at);
    let mut candidates = brackets.map(|at| {
        let (before, after) = text.split_at(at);
        let (before, space) = before.split_at(before.trim_end().len());
        let separator = if before.ends_with(',') { " " } else { ", " };
        format!("{before}{separator}{}{space}{after}", flow(added))
    });
    let before = parse(text).ok()?;
    // Brackets may also be in the last item, or in comments.
    candidates.find(|text| parse(text).is_ok_and(|after| is_intended(Some(&before), &after, added)))
}

/// Replaces `[]` by a block list.
fn replace_empty_list(text: &str, list: &Node, server: &str) -> Option<String> {
    let start = offset(text, list)?;
    let end = start + text[start..].find(']')? + 1;
    let without = format!("{}{}", text[..start].trim_end(), &text[end..]);
    Some(insert_lines(&without, list.at.line, &item(server, 2)))
}

/// Inserts `new` after the line with the number `line`.
fn insert_lines(text: &str, line: usize, new: &str) -> String {
    let mut lines = text.split_inclusive('\n');
    let mut before: String = lines.by_ref().take(line).collect();
    if !before.ends_with('\n') {
        before.push('\n');
    }
    let after: String = lines.collect();
    format!("{before}{new}{after}")
}

/// Formats `server` as an item of a block list.
fn item(server: &str, indent: usize) -> String {
    let line = |(at, line): (usize, &str)| {
        let mark = if at == 0 { "- " } else { "  " };
        format!("{:indent$}{mark}{line}\n", "")
    };
    server.lines().enumerate().map(line).collect()
}

/// Formats `node` within brackets and braces.
fn flow(node: &Node) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match &node.value {
        Value::List(items) => format!("[{}]", join(items.iter().map(flow).collect())),
        Value::Map(entries) => {
            let entry = |(key, node): &(Key, Node)| format!("{}: {}", key.text, flow(node));
            format!("{{ {} }}", join(entries.iter().map(entry).collect()))
        }
        Value::Null => "null".to_owned(),
        Value::Scalar(scalar) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            match !scalar.quoted && scalar.text.chars().all(is_plain) {
                true => scalar.text.clone(),
                // A JSON string is a YAML scalar.
                false => serde_json::Value::from(scalar.text.as_str()).to_string(),
            }
        }
    }
}

/// Returns `true` if `node` begins with `character` in `text`.
fn starts_with(text: &str, node: &Node, character: char) -> bool {
    offset(text, node).is_some_and(|at| text[at..].starts_with(character))
}

/// Returns the position of `node` in `text` in bytes.
fn offset(text: &str, node: &Node) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n').take(node.at.line - 1) {
        start += line.len();
    }
    let line = text.get(start..)?;
    let (at, _) = line.char_indices().nth(node.at.column - 1)?;
    Some(start + at)
}

/// Returns the number of spaces at the start of `line`.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns `true` if `after` is `before` with `added` as the last server.
fn is_intended(before: Option<&Node>, after: &Node, added: &Node) -> bool {
    let entries = |node: &Node| match &node.value {
        Value::Map(entries) => entries.clone(),
        Value::List(_) | Value::Null | Value::Scalar(_) => Vec::new(),
    };
    let mut expected = before.map(entries).unwrap_or_default();
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

#[cfg(test)]
mod tests {
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
}
