//! Inputs of a file, collected while its parts are read.

use serde_json::Value;

use super::fields::{field, flag, items, scalar, text};
use crate::template::{Part, is_identifier, parts};
use crate::{Input, InputFormat, InputSupplier, input};

/// Inputs that have been found.
#[derive(Debug, Default)]
pub(super) struct Inputs(pub(super) Vec<Input>);

/// Properties of the inputs in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    /// `true` if all of them are secrets.
    pub(super) secret: bool,
    /// `true` if those without a declaration are secrets.
    pub(super) undeclared_secret: bool,
    /// `true` if those without a declaration need a value.
    pub(super) required: bool,
}

impl Inputs {
    /// Returns the template of `text`: its names in braces become inputs.
    ///
    /// Published files have many names that are not in `variables`: they are inputs, too. A `$`
    /// before a brace is removed, as in the syntax of a shell.
    pub(super) fn template(
        &mut self,
        text: &str,
        variables: Option<&Value>,
        defaults: Defaults,
    ) -> String {
        let mut template = String::new();
        let text = text.replace("${", "{");
        for part in parts(&text, &is_identifier) {
            match part {
                Part::Text(text) => template.push_str(text),
                Part::Name(name) => {
                    let declared = variables.and_then(|variables| variables.get(name));
                    match declared.and_then(|declared| scalar(declared, "value")) {
                        Some(value) => template.push_str(&value),
                        None => {
                            self.merge(declare(name, declared, defaults));
                            template.extend(["{", name, "}"]);
                        }
                    }
                }
            }
        }
        template
    }

    /// Adds the input of `declaration` itself, and returns its template.
    ///
    /// Its name is `name`, with a number if another input has it.
    pub(super) fn add(&mut self, name: &str, declaration: &Value, is_secret: bool) -> String {
        let is_valid = |byte: char| byte.is_ascii_alphanumeric() || "_.-".contains(byte);
        let base: String = name
            .chars()
            .map(|it| if is_valid(it) { it } else { '-' })
            .collect();
        let base = base.trim_matches('-');
        let base = if input::is_name(base) { base } else { "value" };
        let defaults = Defaults {
            secret: is_secret,
            undeclared_secret: is_secret,
            required: false,
        };
        let mut input = declare(base, Some(declaration), defaults);
        let mut number = 2;
        while self.0.iter().any(|known| known.name == input.name) {
            input.name = format!("{base}-{number}");
            number += 1;
        }
        let template = format!("{{{}}}", input.name);
        self.0.push(input);
        template
    }

    /// Adds an input, or the stricter properties of one that is known.
    fn merge(&mut self, input: Input) {
        match self.0.iter_mut().find(|known| known.name == input.name) {
            Some(known) => {
                known.secret |= input.secret;
                known.required |= input.required;
                known.description = known.description.take().or(input.description);
                if known.secret {
                    known.default = None;
                    known.choices.clear();
                }
            }
            None => self.0.push(input),
        }
    }

    /// Returns the inputs. Secrets are asked of each connection: they are often personal, and a file
    /// does not say so.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        let inputs = self.0.into_iter().map(|mut input| {
            if input.secret {
                input.supplied_by = InputSupplier::Connection;
            }
            input
        });
        inputs.collect()
    }
}

/// Creates the input `name`.
fn declare(name: &str, declaration: Option<&Value>, defaults: Defaults) -> Input {
    let mut input = Input::new(name);
    let Some(declaration) = declaration else {
        input.secret = defaults.secret || defaults.undeclared_secret;
        input.required = defaults.required;
        return input;
    };
    let short = |key: &str| {
        let text = text(declaration, key)?;
        Some(
            text.chars()
                .filter(|it| !it.is_control())
                .take(MAX_TEXT)
                .collect::<String>(),
        )
    };
    input.description = short("description");
    input.placeholder = short("placeholder");
    input.required = flag(declaration, "isRequired");
    input.secret = defaults.secret || flag(declaration, "isSecret") || names_secret(name);
    input.format = match text(declaration, "format") {
        Some("number") => InputFormat::Number,
        Some("boolean") => InputFormat::Boolean,
        Some("filepath" | "file_path") => InputFormat::Filepath,
        _ => InputFormat::String,
    };
    let choices = items(declaration, "choices").iter();
    let choices = choices.filter_map(|it| it.as_str().map(str::to_owned));
    input.choices = choices.filter(|_| !input.secret).collect();
    let default = scalar(declaration, "default").filter(|default| !default.is_empty());
    // A published secret is an example.
    input.default = default.filter(|it| !input.secret && input.check(it).is_ok());
    if field(declaration, "value").is_some() && input.default.is_none() {
        input.required = true;
    }
    input
}

/// Returns `true` if `name` is that of a credential: many files do not mark these.
pub(super) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let mut words = name.split(|it: char| !it.is_ascii_alphanumeric());
    words.any(|word| {
        SECRETS
            .iter()
            .any(|secret| word == *secret || word.ends_with("APIKEY"))
    })
}

/// Words in the names of credentials.
const SECRETS: [&str; 8] = [
    "AUTHORIZATION",
    "CREDENTIAL",
    "CREDENTIALS",
    "KEY",
    "PASSWORD",
    "PAT",
    "SECRET",
    "TOKEN",
];

/// Maximum length of a description in characters.
const MAX_TEXT: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_are_told_by_their_names() {
        for (name, expected) in [
            ("GITHUB_TOKEN", true),
            ("X-API-Key", true),
            ("apikey", true),
            ("authorization", true),
            ("KEYBOARD", false),
            ("TOKENIZER", false),
            ("REGION", false),
        ] {
            assert_eq!(names_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn names_in_braces_become_inputs() {
        let mut inputs = Inputs::default();
        let variables =
            json!({ "tenant": { "default": "eu", "isRequired": true }, "fixed": { "value": "x" } });
        let defaults = Defaults {
            secret: false,
            undeclared_secret: true,
            required: true,
        };
        let template = "${tenant}/{fixed}/{token}/{\"a\": 1}";
        let template = inputs.template(template, Some(&variables), defaults);
        assert_eq!(template, "{tenant}/x/{token}/{\"a\": 1}");
        let found: Vec<_> = inputs
            .0
            .iter()
            .map(|it| (&*it.name, it.secret, it.required))
            .collect();
        assert_eq!(found, [("tenant", false, true), ("token", true, true)]);
        assert_eq!(inputs.add("--unit", &json!({}), false), "{unit}");
        assert_eq!(inputs.add("unit", &json!({}), false), "{unit-2}");
        assert_eq!(inputs.add("ä", &json!({}), false), "{value}");
    }
}
