//! Inputs: values that a server needs.

use mcp_gateway_auth::InputFormat as Format;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Value that a server needs, supplied when it is installed or by each connection.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::{Input, InputFormat};
///
/// let mut port = Input::new("port");
/// port.format = InputFormat::Number;
/// assert!(port.check("8080").is_ok());
/// assert!(port.check("http").is_err());
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Input {
    /// Name, by which the template of the server refers to it.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,128}$")]
    pub name: String,
    /// Description for the person who is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `true` if the server cannot be used without a value.
    #[serde(default)]
    pub required: bool,
    /// `true` if the value is a credential.
    #[serde(default)]
    pub secret: bool,
    /// Value that applies if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Example of a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Allowed values; any if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Format of the value.
    #[serde(default)]
    pub format: InputFormat,
    /// Supplier of the value.
    #[serde(default)]
    pub supplied_by: InputSupplier,
}

/// Supplier of the value of an input.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "there is nobody else")]
pub enum InputSupplier {
    /// The administrator who installs the server, for all callers.
    #[default]
    Installation,
    /// The owner of each connection, unless the administrator who installs the server supplies it for
    /// all.
    Connection,
}

/// Format of the value of an input.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "server.json defines the formats")]
pub enum InputFormat {
    /// Any text.
    #[default]
    String,
    /// Decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Path of a file or folder.
    Filepath,
}

impl Input {
    /// Creates an optional text input.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// A message, without the value, if it is not allowed.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.len() > MAX_VALUE || value.contains(char::is_control) {
            return Err(format!(
                "expected printable text of up to {MAX_VALUE} bytes"
            ));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == value) {
            return Err(format!("expected one of {}", self.choices.join(", ")));
        }
        let format = Format::from(self.format);
        match format.accepts(value) {
            true => Ok(()),
            false => Err(format!("expected {}", format.description())),
        }
    }

    /// Returns an allowed value, for a check of the template.
    pub(crate) fn sample(&self) -> &str {
        self.proposal().unwrap_or(match self.format {
            InputFormat::String => "sample",
            InputFormat::Number => "1",
            InputFormat::Boolean => "true",
            InputFormat::Filepath => "/sample",
        })
    }

    /// Returns the default, or the first choice.
    pub(crate) fn proposal(&self) -> Option<&str> {
        let first = self.choices.first();
        self.default
            .as_deref()
            .or_else(|| first.map(|choice| &**choice))
    }
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::String => Self::String,
            InputFormat::Number => Self::Number,
            InputFormat::Boolean => Self::Boolean,
            InputFormat::Filepath => Self::Filepath,
        }
    }
}

/// Returns `true` if `name` is a valid name of an input.
pub(crate) fn is_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(is_valid)
}

/// Maximum length of a value in bytes.
const MAX_VALUE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_choice_and_format() {
        let input = |format, choices: &[&str]| Input {
            format,
            choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
            ..Input::new("a")
        };
        for (input, value, expected) in [
            (input(InputFormat::String, &[]), "any text", true),
            (input(InputFormat::String, &[]), "two\nlines", false),
            (input(InputFormat::String, &["a", "b"]), "b", true),
            (input(InputFormat::String, &["a", "b"]), "c", false),
            (input(InputFormat::Number, &[]), "1.5", true),
            (input(InputFormat::Number, &[]), "x", false),
            (input(InputFormat::Boolean, &[]), "false", true),
            (input(InputFormat::Boolean, &[]), "no", false),
            (input(InputFormat::Filepath, &[]), "/srv", true),
        ] {
            assert_eq!(input.check(value).is_ok(), expected, "{input:?} {value}");
            assert!(input.check(input.sample()).is_ok(), "{input:?}");
        }
    }
}
