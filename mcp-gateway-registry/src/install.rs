//! Installation of an entry: its template and values become the configuration of a server.
//!
//! An input of [connections](crate::InputSupplier::Connection) without a value becomes an input of
//! the server, and its names in the template `${input:NAME}`.
//!
//! | place in the template | effect |
//! |---|---|
//! | `process.args[…]`, `kubernetes.args[…]` | a text, or a group of texts that is left out if an input in it has no value |
//! | `process.env.…`, `kubernetes.env.…`, `remote.headers.…` | left out without a value; `{ "secret": … }` if an input in it is a secret, otherwise `{ "value": … }` |
//! | `remote.bearer` | `{ "secret": … }`, or `{ "value": … }` of connections; left out without a value |
//! | `remote.url` | its inputs need values, which cannot change another part of the URL |
//! | any other text | its inputs need values at the installation, and must not be secrets |
//!
//! An empty value of an argument leaves out this argument alone, so that a flag remains.

mod rendering;

use std::collections::BTreeMap;

use mcp_gateway_auth::egress::{UrlPiece, UrlTemplate, UrlTemplateError};
use serde_json::Value;

use self::rendering::Rendering;
use crate::template::{Part, parts};
use crate::{Entry, Input, InputSupplier, TemplateCheck, Violation};

impl Entry {
    /// Returns the configuration of a server `name`, with the `values` of inputs.
    ///
    /// It is an entry of `servers` in the store. Its key `entry` refers to this entry, and its
    /// `inputs` are those that each connection supplies.
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
        let (mut server, mut found) = Rendering::of(template, &self.inputs, values);
        violations.append(&mut found);
        if !violations.is_empty() {
            return Err(violations);
        }
        if let Some(members) = server.as_object_mut() {
            members.insert("name".to_owned(), name.into());
            members.insert("entry".to_owned(), self.id().into());
        }
        Ok(server)
    }

    /// Returns the violations of the template: those of `check` for a server with sample values
    /// included.
    ///
    /// There is none if the installation can supply all values, although no connection could.
    #[must_use]
    pub fn template_violations(&self, check: TemplateCheck<'_>) -> Vec<Violation> {
        let violations = |is_asking| match self.sample(is_asking) {
            Ok(server) => check(&server),
            Err(violations) => violations,
        };
        let found = violations(true);
        match found.is_empty() || violations(false).is_empty() {
            true => Vec::new(),
            false => found,
        }
    }

    /// Returns a configuration with sample values; with inputs of connections if `is_asking`.
    fn sample(&self, is_asking: bool) -> Result<Value, Vec<Violation>> {
        let url = self.url_template();
        let in_url: Vec<_> = url.iter().flat_map(UrlTemplate::values).collect();
        let part = |input: &Input| in_url.iter().find(|(name, _)| *name == input.name);
        let is_given = |input: &&Input| match input.supplied_by {
            InputSupplier::Connection => !is_asking,
            InputSupplier::Installation => true,
        };
        let values = self.inputs.iter().filter(is_given).map(|input| {
            let sample = match (input.proposal(), part(input)) {
                (None, Some((_, part))) => part.sample(),
                _ => input.sample(),
            };
            (input.name.clone(), sample.to_owned())
        });
        let values = values.collect();
        let installable = Self {
            status: crate::EntryStatus::Active,
            ..self.clone()
        };
        installable.install("sample", &values)
    }

    /// Returns the template of the URL; `None` for a program, or if a value stands where none can be.
    fn url_template(&self) -> Option<UrlTemplate> {
        let url = self.server.as_ref()?.get("remote")?.get("url")?.as_str()?;
        url_template(url, &self.inputs).ok()
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
                None if input.supplied_by == InputSupplier::Connection => {}
                None if input.required && input.default.is_none() => {
                    violations.push(Violation::new(&path, "required"));
                }
                None => {}
            }
        }
        violations
    }
}

/// Returns the template of a URL in which names of `inputs` are in braces.
fn url_template(text: &str, inputs: &[Input]) -> Result<UrlTemplate, UrlTemplateError> {
    let is_input = |name: &str| inputs.iter().any(|input| input.name == name);
    let pieces = parts(text, &is_input).into_iter().map(|part| match part {
        Part::Name(name) => UrlPiece::Value(name),
        Part::Text(text) => UrlPiece::Text(text),
    });
    UrlTemplate::new(pieces)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn pods_are_rendered_like_programs() {
        let mut entry = entry();
        entry.server = Some(json!({
            "kubernetes": {
                "image": "registry.example.com/a:{mode}",
                "command": "a",
                "args": [["--unit", "{unit}"], "{root}"],
                "env": {
                    "KEY": "{key}",
                    "PASSWORD": { "secret": "database-{mode}", "key": "password" },
                },
            },
        }));
        let given = values(&[("root", "/srv"), ("key", "hunter2")]);
        let server = entry.install("mine", &given).unwrap();
        let expected = json!({
            "image": "registry.example.com/a:plain",
            "command": "a",
            "args": ["/srv"],
            "env": {
                "KEY": { "secret": "hunter2" },
                "PASSWORD": { "secret": "database-plain", "key": "password" },
            },
        });
        assert_eq!(server["kubernetes"], expected);
        entry.server = Some(json!({ "kubernetes": { "image": "a", "args": ["{key}"] } }));
        let found = entry.install("mine", &given).unwrap_err();
        assert_eq!(found[0].path, "server.kubernetes.args");
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
        assert_eq!(entry.template_violations(&|_| Vec::new()), []);
        entry.status = crate::EntryStatus::Deleted;
        assert_eq!(
            entry.install("a", &values(&[])).unwrap_err()[0].path,
            "entry"
        );
    }

    /// Returns an entry of `server` with inputs that connections supply.
    fn of_connections(server: Value, inputs: &[&str]) -> Entry {
        let mut entry = Entry::new("com.example/a", "1.0.0", "A");
        entry.server = Some(server);
        let input = |name: &&str| Input {
            secret: true,
            required: true,
            supplied_by: InputSupplier::Connection,
            ..Input::new(*name)
        };
        entry.inputs = inputs.iter().map(input).collect();
        entry
    }

    #[test]
    fn inputs_of_connections_become_those_of_the_server() {
        let mut entry = of_connections(
            json!({
                "remote": {
                    "url": "https://{tenant}.example.com/{key}/mcp",
                    "headers": { "X-Key": "Key {key}", "X-Unit": "{unit}" },
                    "bearer": "{token}",
                },
            }),
            &["key", "token", "tenant"],
        );
        entry.inputs[1].description = Some("Token".to_owned());
        entry.inputs.push(Input::new("unit"));
        let server = entry.install("mine", &values(&[("tenant", "acme")]));
        assert!(format!("{server:?}").contains("visible"), "{server:?}");
        entry.inputs[2].secret = false;
        let input = |name: &str| json!({ "name": name, "secret": true, "required": true, "format": "string" });
        let mut token = input("token");
        token["description"] = "Token".into();
        let server = entry
            .install("mine", &values(&[("tenant", "acme")]))
            .unwrap();
        let expected = json!({
            "name": "mine",
            "entry": "com.example/a@1.0.0",
            "inputs": [input("key"), token],
            "remote": {
                "url": "https://acme.example.com/${input:key}/mcp",
                "headers": { "X-Key": { "value": "Key ${input:key}" } },
                "bearer": { "value": "${input:token}" },
            },
        });
        assert_eq!(server, expected);
        // The administrator may supply a secret for all, where nobody sees it.
        let given = values(&[("token", "hunter2"), ("tenant", "acme")]);
        let server = entry.install("mine", &given).unwrap();
        assert_eq!(server["remote"]["bearer"], json!({ "secret": "hunter2" }));
        assert_eq!(server["inputs"], json!([input("key")]));
    }

    #[test]
    fn arguments_of_connections_need_no_value_at_the_installation() {
        let args = json!(["{key}", ["--unit", "{unit}"], "--mode={mode}"]);
        let env = json!({ "TOKEN": "{token}" });
        let server = json!({ "process": { "command": "a", "args": args, "env": env } });
        let mut entry = of_connections(server, &["key", "unit", "mode", "token"]);
        for input in &mut entry.inputs[1..] {
            input.required = false;
        }
        entry.inputs[2].secret = false;
        entry.inputs[2].choices = vec!["fast".to_owned(), "slow".to_owned()];
        let server = entry.install("mine", &values(&[])).unwrap();
        let process = json!({
            "command": "a",
            "args": ["${input:key}", "--unit", "${input:unit}", "--mode=${input:mode}"],
            "env": { "TOKEN": { "value": "${input:token}" } },
        });
        assert_eq!(server["process"], process);
        let inputs = server["inputs"].as_array().unwrap().iter();
        let inputs = inputs.map(|input| json!([input["name"], input["required"]]));
        // The argument that names the unit has no meaning without it.
        let expected = json!([
            ["key", true],
            ["unit", true],
            ["mode", false],
            ["token", false]
        ]);
        assert_eq!(inputs.collect::<Value>(), expected);
        assert_eq!(server["inputs"][2]["choices"], json!(["fast", "slow"]));
        assert_eq!(entry.sample(true).unwrap()["inputs"], server["inputs"]);
    }

    #[test]
    fn a_setting_has_one_supplier() {
        let server = json!({ "remote": { "url": "https://a", "headers": { "A": "{a}:{b}" } } });
        let entry = of_connections(server, &["a", "b"]);
        let found = entry
            .install("a", &values(&[("a", "hunter2")]))
            .unwrap_err();
        assert_eq!(found[0].path, "server.remote.headers.A");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let server = json!({ "process": { "command": "{a}" } });
        let found = of_connections(server, &["a"])
            .install("a", &values(&[]))
            .unwrap_err();
        assert!(found[0].message.contains("no value here"), "{found:?}");
    }

    #[test]
    fn an_entry_without_a_connection_can_be_installed_with_values() {
        let server = json!({ "remote": { "url": "http://a.example.com", "bearer": "{key}" } });
        let entry = of_connections(server, &["key"]);
        let reject = |path: &'static str| {
            move |server: &Value| match server.pointer(path) {
                Some(_) => vec![Violation::new("remote", "no")],
                None => Vec::new(),
            }
        };
        // As a URL without TLS, with which no input of callers is accepted.
        assert_eq!(entry.template_violations(&reject("/inputs")), []);
        assert_eq!(entry.template_violations(&reject("/remote")).len(), 1);
    }

    #[test]
    fn category_url_value_of_an_installation_stays_at_its_place() {
        let install = |url: &str, value: &str| {
            let mut entry = Entry::new("a", "1", "A");
            entry.inputs = vec![Input::new("x")];
            entry.server = Some(json!({ "remote": { "url": url } }));
            assert!(entry.sample(true).is_ok(), "{url}");
            let server = entry.install("a", &values(&[("x", value)]));
            server.map(|server| server["remote"]["url"].clone())
        };
        for (url, value, expected) in [
            (
                "https://{x}.example.com/mcp",
                "acme",
                "https://acme.example.com/mcp",
            ),
            (
                "https://{x}/mcp",
                "a.example.com:8443",
                "https://a.example.com:8443/mcp",
            ),
            (
                "http://localhost:{x}/mcp",
                "8080",
                "http://localhost:8080/mcp",
            ),
            (
                "{x}/mcp",
                "https://a.example.com",
                "https://a.example.com/mcp",
            ),
            (
                "https://a.example.com/{x}",
                "a b",
                "https://a.example.com/a%20b",
            ),
        ] {
            assert_eq!(install(url, value).unwrap(), expected, "{url}");
        }
        for (url, value) in [
            ("https://{x}.example.com/mcp", "evil.example/?"),
            ("https://{x}/mcp", "a.example.com/admin?a="),
            ("http://localhost:{x}/mcp", "1@evil.example"),
            ("https://a.example.com/{x}/mcp", ".."),
            ("{x}/mcp", "https://a.example.com/?a="),
        ] {
            let found = install(url, value).unwrap_err();
            assert_eq!(found[0].path, "values.x", "{url} {found:?}");
        }
        // Connections decide no host.
        let server = json!({ "remote": { "url": "https://{x}/mcp" } });
        let found = of_connections(server, &["x"])
            .install("a", &values(&[]))
            .unwrap_err();
        assert!(found[0].message.contains("decides the host"), "{found:?}");
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
