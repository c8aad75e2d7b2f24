//! Rendering of the template of an entry.

use std::collections::{BTreeMap, BTreeSet};

use mcp_gateway_auth::egress::UrlPart;
use serde_json::{Map, Value, json};

use super::url_template;
use crate::template::{Part, parts};
use crate::{Input, InputSupplier, Violation};

/// Rendering of a template.
pub(super) struct Rendering<'a> {
    inputs: &'a [Input],
    values: &'a BTreeMap<String, String>,
    /// Inputs of connections to which the server refers.
    asked: BTreeSet<&'a str>,
    /// Those of them that the server cannot do without.
    needed: BTreeSet<&'a str>,
    violations: Vec<Violation>,
}

/// Text whose inputs have been replaced.
#[derive(Default)]
struct Text<'a> {
    text: String,
    /// Set if it has the value of a secret input.
    is_secret: bool,
    /// Inputs of connections to which it refers.
    refers: Vec<&'a str>,
}

impl<'a> Rendering<'a> {
    /// Renders `template` with the `values` of `inputs`; returns the violations, too.
    pub(super) fn of(
        template: &Value,
        inputs: &'a [Input],
        values: &'a BTreeMap<String, String>,
    ) -> (Value, Vec<Violation>) {
        let mut rendering = Self {
            inputs,
            values,
            asked: BTreeSet::new(),
            needed: BTreeSet::new(),
            violations: Vec::new(),
        };
        let mut server = rendering.value(template, "");
        let asked = rendering.definitions();
        if let (Some(members), false) = (server.as_object_mut(), asked.is_empty()) {
            let known = members.entry("inputs").or_insert_with(|| json!([]));
            if let Some(known) = known.as_array_mut() {
                known.extend(asked);
            }
        }
        (server, rendering.violations)
    }

    /// Returns the inputs of the server.
    fn definitions(&self) -> Vec<Value> {
        let inputs = self.inputs.iter();
        let asked = inputs.filter(|input| self.asked.contains(&*input.name));
        let definition = |input: &Input| {
            let mut definition = json!({
                "name": input.name,
                "secret": input.secret,
                "required": input.required || self.needed.contains(&*input.name),
                "format": input.format,
            });
            let texts = [
                ("default", &input.default),
                ("description", &input.description),
                ("placeholder", &input.placeholder),
            ];
            for (key, text) in texts {
                if let Some(text) = text {
                    definition[key] = text.as_str().into();
                }
            }
            if !input.choices.is_empty() {
                definition["choices"] = input.choices.clone().into();
            }
            definition
        };
        asked.map(definition).collect()
    }

    /// Renders the value at `path` of the template.
    fn value(&mut self, value: &Value, path: &str) -> Value {
        match (path, value) {
            ("process.args" | "kubernetes.args", Value::Array(items)) => self.args(items, path),
            ("process.env" | "remote.headers" | "kubernetes.env", Value::Object(members)) => {
                self.settings(members, path)
            }
            ("remote.bearer", Value::String(_)) => {
                let text = self.text(value);
                text.map_or(Value::Null, |text| match text.refers.is_empty() {
                    true => json!({ "secret": text.text }),
                    false => self.setting(&text, path),
                })
            }
            ("remote.url", Value::String(text)) => self.url(text),
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
    ///
    /// A server leaves out single arguments without a value, so that it needs those of a group.
    fn args(&mut self, items: &[Value], path: &str) -> Value {
        let mut args = Vec::new();
        for item in items {
            let group = match item {
                Value::Array(group) => group.as_slice(),
                single => std::slice::from_ref(single),
            };
            let texts: Option<Vec<_>> = group.iter().map(|text| self.text(text)).collect();
            for text in texts.into_iter().flatten() {
                if group.len() > 1 {
                    self.needed.extend(&text.refers);
                }
                if text.is_secret {
                    self.reject_secret(path);
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
            let path = format!("{path}.{name}");
            if member.get("key").is_some() {
                // A reference to a key of an object of the cluster.
                settings.insert(name.clone(), self.value(member, &path));
            } else if !template.is_string() {
                let message = "expected text with the names of inputs in braces";
                self.reject(&path, message);
            } else if let Some(text) = self.text(template) {
                settings.insert(name.clone(), self.setting(&text, &path));
            }
        }
        settings.into()
    }

    /// Returns the setting of a text at `path`.
    fn setting(&mut self, text: &Text<'_>, path: &str) -> Value {
        if text.is_secret && !text.refers.is_empty() {
            let message = "has a secret of the installation and an input of connections; supply \
                           both at the same place";
            self.reject(path, message);
        }
        let key = if text.is_secret { "secret" } else { "value" };
        json!({ (key): text.text })
    }

    /// Renders the URL of a server.
    fn url(&mut self, text: &str) -> Value {
        let template = match url_template(text, self.inputs) {
            Ok(template) => template,
            Err(error) => {
                self.reject("remote.url", &error.to_string());
                return Value::Null;
            }
        };
        match template.expand(|name, part| self.url_value(name, part)) {
            Ok(url) => url.into(),
            Err(violation) => {
                self.violations.push(violation);
                Value::Null
            }
        }
    }

    /// Returns what the input `name` becomes in a part of the URL.
    fn url_value(&mut self, name: &str, part: UrlPart) -> Result<String, Violation> {
        let violation = |message: &str| Violation::new(&format!("values.{name}"), message);
        let inputs = self.inputs;
        let Some(input) = inputs.iter().find(|input| input.name == name) else {
            return Err(violation("no such input"));
        };
        if self.is_asked(input) {
            if !part.is_bounded() {
                return Err(violation(
                    "required: it decides the host of remote.url, which no connection can",
                ));
            }
            self.asked.insert(&input.name);
            self.needed.insert(&input.name);
            return Ok(reference(name));
        }
        let value = self.values.get(name).or(input.default.as_ref());
        let value = value.ok_or_else(|| violation("required, because it is part of remote.url"))?;
        if input.secret {
            self.reject_secret("remote.url");
        }
        let encoded = part.encode(value);
        encoded.map_err(|error| violation(&error.to_string()))
    }

    /// Renders a text whose inputs need values.
    fn required(&mut self, template: &Value, path: &str) -> Value {
        match self.text(template) {
            Some(text) => {
                if text.is_secret {
                    self.reject_secret(path);
                }
                if !text.refers.is_empty() {
                    let message = "an input of connections has no value here; expected it in args, \
                                   env, headers, bearer or url";
                    self.reject(path, message);
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
        let message = "a secret of the installation is visible here; expected it in env, headers or \
                       bearer, or from each connection (suppliedBy: connection, and no value)";
        self.reject(path, message);
    }

    fn reject(&mut self, path: &str, message: &str) {
        let path = format!("server.{path}");
        self.violations.push(Violation::new(&path, message));
    }

    /// Returns `true` if each connection supplies `input`.
    fn is_asked(&self, input: &Input) -> bool {
        let is_given = self.values.contains_key(&input.name);
        input.supplied_by == InputSupplier::Connection && !is_given
    }

    /// Replaces the names of inputs in `template`; `None` if one has no value.
    fn text(&mut self, template: &Value) -> Option<Text<'a>> {
        let template = match template {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let inputs = self.inputs;
        let find = |name: &str| inputs.iter().find(|input| input.name == name);
        let mut text = Text::default();
        for part in parts(&template, &|name| find(name).is_some()) {
            match part {
                Part::Text(part) => text.text.push_str(part),
                Part::Name(name) => {
                    let input = find(name)?;
                    if self.is_asked(input) {
                        self.asked.insert(&input.name);
                        text.refers.push(&input.name);
                        text.text.push_str(&reference(name));
                        continue;
                    }
                    text.is_secret |= input.secret;
                    let value = self.values.get(name).or(input.default.as_ref())?;
                    text.text.push_str(value);
                }
            }
        }
        Some(text)
    }
}

/// Returns the reference of a server to its input `name`.
fn reference(name: &str) -> String {
    format!("${{input:{name}}}")
}
