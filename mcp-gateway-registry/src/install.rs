//! Installation of an entry: its template and values become the configuration of a server.
//!
//! | place in the template | effect |
//! |---|---|
//! | `process.args[…]` | a text, or a group of texts that is left out if an input in it has no value |
//! | `process.env.…`, `remote.headers.…` | left out without a value; `{ "secret": … }` if an input in it is a secret, otherwise `{ "value": … }` |
//! | `remote.bearer` | `{ "secret": … }`; left out without a value |
//! | any other text | its inputs need values, and must not be secrets |
//!
//! An empty value of an argument leaves out this argument alone, so that a flag remains.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::template::{Part, parts};
use crate::{Entry, Input, Violation};

impl Entry {
    /// Returns the configuration of a server `name`, with the `values` of inputs.
    ///
    /// It is an entry of `servers` in the store. Its key `entry` refers to this entry.
    ///
    /// # Errors
    ///
    /// All violations: unknown, missing and invalid values, by `values.NAME`.
    pub fn install(
        &self,
        name: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Value, Vec<Violation>> {
        let Some(template) = self.server.as_ref().filter(|_| self.is_installable()) else {
            let reason = self
                .unsupported
                .as_deref()
                .unwrap_or("the entry is deleted");
            return Err(vec![Violation::new(
                "entry",
                format!("cannot be installed: {reason}"),
            )]);
        };
        let mut violations = self.invalid_values(values);
        let mut rendering = Rendering {
            inputs: &self.inputs,
            values,
            violations: Vec::new(),
        };
        let mut server = rendering.value(template, "");
        violations.append(&mut rendering.violations);
        if !violations.is_empty() {
            return Err(violations);
        }
        if let Some(members) = server.as_object_mut() {
            members.insert("name".to_owned(), name.into());
            members.insert("entry".to_owned(), self.id().into());
        }
        Ok(server)
    }

    /// Returns a configuration with sample values, for a check of the template.
    ///
    /// # Errors
    ///
    /// The violations of the template.
    pub fn sample(&self) -> Result<Value, Vec<Violation>> {
        let sample = |input: &Input| (input.name.clone(), input.sample().to_owned());
        let values = self.inputs.iter().map(sample).collect();
        let installable = Self {
            status: crate::EntryStatus::Active,
            ..self.clone()
        };
        installable.install("sample", &values)
    }

    fn invalid_values(&self, values: &BTreeMap<String, String>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for name in values.keys() {
            if self.inputs.iter().all(|input| input.name != *name) {
                violations.push(Violation::new(&format!("values.{name}"), "no such input"));
            }
        }
        for input in &self.inputs {
            let path = format!("values.{}", input.name);
            match values.get(&input.name) {
                Some(value) => {
                    let checked = input.check(value).err();
                    violations.extend(checked.map(|message| Violation::new(&path, message)));
                }
                None if input.required && input.default.is_none() => {
                    violations.push(Violation::new(&path, "required"));
                }
                None => {}
            }
        }
        violations
    }
}

/// Rendering of a template.
struct Rendering<'a> {
    inputs: &'a [Input],
    values: &'a BTreeMap<String, String>,
    violations: Vec<Violation>,
}

/// Text whose inputs have been replaced.
struct Text {
    text: String,
    /// Set if it has the value of a secret input.
    is_secret: bool,
}

impl Rendering<'_> {
    /// Renders the value at `path` of the template.
    fn value(&mut self, value: &Value, path: &str) -> Value {
        match (path, value) {
            ("process.args", Value::Array(items)) => self.args(items),
            ("process.env" | "remote.headers", Value::Object(members)) => {
                self.settings(members, path)
            }
            ("remote.bearer", Value::String(_)) => {
                let text = self.text(value);
                text.map_or(Value::Null, |text| json!({ "secret": text.text }))
            }
            (_, Value::String(_)) => self.required(value, path),
            (_, Value::Array(items)) => {
                let items = items.iter().map(|item| self.value(item, "[]"));
                items.collect()
            }
            (_, Value::Object(members)) => {
                let separator = if path.is_empty() { "" } else { "." };
                let member = |(key, member): (&String, &Value)| {
                    let member = self.value(member, &format!("{path}{separator}{key}"));
                    (!member.is_null()).then(|| (key.clone(), member))
                };
                members.iter().filter_map(member).collect()
            }
            (_, other) => other.clone(),
        }
    }

    /// Renders arguments.
    fn args(&mut self, items: &[Value]) -> Value {
        let mut args = Vec::new();
        for item in items {
            let group = match item {
                Value::Array(group) => group.as_slice(),
                single => std::slice::from_ref(single),
            };
            let texts: Option<Vec<_>> = group.iter().map(|text| self.text(text)).collect();
            for text in texts.into_iter().flatten() {
                if text.is_secret {
                    self.reject_secret("process.args");
                }
                args.push(text.text);
            }
        }
        args.retain(|arg| !arg.is_empty());
        args.into()
    }

    /// Renders variables or headers.
    fn settings(&mut self, members: &Map<String, Value>, path: &str) -> Value {
        let mut settings = Map::new();
        for (name, member) in members {
            let template = member.get("value").unwrap_or(member);
            if !template.is_string() {
                let message = "expected text with the names of inputs in braces";
                self.violations
                    .push(Violation::new(&format!("server.{path}.{name}"), message));
            } else if let Some(text) = self.text(template) {
                let key = if text.is_secret { "secret" } else { "value" };
                settings.insert(name.clone(), json!({ (key): text.text }));
            }
        }
        settings.into()
    }

    /// Renders a text whose inputs need values.
    fn required(&mut self, template: &Value, path: &str) -> Value {
        match self.text(template) {
            Some(text) => {
                if text.is_secret {
                    self.reject_secret(path);
                }
                text.text.into()
            }
            None => {
                let message = format!("{path} needs a value of each input in it");
                self.violations.push(Violation::new("values", message));
                Value::Null
            }
        }
    }

    fn reject_secret(&mut self, path: &str) {
        let message = "a secret is visible here; expected it in env, headers or bearer";
        self.violations
            .push(Violation::new(&format!("server.{path}"), message));
    }

    /// Replaces the names of inputs in `template`; `None` if one has no value.
    fn text(&self, template: &Value) -> Option<Text> {
        let template = match template {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let is_input = |name: &str| self.inputs.iter().any(|input| input.name == name);
        let (mut text, mut is_secret) = (String::new(), false);
        for part in parts(&template, &is_input) {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Name(name) => {
                    let input = self.inputs.iter().find(|input| input.name == name)?;
                    is_secret |= input.secret;
                    let value = self.values.get(name).or(input.default.as_ref())?;
                    text.push_str(value);
                }
            }
        }
        Some(Text { text, is_secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let mut entry = Entry::new("com.example/a", "1.0.0", "A");
        entry.server = Some(json!({
            "process": {
                "command": "npx",
                "args": ["-y", "a@1.0.0", ["--unit", "{unit}"], ["--verbose", "{verbose}"], "{root}"],
                "env": { "KEY": "{key}", "MODE": "fast", "STATE": { "value": "${state}/{mode}" } },
                "oneAtATime": true,
            },
            "sessions": "shared",
        }));
        entry.inputs = ["unit", "verbose", "root", "key", "mode"]
            .map(Input::new)
            .into();
        entry.inputs[2].required = true;
        entry.inputs[3].secret = true;
        entry.inputs[4].default = Some("plain".to_owned());
        entry
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn templates_are_rendered_with_values() {
        let given = values(&[("root", "/srv"), ("key", "hunter2"), ("verbose", "")]);
        assert_eq!(
            entry().install("mine", &given).unwrap(),
            json!({
                "name": "mine",
                "entry": "com.example/a@1.0.0",
                "process": {
                    "command": "npx",
                    "args": ["-y", "a@1.0.0", "--verbose", "/srv"],
                    "env": {
                        "KEY": { "secret": "hunter2" },
                        "MODE": { "value": "fast" },
                        "STATE": { "value": "${state}/plain" },
                    },
                    "oneAtATime": true,
                },
                "sessions": "shared",
            })
        );
        let server = entry()
            .install("mine", &values(&[("root", "/srv")]))
            .unwrap();
        assert_eq!(server["process"]["env"].get("KEY"), None);
    }

    #[test]
    fn values_are_checked_all_at_once() {
        let mut entry = entry();
        entry.inputs[0].choices = vec!["c".to_owned()];
        let found = entry
            .install("a", &values(&[("unit", "f"), ("roots", "/")]))
            .unwrap_err();
        let paths: Vec<_> = found.iter().map(|violation| &*violation.path).collect();
        assert_eq!(paths, ["values.roots", "values.unit", "values.root"]);
        assert!(entry.sample().is_ok());
        entry.status = crate::EntryStatus::Deleted;
        assert_eq!(
            entry.install("a", &values(&[])).unwrap_err()[0].path,
            "entry"
        );
    }

    #[test]
    fn r5_secrets_go_only_where_they_are_sealed() {
        for server in [
            json!({ "process": { "command": "a", "args": ["--key", "{key}"] } }),
            json!({ "remote": { "url": "https://a.example.com/{key}" } }),
        ] {
            let mut entry = Entry::new("a", "1", "A");
            entry.inputs = vec![Input {
                secret: true,
                ..Input::new("key")
            }];
            entry.server = Some(server);
            let found = entry
                .install("a", &values(&[("key", "hunter2")]))
                .unwrap_err();
            assert!(found[0].message.contains("visible"), "{found:?}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
        let mut entry = Entry::new("a", "1", "A");
        entry.inputs = vec![Input {
            secret: true,
            ..Input::new("key")
        }];
        entry.server = Some(json!({ "remote": { "url": "https://a", "bearer": "{key}" } }));
        let server = entry.install("a", &values(&[("key", "x")])).unwrap();
        assert_eq!(server["remote"]["bearer"], json!({ "secret": "x" }));
    }
}
