//! The parameters of a request (RFC 6749, section 3.1).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use http::{HeaderMap, header};
use url::form_urlencoded;

use crate::server::Scopes;
use crate::server::error::OAuthError;

/// Unique parameters of a query or a form.
///
/// Empty parameters count as absent, unknown ones are ignored, and duplicates are rejected ([RFC
/// 6749, section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)). Only `resource` may be
/// repeated ([RFC 8707, section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
#[derive(Clone, Default)]
pub(in crate::server) struct Form {
    values: HashMap<String, String>,
    resources: Vec<String>,
    /// Name of the first duplicate parameter.
    repeated: Option<String>,
}

impl Form {
    /// Parses form-encoded `text`. Returns `None` if there are too many parameters.
    pub(in crate::server) fn parse(text: &[u8]) -> Option<Self> {
        let mut form = Self::default();
        for (index, (name, value)) in form_urlencoded::parse(text).enumerate() {
            if index >= MAX_PARAMETERS {
                return None;
            }
            if value.is_empty() {
                continue;
            }
            let (name, value) = (name.into_owned(), value.into_owned());
            if name == "resource" {
                form.resources.push(value);
            } else {
                match form.values.entry(name) {
                    Entry::Occupied(entry) => {
                        form.repeated.get_or_insert_with(|| entry.key().clone());
                    }
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                }
            }
        }
        Some(form)
    }

    /// Parses the form in a body.
    pub(in crate::server) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let media_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = media_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default();
        if !media_type
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            return Err(OAuthError::invalid_request(
                "Content-Type must be application/x-www-form-urlencoded",
            ));
        }
        let form =
            Self::parse(body).ok_or_else(|| OAuthError::invalid_request("too many parameters"))?;
        match form.repeated_parameter() {
            Some(name) => Err(OAuthError::invalid_request(format!(
                "duplicate parameter: {name:?}"
            ))),
            None => Ok(form),
        }
    }

    /// Returns the requested scopes.
    pub(in crate::server) fn scopes(&self) -> Result<Option<Scopes>, OAuthError> {
        let scopes = self.get("scope").map(str::parse::<Scopes>).transpose();
        scopes.map_err(|error| OAuthError::InvalidScope(error.to_string().into()))
    }

    /// Returns the value of a parameter.
    pub(in crate::server) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Removes a secret parameter, so that it is not kept longer than needed.
    pub(in crate::server) fn remove(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// Returns the values of `resource` in their order.
    pub(in crate::server) fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Returns the name of a duplicate parameter.
    pub(in crate::server) fn repeated_parameter(&self) -> Option<&str> {
        self.repeated.as_deref()
    }
}

impl std::fmt::Debug for Form {
    /// Does not show values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Maximum number of parameters.
const MAX_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_given_once() {
        let form = Form::parse(b"a=1&b=&resource=x&resource=y&c=%20+").unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c")),
            (Some("1"), None, Some("  "))
        );
        assert_eq!(form.resources(), ["x", "y"]);
        assert_eq!(form.repeated_parameter(), None);
        let form = Form::parse(b"a=1&a=1").unwrap();
        assert_eq!(
            (form.get("a"), form.repeated_parameter()),
            (Some("1"), Some("a"))
        );
        assert!(Form::parse("a=1&".repeat(100).as_bytes()).is_none());
    }
}
