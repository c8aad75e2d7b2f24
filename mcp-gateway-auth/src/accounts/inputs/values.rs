//! Values of inputs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Input;
use super::input::MAX_VALUE;
use crate::InputFormat;
use crate::egress::UrlValueError;

/// Values of inputs by their names. `Debug` output omits the values.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::{Input, InputValues, InputViolation};
///
/// let inputs = [Input::new("token")];
/// let values = InputValues::read(&inputs, |_| Some(" ghp_1 \n".to_owned()))?;
/// assert_eq!(values.get("token"), Some("ghp_1"));
/// assert!(!format!("{values:?}").contains("ghp_1"));
///
/// let missing = InputValues::read(&inputs, |_| None).unwrap_err();
/// assert_eq!(missing, [("token".into(), InputViolation::Missing)]);
/// # Ok::<(), Vec<(std::sync::Arc<str>, InputViolation)>>(())
/// ```
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct InputValues(BTreeMap<String, String>);

/// Violation of the definition of an input by a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputViolation {
    /// It is not one of the choices.
    #[error("Choose one of the listed values")]
    Choice,
    /// It contains a control character.
    #[error("Line breaks and other control characters are not accepted")]
    Control,
    /// It has another format.
    #[error("Expected {}", .0.description())]
    Format(InputFormat),
    /// It is required and empty.
    #[error("A value is required")]
    Missing,
    /// It is too long.
    #[error("The value is longer than {MAX_VALUE} bytes")]
    Size,
    /// It cannot become its part of the URL of the server.
    #[error("Not accepted in the URL of the server: {0}")]
    Url(UrlValueError),
}

impl InputValues {
    /// Reads the values of `inputs`, where `given` returns the entered value of a name.
    ///
    /// White space around a value is removed, because it is often copied with a token. An empty
    /// value stands for the default.
    ///
    /// # Errors
    ///
    /// All violations, in the order of `inputs`.
    pub fn read(
        inputs: &[Input],
        given: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<(Arc<str>, InputViolation)>> {
        let mut values = BTreeMap::new();
        let mut violations = Vec::new();
        for input in inputs {
            let entered = given(&input.name).unwrap_or_default();
            let entered = entered.trim();
            let value = match entered.is_empty() {
                true => input.default.as_deref(),
                false => Some(entered),
            };
            let checked = match value {
                Some(value) => input.check(value),
                None if input.is_required => Err(InputViolation::Missing),
                None => continue,
            };
            match (checked, value) {
                (Err(violation), _) => violations.push((Arc::clone(&input.name), violation)),
                (Ok(()), value) => {
                    values.extend(value.map(|value| (input.name.to_string(), value.to_owned())));
                }
            }
        }
        match violations.is_empty() {
            true => Ok(Self(values)),
            false => Err(violations),
        }
    }

    /// Returns the value of the input `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns `true` if each of `inputs` has a valid value, or is optional and has none.
    pub(super) fn satisfy(&self, inputs: &[Input]) -> bool {
        inputs.iter().all(|input| match self.get(&input.name) {
            Some(value) => input.check(value).is_ok(),
            None => !input.is_required,
        })
    }
}

impl fmt::Debug for InputValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::UrlPart;

    #[test]
    fn values_are_checked_against_their_inputs() {
        let mut region = Input::new("region");
        region.choices = vec!["eu".to_owned()];
        region.default = Some("eu".to_owned());
        let mut note = Input::new("note");
        note.is_required = false;
        let inputs = [Input::new("token"), region, note];
        let read = |token: &str, region: &str| {
            let (token, region) = (token.to_owned(), region.to_owned());
            InputValues::read(&inputs, move |name| match name {
                "token" => Some(token.clone()),
                "region" => Some(region.clone()),
                _ => None,
            })
        };
        let values = read("\tt ", "").unwrap();
        assert_eq!(
            (
                values.get("token"),
                values.get("region"),
                values.get("note")
            ),
            (Some("t"), Some("eu"), None)
        );
        assert!(values.satisfy(&inputs));
        assert!(!InputValues::default().satisfy(&inputs));
        let violations = read("a\r\nx-admin: 1", "us").unwrap_err();
        let expected = [
            ("token".into(), InputViolation::Control),
            ("region".into(), InputViolation::Choice),
        ];
        assert_eq!(violations, expected);
        let mut port = Input::new("port");
        port.format = InputFormat::Number;
        assert_eq!(
            port.check("http"),
            Err(InputViolation::Format(InputFormat::Number))
        );
        let mut tenant = Input::new("tenant");
        tenant.url_part = Some(UrlPart::Subdomain);
        assert_eq!(
            tenant.check("a/"),
            Err(InputViolation::Url(UrlValueError::Host))
        );
        assert_eq!(tenant.check("a"), Ok(()));
        let long = read(&"x".repeat(MAX_VALUE + 1), "eu").unwrap_err();
        assert_eq!(long, [("token".into(), InputViolation::Size)]);
    }
}
