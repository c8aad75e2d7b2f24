//! Check of a file against the rules of the schema.

use serde_json::Value;

use super::sanitize::{FORMATS, MIME_TYPES, is_hash, is_template, is_uri};
use crate::{Violation, version};

/// Returns the violations of the schema of [`SCHEMA`](super::SCHEMA) by `server`.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::server_json::violations;
/// use serde_json::json;
///
/// let file = json!({ "name": "com.example/a", "description": "A", "version": "1.0.0" });
/// assert!(violations(&file).is_empty());
/// let found = violations(&json!({ "name": "a", "description": "A", "version": "1.0.0" }));
/// assert_eq!(found[0].path, "name");
/// ```
#[must_use]
pub fn violations(server: &Value) -> Vec<Violation> {
    let mut check = Check(Vec::new());
    check.server(server);
    check.0
}

/// Violations that have been found.
struct Check(Vec<Violation>);

impl Check {
    fn require(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.0.push(Violation::new(path, message));
        }
    }

    /// Checks a text member, which may be missing unless it `is_required`.
    fn text(
        &mut self,
        value: &Value,
        (path, key): (&str, &str),
        is_required: bool,
        is_valid: impl Fn(&str) -> bool,
    ) {
        let member = &value[key];
        let holds = match member {
            Value::Null => !is_required && value.get(key).is_none(),
            Value::String(text) => is_valid(text),
            _ => false,
        };
        self.require(holds, &join(path, key), "missing, or not a valid text");
    }

    fn server(&mut self, server: &Value) {
        self.require(server.is_object(), "", "expected an object");
        let length = |max: usize| move |text: &str| (1..=max).contains(&text.chars().count());
        self.text(server, ("", "$schema"), false, is_uri);
        self.text(server, ("", "name"), true, is_name);
        self.text(server, ("", "description"), true, length(100));
        self.text(server, ("", "title"), false, length(100));
        self.text(server, ("", "version"), true, |it| it.len() <= 255);
        self.text(server, ("", "websiteUrl"), false, is_uri);
        if let Some(repository) = server.get("repository") {
            self.text(repository, ("repository", "url"), true, is_uri);
            self.text(repository, ("repository", "source"), true, |_| true);
            self.text(repository, ("repository", "id"), false, |_| true);
            self.text(repository, ("repository", "subfolder"), false, |_| true);
        }
        self.list(server, ("", "icons"), Self::icon);
        self.list(server, ("", "packages"), Self::package);
        self.list(server, ("", "remotes"), Self::remote);
        if let Some(meta) = server.get("_meta") {
            self.require(meta.is_object(), "_meta", "expected an object");
        }
    }

    /// Checks the items of a list, which may be missing.
    fn list(
        &mut self,
        value: &Value,
        (path, key): (&str, &str),
        check: fn(&mut Self, &Value, &str),
    ) {
        let path = join(path, key);
        match value.get(key) {
            None => {}
            Some(Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    check(self, item, &format!("{path}[{at}]"));
                }
            }
            Some(_) => self.require(false, &path, "expected a list"),
        }
    }

    fn icon(&mut self, icon: &Value, path: &str) {
        self.text(icon, (path, "src"), true, |it| {
            it.len() <= 255 && is_uri(it)
        });
        self.text(icon, (path, "mimeType"), false, |it| {
            MIME_TYPES.contains(&it)
        });
        self.text(icon, (path, "theme"), false, |it| {
            it == "light" || it == "dark"
        });
    }

    fn package(&mut self, package: &Value, path: &str) {
        self.text(package, (path, "registryType"), true, |_| true);
        self.text(package, (path, "identifier"), true, |_| true);
        self.text(package, (path, "version"), false, version::is_valid);
        self.text(package, (path, "registryBaseUrl"), false, is_uri);
        self.text(package, (path, "runtimeHint"), false, |_| true);
        self.text(package, (path, "fileSha256"), false, is_hash);
        let transport = &package["transport"];
        match transport["type"].as_str() {
            Some("stdio") => {}
            _ => self.remote(transport, &join(path, "transport")),
        }
        self.list(package, (path, "runtimeArguments"), Self::argument);
        self.list(package, (path, "packageArguments"), Self::argument);
        self.list(package, (path, "environmentVariables"), Self::named);
    }

    fn remote(&mut self, remote: &Value, path: &str) {
        self.text(remote, (path, "type"), true, |it| {
            it == "sse" || it == "streamable-http"
        });
        self.text(remote, (path, "url"), true, is_template);
        self.list(remote, (path, "headers"), Self::named);
        self.inputs(remote, path);
    }

    fn argument(&mut self, argument: &Value, path: &str) {
        self.input(argument, path);
        match argument["type"].as_str() {
            Some("named") => self.text(argument, (path, "name"), true, |_| true),
            Some("positional") => {
                let holds = argument["value"].is_string() || argument["valueHint"].is_string();
                self.require(holds, path, "a value or a hint is required");
            }
            // Anything else than an object has been reported.
            _ => self.require(
                !argument.is_object(),
                &join(path, "type"),
                "expected named or positional",
            ),
        }
    }

    fn named(&mut self, item: &Value, path: &str) {
        self.text(item, (path, "name"), true, |_| true);
        self.input(item, path);
    }

    fn input(&mut self, input: &Value, path: &str) {
        self.require(input.is_object(), path, "expected an object");
        for key in ["description", "value", "default", "placeholder"] {
            self.text(input, (path, key), false, |_| true);
        }
        self.text(input, (path, "format"), false, |it| FORMATS.contains(&it));
        for key in ["isRequired", "isSecret", "isRepeated"] {
            let holds = input.get(key).is_none_or(Value::is_boolean);
            self.require(holds, &join(path, key), "expected a boolean");
        }
        self.list(input, (path, "choices"), |check, choice, path| {
            check.require(choice.is_string(), path, "expected text");
        });
        self.inputs(input, path);
    }

    /// Checks the map `variables`.
    fn inputs(&mut self, value: &Value, path: &str) {
        let path = join(path, "variables");
        match value.get("variables") {
            None => {}
            Some(Value::Object(variables)) => {
                for (name, variable) in variables {
                    self.input(variable, &join(&path, name));
                }
            }
            Some(_) => self.require(false, &path, "expected an object"),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// Returns `true` if `name` has a namespace and a name.
fn is_name(name: &str) -> bool {
    (3..=200).contains(&name.len()) && name.contains('/') && crate::entry::is_name(name)
}
