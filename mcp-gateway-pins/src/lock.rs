//! Lock file: the approved definitions of several servers as a text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use mcp_gateway_core::catalog::{Definition, DefinitionDigest, DefinitionKind};

use crate::Pins;
use crate::node::{Node, write_text};

/// Approved definitions by server, as the file `mcp.lock` has them.
///
/// The text is JSON: sorted, with one member on a line, and with escapes for characters that nobody
/// sees. Each definition has its digest, so that a definition that was changed by hand, or merged
/// wrongly, is an error.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::catalog::{Definition, DefinitionKind};
/// use mcp_gateway_pins::{LockFile, Pins};
///
/// let add = Definition::new(DefinitionKind::Tool, "add", r#"{"name":"add","inputSchema":{}}"#);
/// let mut lock = LockFile::default();
/// lock.replace("calculator", Pins::from_iter([add]));
/// let text = lock.to_string();
/// assert_eq!(text.parse::<LockFile>(), Ok(lock));
/// let error = text.replace("\"add\"\n", "\"delete\"\n").parse::<LockFile>().unwrap_err();
/// assert!(error.to_string().starts_with("servers.calculator.tools.add: the definition was changed"));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LockFile(BTreeMap<Box<str>, Pins>);

/// Defect of a lock file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A definition does not have the digest beside it.
    #[error(
        "{path}: the definition was changed without its digest; run mcp-gateway pin or approve"
    )]
    Digest {
        /// Path of the definition.
        path: Box<str>,
    },
    /// A member is missing, unknown or of another kind.
    #[error("{path}: {defect}")]
    Member {
        /// Path of the member.
        path: Box<str>,
        /// Description of the defect.
        defect: &'static str,
    },
    /// The text is not JSON.
    #[error("invalid JSON: {detail}")]
    Syntax {
        /// Description with the position.
        detail: Box<str>,
    },
    /// The file has the format of another version of the gateway.
    #[error("version {version} is not supported; expected 1")]
    Version {
        /// Version in the file.
        version: Box<str>,
    },
}

impl LockFile {
    /// Returns the approved definitions of `server`; `None` if the file does not name it.
    #[must_use]
    pub fn get(&self, server: &str) -> Option<&Pins> {
        self.0.get(server)
    }

    /// Replaces the approved definitions of `server`.
    pub fn replace(&mut self, server: &str, pins: Pins) {
        self.0.insert(server.into(), pins);
    }

    /// Returns the approved definitions of `server`, to change them.
    pub fn entry(&mut self, server: &str) -> &mut Pins {
        self.0.entry(server.into()).or_default()
    }

    /// Removes the servers that `keeps` rejects.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|server, _| keeps(server));
    }

    /// Returns the servers with their approved definitions, by name.
    pub fn servers(&self) -> impl Iterator<Item = (&str, &Pins)> {
        self.0.iter().map(|(server, pins)| (&**server, pins))
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.iter().map(|(server, pins)| {
            let kinds = DefinitionKind::ALL.into_iter().filter_map(|kind| {
                let entries = pins.iter().filter(|it| it.kind() == kind);
                let entries: Vec<_> = entries
                    .map(|it| (it.name().to_owned(), entry(it)))
                    .collect();
                let (_, first) = entries.first()?;
                Some(match kind {
                    DefinitionKind::Instructions => (key(kind).to_owned(), first.clone()),
                    _ => (
                        key(kind).to_owned(),
                        Node::Object(entries.into_iter().collect()),
                    ),
                })
            });
            (server.to_string(), Node::Object(kinds.collect()))
        });
        let servers = Node::Object(servers.collect());
        // The version comes first, although it is not the first in the order.
        let mut text = format!("{{\n  \"version\": {VERSION},\n  \"servers\": ");
        servers.write(2, &mut text);
        f.write_str(&text)?;
        f.write_str("\n}\n")
    }
}

/// Returns the entry of a definition.
fn entry(definition: &Definition) -> Node {
    let digest = definition.digest().map(|digest| digest.to_string());
    let content = Node::parse(definition.json());
    let members = [
        ("digest", Node::Text(digest.unwrap_or_default())),
        (
            "definition",
            content.unwrap_or_else(|| Node::Object(BTreeMap::new())),
        ),
    ];
    Node::Object(members.map(|(key, value)| (key.to_owned(), value)).into())
}

impl FromStr for LockFile {
    type Err = LockError;

    fn from_str(text: &str) -> Result<Self, LockError> {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            let detail = error.to_string().into();
            return Err(LockError::Syntax { detail });
        }
        check_members(text)?;
        let root = Node::parse(text).ok_or_else(|| member("", "expected an object"))?;
        let members = members("", &root)?;
        match members.get("version") {
            Some(Node::Scalar(version)) if version == VERSION => {}
            Some(version) => {
                let version = version.to_string().into();
                return Err(LockError::Version { version });
            }
            None => return Err(member("version", "missing")),
        }
        if let Some(unknown) = members
            .keys()
            .find(|key| !["version", "servers"].contains(&&***key))
        {
            return Err(member(unknown, "unknown member"));
        }
        let servers = members.get("servers");
        let servers = servers.ok_or_else(|| member("servers", "missing"))?;
        let servers = self::members("servers", servers)?.iter();
        let read = servers.map(|(server, pins)| {
            let path = format!("servers.{server}");
            Ok((server.as_str().into(), read_server(&path, pins)?))
        });
        read.collect::<Result<_, _>>().map(Self)
    }
}

/// Reads the definitions of a server.
fn read_server(path: &str, node: &Node) -> Result<Pins, LockError> {
    let mut pins = Pins::default();
    for (name, node) in members(path, node)? {
        let path = format!("{path}.{name}");
        let kind = DefinitionKind::ALL
            .into_iter()
            .find(|kind| key(*kind) == name);
        let kind = kind.ok_or_else(|| member(&path, "unknown member"))?;
        if kind == DefinitionKind::Instructions {
            pins.approve(read_entry(&path, kind, "", node)?);
            continue;
        }
        for (name, node) in members(&path, node)? {
            pins.approve(read_entry(&format!("{path}.{name}"), kind, name, node)?);
        }
    }
    Ok(pins)
}

/// Reads an entry.
fn read_entry(
    path: &str,
    kind: DefinitionKind,
    name: &str,
    node: &Node,
) -> Result<Definition, LockError> {
    let members = members(path, node)?;
    let digest = members.get("digest").and_then(Node::text);
    let digest = digest.ok_or_else(|| member(path, "missing digest"))?;
    let digest: DefinitionDigest = digest
        .parse()
        .map_err(|_| member(path, "expected sha256: and 64 hexadecimal digits"))?;
    let definition = members.get("definition");
    let definition = definition.ok_or_else(|| member(path, "missing definition"))?;
    let definition = Definition::new(kind, name, &definition.to_string());
    match definition.digest() == Some(digest) {
        true => Ok(definition),
        false => Err(LockError::Digest { path: path.into() }),
    }
}

/// Rejects a text in which an object has the same member twice, as after a merge.
fn check_members(text: &str) -> Result<(), LockError> {
    match DefinitionDigest::of_json(text) {
        Some(_) => Ok(()),
        None => Err(member("file", "the same member twice, as after a merge")),
    }
}

/// Returns the members of an object.
fn members<'a>(path: &str, node: &'a Node) -> Result<&'a BTreeMap<String, Node>, LockError> {
    let members = node.members();
    members.ok_or_else(|| member(path, "expected an object"))
}

fn member(path: &str, defect: &'static str) -> LockError {
    let mut quoted = String::new();
    write_text(path, &mut quoted);
    let path = quoted.trim_matches('"').into();
    LockError::Member { path, defect }
}

/// Returns the member with the definitions of `kind`.
fn key(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Prompt => "prompts",
        DefinitionKind::Tool => "tools",
        _ => "instructions",
    }
}

/// Version of the format.
const VERSION: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> LockFile {
        let mut lock = LockFile::default();
        let definitions = [
            Definition::of_instructions("Be kind.\u{200b}"),
            Definition::new(
                DefinitionKind::Tool,
                "b",
                r#"{"name":"b","max":9007199254740993}"#,
            ),
            Definition::new(DefinitionKind::Tool, "a", r#"{"name":"a"}"#),
            Definition::new(DefinitionKind::Prompt, "a", r#"{"name":"a"}"#),
        ];
        lock.replace("notes", Pins::from_iter(definitions));
        lock.replace("empty", Pins::default());
        lock
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let text = lock().to_string();
        assert_eq!(text.parse(), Ok(lock()));
        assert!(text.starts_with("{\n  \"version\": 1,\n  \"servers\": {\n    \"empty\": {},\n"));
        assert!(
            text.contains("Be kind.\\u200b") && text.ends_with("}\n"),
            "{text}"
        );
        assert!(text.find("\"a\": {").unwrap() < text.find("\"b\": {").unwrap());
        assert_eq!(text.matches("sha256:").count(), 4);
        assert_eq!(text.parse::<LockFile>().unwrap().to_string(), text);
    }

    #[test]
    fn defects_are_named() {
        let text = lock().to_string();
        let error = |text: String| text.parse::<LockFile>().unwrap_err().to_string();
        assert!(
            error(text.replace("9007199254740993", "9007199254740992"))
                .contains("notes.tools.b: the definition was changed")
        );
        assert!(error(text.replace("Be kind.", "Be rude.")).contains("servers.notes.instructions"));
        assert!(error(text.replace("\"version\": 1", "\"version\": 2")).contains("version 2"));
        assert!(
            error(text.replace("\"prompts\"", "\"tasks\""))
                .contains("servers.notes.tasks: unknown member")
        );
        assert!(error(text.replace("\"empty\"", "\"notes\"")).contains("same member twice"));
        assert!(error(text.replace("sha256:", "md5:")).contains("expected sha256"));
        assert!(error(text.replace("1,", "1")).contains("line 3"));
        assert!(error("{}".to_owned()).contains("version: missing"));
        assert!(error("[]".to_owned()).contains("expected an object"));
    }
}
