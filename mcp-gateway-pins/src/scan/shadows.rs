//! Tools of several servers that could be taken for each other.

use std::collections::BTreeMap;

use mcp_gateway_core::catalog::{Definition, DefinitionKind};
use unicode_security::MixedScript as _;
use unicode_security::confusable_detection::skeleton;

use super::{Issue, ServerDefinitions};

/// Names of the tools of all servers.
#[derive(Debug)]
pub(super) struct ToolNames<'a> {
    /// Servers by the names of their tools.
    servers: BTreeMap<&'a str, Vec<&'a str>>,
    /// Tools and servers by the look of the names.
    looks: BTreeMap<String, Vec<(&'a str, &'a str)>>,
}

impl<'a> ToolNames<'a> {
    /// Collects the names of `servers`.
    pub(super) fn of(servers: &[ServerDefinitions<'a>]) -> Self {
        let mut names = Self {
            servers: BTreeMap::new(),
            looks: BTreeMap::new(),
        };
        for server in servers {
            let tools = server.definitions.iter();
            for tool in tools.filter(|it| it.kind() == DefinitionKind::Tool) {
                let name = tool.name();
                let others = names.servers.entry(name).or_default();
                others.push(server.server);
                let alike = names.looks.entry(look(name)).or_default();
                alike.push((name, server.server));
            }
        }
        names
    }

    /// Returns the findings about the name of a tool.
    pub(super) fn of_definition(&self, server: &str, definition: &Definition) -> Vec<Issue> {
        if definition.kind() != DefinitionKind::Tool {
            return Vec::new();
        }
        let name = definition.name();
        let same = self.servers.get(name).into_iter().flatten();
        let same = same.filter(|other| **other != server).map(|other| {
            let server = (*other).into();
            Issue::SameName { server }
        });
        let alike = self.looks.get(&look(name)).into_iter().flatten();
        let alike = alike.filter(|(other, _)| *other != name);
        let alike = alike.map(|(tool, server)| {
            let is_spelling = letters(tool) == letters(name);
            let (tool, server) = ((*tool).into(), (*server).into());
            match is_spelling {
                true => Issue::SimilarName { tool, server },
                false => Issue::Lookalike { tool, server },
            }
        });
        let mixed = (!name.is_single_script()).then_some(Issue::MixedScripts);
        mixed.into_iter().chain(same).chain(alike).collect()
    }

    /// Returns the tools of other servers that `text` of `server` mentions.
    pub(super) fn mentioned(&self, server: &str, text: &str) -> Vec<Issue> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let words = text.split(|c| !is_part(c));
        let words = words.map(|word| word.trim_matches(['.', '-', '_']));
        let mut issues = Vec::new();
        for word in words.filter(|word| is_distinctive(word)) {
            let Some(owners) = self.servers.get(word) else {
                continue;
            };
            // A server may speak of its own tools.
            if owners.contains(&server) {
                continue;
            }
            for owner in owners {
                let mention = Issue::Mention {
                    tool: word.into(),
                    server: (*owner).into(),
                };
                if !issues.contains(&mention) {
                    issues.push(mention);
                }
            }
        }
        issues
    }
}

/// Returns `true` if `word` is a name rather than a word of a language.
fn is_distinctive(word: &str) -> bool {
    let has_separator = word.contains(['_', '-', '.']);
    let mut pairs = word.chars().zip(word.chars().skip(1));
    let has_hump = pairs.any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    word.len() >= MIN_NAME && (has_separator || has_hump)
}

/// Returns the look of a name: equal for names that a person could take for each other.
///
/// It is the skeleton of UTS 39, in which letters of all scripts, and pairs such as `rn`, are the same
/// as those that they look like; and without the difference of `i` and `l`.
fn look(name: &str) -> String {
    let look: String = skeleton(&without_separators(name)).collect();
    look.to_lowercase().replace('i', "l")
}

/// Returns the letters of a name, without separators and case.
fn letters(name: &str) -> String {
    without_separators(name).to_lowercase()
}

/// Returns a name without separators.
fn without_separators(name: &str) -> String {
    name.replace(['_', '-', '.', ' '], "")
}

/// Minimum length of a name that is recognized in a text.
const MIN_NAME: usize = 8;
