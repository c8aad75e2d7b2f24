//! Functions by which scripts call tools.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::lists::ListPage;

/// Functions of a caller, one for each tool: `tools.NAMESPACE.FUNCTION`, where the namespace is the
/// server.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Names of the tools that clients see, by namespace and function.
    tools: BTreeMap<String, BTreeMap<String, String>>,
}

impl Functions {
    /// Creates the functions for the tools of a page.
    pub(super) fn of(page: &ListPage<'_>) -> Self {
        let mut namespaces: HashMap<&Arc<str>, String> = HashMap::new();
        let mut tools: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for shown in &page.entries {
            let namespace = namespaces.entry(shown.server).or_insert_with(|| {
                let name = unique(&identifier(shown.server), |name| tools.contains_key(name));
                tools.insert(name.clone(), BTreeMap::new());
                name
            });
            let Some(functions) = tools.get_mut(namespace) else {
                continue;
            };
            let name = identifier(shown.entry.name());
            let name = unique(&name, |name| functions.contains_key(name));
            functions.insert(name, shown.name.clone());
        }
        Self { tools }
    }

    /// Returns the name of the tool that clients see.
    pub(super) fn tool(&self, namespace: &str, function: &str) -> Option<&str> {
        self.tools.get(namespace)?.get(function).map(|name| &**name)
    }

    /// Returns the names of the functions of each namespace.
    pub(super) fn names(&self) -> BTreeMap<String, Vec<String>> {
        let names = self.tools.iter();
        names
            .map(|(namespace, functions)| (namespace.clone(), functions.keys().cloned().collect()))
            .collect()
    }

    /// Returns the function of each tool, such as `tools.github.create_issue`, by its name.
    pub(super) fn paths(&self) -> HashMap<&str, String> {
        let mut paths = HashMap::new();
        for (namespace, functions) in &self.tools {
            for (function, tool) in functions {
                paths.insert(&**tool, format!("tools.{namespace}.{function}"));
            }
        }
        paths
    }

    /// Returns the namespaces with the number of their functions, at most `most` of them.
    pub(super) fn summary(&self, most: usize) -> String {
        let mut names: Vec<_> = self
            .tools
            .iter()
            .take(most)
            .map(|(namespace, functions)| format!("{namespace} ({})", functions.len()))
            .collect();
        if self.tools.len() > most {
            names.push(format!("{} more", self.tools.len() - most));
        }
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        }
    }
}

/// Returns `name` as an identifier of JavaScript.
fn identifier(name: &str) -> String {
    let part = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '$' => character,
        _ => '_',
    };
    let name: String = name.chars().map(part).collect();
    match name.chars().next() {
        Some('0'..='9') | None => format!("_{name}"),
        Some(_) if name == "then" || name == "toJSON" || name == "__proto__" => format!("{name}_"),
        Some(_) => name,
    }
}

/// Returns `name`, with a number if it is taken.
fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut number = 2_usize;
    loop {
        let numbered = format!("{name}_{number}");
        if !is_taken(&numbered) {
            return numbered;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        assert_eq!(identifier("create_issue"), "create_issue");
        assert_eq!(identifier("create-issue.v2"), "create_issue_v2");
        assert_eq!(identifier("3d"), "_3d");
        assert_eq!(identifier("öffnen"), "_ffnen");
        assert_eq!(identifier(""), "_");
        // A promise would call it.
        assert_eq!(identifier("then"), "then_");
        assert_eq!(unique("a", |name| name == "a" || name == "a_2"), "a_3");
    }
}
