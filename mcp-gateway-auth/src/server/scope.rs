//! Sets of scopes (RFC 6749, section 3.3).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of scopes, in the syntax of [RFC 6749, section
/// 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::Scopes;
///
/// let granted: Scopes = "mcp offline_access".parse()?;
/// let wanted: Scopes = "mcp".parse()?;
/// assert!(granted.contains_all(&wanted) && !wanted.contains_all(&granted));
/// assert!("mcp \"quoted\"".parse::<Scopes>().is_err());
/// # Ok::<(), mcp_gateway_auth::server::ScopeError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(BTreeSet<String>);

/// A scope contains characters that are not allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid character in scope")]
#[non_exhaustive]
pub struct ScopeError;

impl Scopes {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns `true` if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if the set contains `scope`.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Returns `true` if the set contains all of `others`.
    #[must_use]
    pub fn contains_all(&self, others: &Self) -> bool {
        self.0.is_superset(&others.0)
    }

    /// Returns the scopes in both sets.
    #[must_use]
    pub fn intersection(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).cloned().collect())
    }

    /// Returns the scopes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl std::str::FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let scopes = text.split(' ').filter(|scope| !scope.is_empty());
        let scopes = scopes.map(|scope| match scope.bytes().all(is_scope_byte) {
            true => Ok(scope.to_owned()),
            false => Err(ScopeError),
        });
        scopes.collect::<Result<_, _>>().map(Self)
    }
}

/// Returns `true` for the characters of a scope token: `%x21 / %x23-5B / %x5D-7E`.
fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

impl TryFrom<String> for Scopes {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl<S: Into<String>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "\\PC{0,40}") {
            if let Ok(scopes) = text.parse::<Scopes>() {
                prop_assert_eq!(scopes.to_string().parse::<Scopes>(), Ok(scopes));
            }
        }

        #[test]
        fn an_intersection_is_part_of_both(one in "[a-c ]{0,8}", other in "[a-c ]{0,8}") {
            let (one, other): (Scopes, Scopes) = (one.parse().unwrap(), other.parse().unwrap());
            let both = one.intersection(&other);
            prop_assert!(one.contains_all(&both) && other.contains_all(&both));
            prop_assert_eq!(one.contains_all(&other), both == other);
        }
    }
}
