//! Definition of an input.

use std::sync::Arc;

use super::InputViolation;
use crate::InputFormat;
use crate::egress::UrlPart;

/// Value that each owner of a connection supplies for a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::{Input, InputViolation};
///
/// let mut region = Input::new("region");
/// assert!(region.is_secret && region.is_required);
/// region.is_secret = false;
/// region.choices = vec!["eu".to_owned(), "us".to_owned()];
/// assert_eq!(region.check("eu"), Ok(()));
/// assert_eq!(region.check("mars"), Err(InputViolation::Choice));
/// assert_eq!(region.label(), "region");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Input {
    /// Name, by which templates refer to it.
    pub name: Arc<str>,
    /// Label of its field.
    pub title: Option<String>,
    /// Explanation below the label.
    pub description: Option<String>,
    /// Set if it is typed without an echo. Default: set.
    pub is_secret: bool,
    /// Set if a connection requires a value. Default: set.
    pub is_required: bool,
    /// Value of an empty field.
    pub default: Option<String>,
    /// Example of a value.
    pub placeholder: Option<String>,
    /// Accepted values; any if empty.
    pub choices: Vec<String>,
    /// Format of the value.
    pub format: InputFormat,
    /// Part of the URL of the server that the value becomes.
    pub url_part: Option<UrlPart>,
}

impl Input {
    /// Creates the required secret `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: None,
            is_secret: true,
            is_required: true,
            default: None,
            placeholder: None,
            choices: Vec::new(),
            format: InputFormat::String,
            url_part: None,
        }
    }

    /// Returns the label of its field: the title, otherwise the name.
    #[must_use]
    pub fn label(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// Validates a value that is not empty.
    ///
    /// Control characters are rejected, because they could end a header.
    ///
    /// # Errors
    ///
    /// The first [`InputViolation`].
    pub fn check(&self, value: &str) -> Result<(), InputViolation> {
        if value.len() > MAX_VALUE {
            return Err(InputViolation::Size);
        }
        if value.contains(char::is_control) {
            return Err(InputViolation::Control);
        }
        let is_choice = self.choices.iter().any(|choice| choice == value);
        if !self.choices.is_empty() && !is_choice {
            return Err(InputViolation::Choice);
        }
        if !self.format.accepts(value) {
            return Err(InputViolation::Format(self.format));
        }
        match self.url_part.map(|part| part.encode(value)) {
            Some(Err(error)) => Err(InputViolation::Url(error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

/// Maximum size of a value in bytes. Servers limit all headers of a request to 8 KiB or more.
pub(super) const MAX_VALUE: usize = 4096;
