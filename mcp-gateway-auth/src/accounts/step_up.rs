//! Scopes that a server requires beyond those of an account ([MCP 2026-07-28, authorization][mcp]).
//!
//! Servers report them as 403 with `insufficient_scope`, with the scopes or without; some as 401
//! with `insufficient_scope`, or as the 401 of an invalid token.
//!
//! [mcp]: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization

use std::collections::HashSet;

use http::StatusCode;
use mcp_gateway_core::credential::Challenge;

use super::ConnectedAccount;
use super::server::AccountServer;
use crate::client::{AuthorizationTarget, OFFLINE_ACCESS};

/// Scopes that a call requires.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct RequiredScopes(Vec<String>);

impl RequiredScopes {
    /// Returns the scopes that `challenge` requires of a call with `account`; `None` if the
    /// challenge is not about scopes.
    ///
    /// Without scopes in the challenge, they are those that the metadata of the resource lists.
    pub(super) fn of(challenge: &Challenge, account: &ConnectedAccount) -> Option<Self> {
        let mut required = Self::new(challenge.scopes());
        let is_named = !required.0.is_empty();
        if !is_named {
            required = Self::new(account.resource_scopes());
        }
        let is_about_scopes = challenge.is_insufficient_scope()
            || match challenge.status() {
                StatusCode::FORBIDDEN => challenge.error().is_none() && has_scheme(challenge),
                // Only another token can tell a missing scope from an invalid token.
                _ => is_named && account.is_refreshed(),
            } && required.lacks_of(account);
        is_about_scopes.then_some(required)
    }

    /// Parses the scopes of a link or a challenge. Invalid ones are left out, as are those beyond
    /// [`MAX_SCOPES`].
    pub(super) fn new<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let valid = scopes.into_iter().filter(|scope| is_valid(scope));
        Self(valid.take(MAX_SCOPES).map(str::to_owned).collect())
    }

    /// Returns `true` if the owner of `account` has not been asked for one of the scopes.
    ///
    /// Otherwise the server requires what the authorization server does not grant, so that another
    /// request would lead to the same rejection.
    pub(super) fn lacks_of(&self, account: &ConnectedAccount) -> bool {
        self.iter().any(|scope| !account.has_requested(scope))
    }

    /// Returns the scopes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the scopes, separated by spaces.
    pub(super) fn text(&self) -> String {
        self.0.join(" ")
    }
}

/// Returns the scopes of an authorization request: the configured ones; otherwise those of the
/// challenge, otherwise those of the resource, with those of the `present` account at the same
/// authorization server and those that are `added`.
///
/// `offline_access` is added where the authorization server offers it, because some servers issue
/// no refresh token otherwise.
pub(super) fn requested_scope(
    server: &AccountServer,
    target: &AuthorizationTarget,
    (present, added): (Option<&ConnectedAccount>, &RequiredScopes),
) -> Option<String> {
    let mut scopes: Vec<&str> = match server.scope().or(target.scope.as_deref()) {
        Some(named) => named.split_whitespace().collect(),
        None => target.resource_scopes.iter().map(String::as_str).collect(),
    };
    if server.scope().is_none() {
        let present = present.filter(|account| account.issuer() == target.server.issuer);
        let granted = present
            .and_then(ConnectedAccount::scope)
            .unwrap_or_default();
        scopes.extend(granted.split_whitespace().chain(added.iter()));
        scopes.retain(|scope| *scope != OFFLINE_ACCESS);
    }
    let is_offered = target.server.scopes.iter().any(|it| it == OFFLINE_ACCESS);
    scopes.extend(is_offered.then_some(OFFLINE_ACCESS));
    let mut known = HashSet::new();
    scopes.retain(|scope| known.insert(*scope));
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

/// Returns `true` if the response has a challenge.
fn has_scheme(challenge: &Challenge) -> bool {
    challenge.schemes().next().is_some()
}

/// Returns `true` if `scope` is a scope of bounded length (RFC 6749, section 3.3).
fn is_valid(scope: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !scope.is_empty() && scope.len() <= MAX_LENGTH && scope.bytes().all(is_allowed)
}

/// Maximum number of required scopes.
const MAX_SCOPES: usize = 50;

/// Maximum length of a scope, in bytes.
const MAX_LENGTH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o70_invalid_scopes_are_left_out() {
        let long = "x".repeat(MAX_LENGTH + 1);
        let scopes = [
            "files:read",
            "",
            "a\"b",
            "a b",
            "a\\b",
            "\u{e9}",
            &long,
            "x",
        ];
        assert_eq!(RequiredScopes::new(scopes).text(), "files:read x");
        let many = (0..MAX_SCOPES + 1).map(|_| "x");
        assert_eq!(RequiredScopes::new(many).iter().count(), MAX_SCOPES);
    }
}
