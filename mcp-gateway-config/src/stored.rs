//! Entries of servers, gateways and rules as documents of a store.
//!
//! They have the keys of an entry of `servers`, `gateways` or `policy.rules` in a configuration file, and are read by
//! the same code, so that the file and the store are two sources of one model.
//!
//! | Value | In a file | In a store |
//! |---|---|---|
//! | secret | `{ env: NAME }` or `{ file: PATH }` | `{ secret: TEXT }` |
//! | setting | also `{ value: TEXT }` | also `{ value: TEXT }` |
//!
//! References to the environment and to files are errors in a store: whoever writes an entry must
//! not read what the gateway can read.

use std::io;
use std::path::Path;

use mcp_gateway_platform::registry::{EntryReader, Violation};
use mcp_gateway_platform::spec::{GatewaySpec, ServerSpec};
use mcp_gateway_policy::Rule;
use serde_json::Value;

use crate::document::{
    DiagnosticSink, Environment, Field, FromField as _, Lookup, Severity, jsonc,
};
use crate::file::gateway::{self, KnownServers};
use crate::file::policy;

/// Reader of the entries in a store.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::stored::StoredEntries;
/// use mcp_gateway_platform::registry::EntryReader as _;
/// use serde_json::json;
///
/// let entries = StoredEntries::new(&["demo"]);
/// let remote = json!({ "url": "https://mcp.example.com/mcp", "bearer": { "secret": "hunter2" } });
/// let entry = json!({ "name": "notes", "remote": remote });
/// assert_eq!(&*entries.read(&entry).unwrap().name, "notes");
///
/// let entry = json!({ "name": "notes", "remote": { "url": "x", "bearer": { "env": "HOME" } } });
/// let violations = entries.read(&entry).unwrap_err();
/// let paths: Vec<_> = violations.iter().map(|violation| &*violation.path).collect();
/// assert_eq!(paths, ["remote.bearer", "remote.url"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StoredEntries {
    /// Names of the built-in servers.
    builtins: &'static [&'static str],
}

impl StoredEntries {
    /// Creates a reader that accepts the built-in servers `builtins`.
    #[must_use]
    pub fn new(builtins: &'static [&'static str]) -> Self {
        Self { builtins }
    }
}

impl EntryReader for StoredEntries {
    fn read(&self, entry: &Value) -> Result<ServerSpec, Vec<Violation>> {
        self.read_with(entry, ServerSpec::from_field)
    }

    fn read_gateway(&self, entry: &Value) -> Result<GatewaySpec, Vec<Violation>> {
        self.read_with(entry, |field| gateway::read(field, KnownServers::Any))
    }

    fn read_rule(&self, entry: &Value) -> Result<Rule, Vec<Violation>> {
        self.read_with(entry, policy::rule)
    }
}

impl StoredEntries {
    /// Reads `entry` with `read`. Warnings are ignored, because nobody reads a log for them.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    fn read_with<T>(
        &self,
        entry: &Value,
        read: impl FnOnce(&Field<'_>) -> Option<T>,
    ) -> Result<T, Vec<Violation>> {
        let sink = DiagnosticSink::new(self);
        let node = jsonc::parse(&entry.to_string(), &sink);
        let value = node.and_then(|node| read(&sink.root(&node)));
        let found = sink.into_diagnostics();
        let errors = found
            .iter()
            .filter(|found| found.severity == Severity::Error);
        let violations: Vec<_> = errors
            .map(|error| Violation::new(&error.path, error.message.as_str()))
            .collect();
        match value {
            Some(value) if violations.is_empty() => Ok(value),
            Some(_) | None => Err(violations),
        }
    }
}

impl Environment for StoredEntries {
    fn variable(&self, _: &str) -> Lookup {
        Lookup::Unavailable
    }

    fn builtins(&self) -> &[&str] {
        self.builtins
    }

    /// Returns `false`: secrets are part of the document.
    fn has_references(&self) -> bool {
        false
    }

    fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
        Ok(Lookup::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violations(entry: &Value) -> Vec<(String, String)> {
        let found = StoredEntries::new(&["demo"]).read(entry).unwrap_err();
        let pairs = found.into_iter();
        pairs
            .map(|violation| (violation.path, violation.message))
            .collect()
    }

    #[test]
    fn entries_have_the_keys_of_the_file() {
        let entry = json!({
            "name": "notes",
            "prefix": "n",
            "process": { "command": "notes", "args": ["-v"], "env": { "KEY": { "secret": "k" } } },
            "tools": { "deny": ["delete*"] },
            "idle": "5m",
        });
        let stored = StoredEntries::new(&[]).read(&entry).unwrap();
        let text = "servers: [{ name: notes, prefix: n, process: { command: notes, args: [-v], \
                    env: { KEY: { value: k } } }, tools: { deny: ['delete*'] }, idle: 5m }]";
        let config = crate::file::parse(text).unwrap();
        assert_eq!(stored, config.platform.dynamic.servers[0]);
    }

    #[test]
    fn rules_have_the_keys_and_the_messages_of_the_file() {
        let entry = json!({
            "name": "small refunds",
            "effect": "deny",
            "reason": "ask the finance team",
            "servers": ["billing"],
            "tools": ["refund_*"],
            "teams": ["support"],
            "annotations": { "destructive": true },
            "when": "arguments.amount > 100",
        });
        let stored = StoredEntries::new(&[]).read_rule(&entry).unwrap();
        let text = format!("policy: {{ rules: [{entry}] }}");
        let config = crate::file::parse(&text).unwrap();
        assert_eq!(stored, config.platform.dynamic.policy.rules[0]);

        let entry = json!({ "name": "x", "effect": "no", "tool": ["a"], "when": "caller.team" });
        let violations = StoredEntries::new(&[]).read_rule(&entry).unwrap_err();
        let text = format!("policy: {{ rules: [{entry}] }}");
        let messages = crate::file::parse(&text).unwrap_err();
        assert_eq!(violations.len(), 3, "{violations:?}");
        for violation in violations {
            let found = messages.iter().any(|other| {
                let path = other.path.strip_prefix("policy.rules[0]");
                let path = path.map(|path| path.trim_start_matches('.'));
                other.message == violation.message && path == Some(&*violation.path)
            });
            assert!(found, "{violation:?} {messages:?}");
        }
    }

    #[test]
    fn references_are_rejected_wherever_they_are() {
        for reference in [json!({ "env": "HOME" }), json!({ "file": "/etc/passwd" })] {
            for (entry, path) in [
                (
                    json!({ "remote": { "url": "http://a", "bearer": reference } }),
                    "remote.bearer",
                ),
                (
                    json!({ "remote": { "url": "http://a", "headers": { "x-a": reference } } }),
                    "remote.headers.x-a",
                ),
                (
                    json!({ "process": { "command": "a", "env": { "A": reference } } }),
                    "process.env.A",
                ),
            ] {
                let mut entry = entry;
                entry["name"] = "a".into();
                let found = violations(&entry);
                assert_eq!(found[0].0, path, "{entry}");
                assert!(found[0].1.contains("are not accepted"), "{found:?}");
            }
        }
    }

    #[test]
    fn control_characters_are_rejected_where_they_are() {
        let process = |key: &str, value: Value| {
            let mut entry = json!({ "name": "a", "process": { "command": "a" } });
            entry["process"][key] = value;
            entry
        };
        let remote = |headers: Value| json!({ "name": "a", "remote": { "url": "https://a", "headers": headers } });
        for (entry, path) in [
            (
                json!({ "name": "a\r\n", "process": { "command": "a" } }),
                "name",
            ),
            (process("command", "a\0".into()), "process.command"),
            (process("command", "a\n".into()), "process.command"),
            (process("directory", "/a\0".into()), "process.directory"),
            (
                process("args", json!(["a", "hunter2\0"])),
                "process.args[1]",
            ),
            (process("cleanup", json!(["a\0"])), "process.cleanup[0]"),
            (
                process("env", json!({ "A": { "secret": "hunter2\0" } })),
                "process.env.A",
            ),
            (
                process("env", json!({ "A": { "value": "a\0" } })),
                "process.env.A",
            ),
            (
                process("env", json!({ "A\nB": { "value": "a" } })),
                "process.env.A\nB",
            ),
            (
                remote(json!({ "x-a": { "secret": "hunter2\n" } })),
                "remote.headers.x-a",
            ),
            (
                remote(json!({ "x-a": { "value": "a\0" } })),
                "remote.headers.x-a",
            ),
        ] {
            let found = violations(&entry);
            assert_eq!(found[0].0, path, "{entry} {found:?}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
        // Scripts and keys have lines.
        let script = process("args", json!(["-c", "a\nb"]));
        assert!(StoredEntries::new(&[]).read(&script).is_ok());
    }

    #[test]
    fn all_mistakes_are_found_and_no_secret_is_shown() {
        let entry = json!({
            "name": "a b",
            "remote": { "url": "https://a", "bearer": "hunter2", "header": {} },
            "sessions": "none",
        });
        let found = violations(&entry);
        let paths: Vec<_> = found.iter().map(|(path, _)| &**path).collect();
        assert_eq!(paths, ["name", "remote.bearer", "remote", "sessions"]);
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let reference =
            "servers: [{ name: a, remote: { url: 'http://a', bearer: { secret: a } } }]";
        assert!(
            crate::file::parse(reference).is_err(),
            "a file must not contain a secret"
        );
    }

    /// Returns the properties of the specification in the definition of a kind of objects.
    fn properties(definition: &str) -> Value {
        let environment = StoredEntries::new(&[]);
        let sink = DiagnosticSink::new(&environment);
        let node = crate::document::yaml::parse(definition, &sink).unwrap();
        let mut value = crate::document::json::value(&node);
        let schema = &mut value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"].take()
    }

    fn keys(properties: &Value) -> Vec<&str> {
        let mut keys: Vec<_> = properties.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        keys.into_iter().map(String::as_str).collect()
    }

    /// Returns the keys that a message about the unknown key `zzzzzzzzzzzz` names, but for `others`.
    fn known(violations: &[Violation], others: &[&str]) -> Vec<String> {
        let mut messages = violations.iter().map(|one| &one.message);
        let message = messages.find(|message| message.contains(UNKNOWN)).unwrap();
        let (_, names) = message.split_once("available: ").unwrap();
        let names = names.split(", ").filter(|name| !others.contains(name));
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    const UNKNOWN: &str = "zzzzzzzzzzzz";

    #[test]
    fn definitions_of_objects_have_the_keys_of_the_file() {
        let entries = StoredEntries::new(&[]);
        let gateways = properties(include_str!(
            "../../charts/mcp-gateway/crds/mcpgateway.yaml"
        ));
        let found = entries
            .read_gateway(&json!({ "name": "a", UNKNOWN: 1 }))
            .unwrap_err();
        // Headers are forwarded by gateways of the file only.
        let others = ["name", "forwardHeaders"];
        assert_eq!(keys(&gateways), known(&found, &others));

        let servers = properties(include_str!("../../charts/mcp-gateway/crds/mcpserver.yaml"));
        let entry =
            json!({ "name": "a", "kubernetes": { "image": "a", "command": "a", UNKNOWN: 1 } });
        let found = entries.read(&entry).unwrap_err();
        let others = ["namespace", "patch"];
        let own = &servers["kubernetes"]["properties"];
        assert_eq!(keys(own), known(&found, &others));

        let entry = json!({ "name": "a", "remote": { "url": "https://a", UNKNOWN: 1 } });
        let found = entries.read(&entry).unwrap_err();
        let own = &servers["remote"]["properties"];
        assert_eq!(keys(own), known(&found, &["auth"]));
    }
}
