//! Names of workloads, made of their claims.

use std::str::FromStr;

use serde_json::Value;

use super::claims::{claim, text};

/// Name of a workload: text with claims in the form `${name}`.
///
/// A claim is selected by its name or by a [JSON pointer](https://www.rfc-editor.org/rfc/rfc6901).
/// Claims with different values have different names: the character after a claim that is not the
/// last one, and `%`, are percent-encoded in its value.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::WorkloadName;
/// use serde_json::json;
///
/// let name: WorkloadName = "${repository}@${/env/name}".parse()?;
/// let claims = json!({ "repository": "acme/a@b", "env": { "name": "prod@1" } });
/// assert_eq!(name.of(&claims).as_deref(), Some("acme/a%40b@prod@1"));
/// assert_eq!(name.of(&json!({ "repository": "acme/app" })), None);
/// assert!("${a}${b}".parse::<WorkloadName>().is_err());
/// # Ok::<(), mcp_gateway_auth::server::WorkloadNameError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadName {
    /// Text before the first claim.
    start: String,
    /// Claims, each with the text after it.
    claims: Vec<(String, String)>,
}

/// The reason for which a text is not the name of a workload.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadNameError {
    /// Two claims without a text between them: different values could have the same name.
    #[error("claims must be separated by a text")]
    Adjacent,
    /// A placeholder without a name, or without an end.
    #[error("expected a placeholder such as ${{sub}}")]
    Placeholder,
}

impl WorkloadName {
    /// Returns the name of the workload with `claims`; `None` if one of them is missing.
    #[must_use]
    pub fn of(&self, claims: &Value) -> Option<String> {
        let mut name = self.start.clone();
        for (at, (wanted, after)) in self.claims.iter().enumerate() {
            let value = text(claim(claims, wanted)?)?;
            match after.chars().next() {
                Some(separator) if at + 1 < self.claims.len() => {
                    name.extend(value.chars().map(|c| encoded(c, separator)));
                }
                _ => name.push_str(&value),
            }
            name.push_str(after);
        }
        Some(name)
    }
}

/// Returns `c`, percent-encoded if it is `separator` or `%`.
fn encoded(c: char, separator: char) -> String {
    if c != separator && c != '%' {
        return c.to_string();
    }
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

impl Default for WorkloadName {
    /// Returns the name that is the subject of the workload.
    fn default() -> Self {
        Self {
            start: String::new(),
            claims: vec![("sub".to_owned(), String::new())],
        }
    }
}

impl FromStr for WorkloadName {
    type Err = WorkloadNameError;

    fn from_str(text: &str) -> Result<Self, WorkloadNameError> {
        let mut parts = text.split("${");
        let start = parts.next().unwrap_or_default().to_owned();
        let claims = parts.map(|part| match part.split_once('}') {
            None | Some(("", _)) => Err(WorkloadNameError::Placeholder),
            Some((name, after)) => Ok((name.to_owned(), after.to_owned())),
        });
        let claims: Vec<_> = claims.collect::<Result<_, _>>()?;
        let separated = claims.iter().rev().skip(1);
        match separated.into_iter().any(|(_, after)| after.is_empty()) {
            true => Err(WorkloadNameError::Adjacent),
            false => Ok(Self { start, claims }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_complete_and_separated() {
        for (text, error) in [
            ("${a", WorkloadNameError::Placeholder),
            ("a-${}", WorkloadNameError::Placeholder),
            ("${a}${b}-", WorkloadNameError::Adjacent),
        ] {
            assert_eq!(text.parse::<WorkloadName>(), Err(error), "{text}");
        }
        let constant: WorkloadName = "ci".parse().unwrap();
        assert_eq!(constant.of(&json!({})).as_deref(), Some("ci"));
        assert_eq!(WorkloadName::default(), "${sub}".parse().unwrap());
    }

    proptest! {
        #[test]
        fn o88_workloads_with_different_claims_have_different_names(
            a in "[a%@-]{0,3}", b in "[a%@-]{0,3}", c in "[a%@-]{0,3}", d in "[a%@-]{0,3}",
            after in "[a%@-]{1,2}",
        ) {
            let name: WorkloadName = format!("ci/${{a}}{after}${{b}}!").parse().unwrap();
            let of = |a: &str, b: &str| name.of(&json!({ "a": a, "b": b })).unwrap();
            prop_assert_eq!(of(&a, &b) == of(&c, &d), (a, b) == (c, d));
        }
    }
}
