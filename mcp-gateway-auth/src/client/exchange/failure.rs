//! Failures of exchanges.

use std::sync::Arc;

use mcp_gateway_core::credential::IdentityCause;

use crate::client::{ClientError, ServerError};

/// Failure to exchange an identity.
#[derive(Debug)]
pub(super) enum ExchangeFailure {
    /// The caller or an administrator must act.
    Identity(IdentityFailure),
    /// Anything else, which concerns other callers as well.
    Other(ClientError),
}

/// Identity that an issuer does not exchange.
#[derive(Clone, Debug)]
pub(super) struct IdentityFailure {
    pub(super) issuer: Arc<str>,
    pub(super) cause: IdentityCause,
    /// Claims that the issuer requires, as JSON.
    pub(super) claims: Option<Arc<str>>,
    /// Response of the issuer, for the log; empty without one.
    pub(super) response: String,
}

impl IdentityFailure {
    /// Returns the failure of a caller without an identity of `issuer`.
    pub(super) fn missing(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            cause: IdentityCause::Missing,
            claims: None,
            response: String::new(),
        }
    }
}

impl ExchangeFailure {
    /// Classifies the failure of a request to `issuer` by its code.
    pub(super) fn new(issuer: &str, error: ClientError) -> Self {
        let ClientError::Token(response) = &error else {
            return Self::Other(error);
        };
        match cause(response) {
            Some(cause) => Self::Identity(IdentityFailure {
                issuer: issuer.into(),
                cause,
                claims: response.claims.as_deref().map(Into::into),
                response: response.to_string(),
            }),
            None => Self::Other(error),
        }
    }
}

/// Returns the cause in an error response; `None` if it does not concern the caller.
///
/// RFC 8693 has the code `invalid_request` for an invalid subject token, RFC 7523 `invalid_grant`.
/// Keycloak sends `invalid_token`. Microsoft Entra refines `invalid_grant` with a `suberror`.
fn cause(response: &ServerError) -> Option<IdentityCause> {
    let refined = response.suberror.as_deref().unwrap_or_default();
    Some(match &*response.code {
        "access_denied" => IdentityCause::Denied,
        "consent_required"
        | "insufficient_user_authentication"
        | "interaction_required"
        | "login_required" => IdentityCause::Interaction,
        "invalid_grant" if INTERACTIVE.contains(&refined) => IdentityCause::Interaction,
        "invalid_grant" | "invalid_request" | "invalid_token" => IdentityCause::Rejected,
        _ => return None,
    })
}

/// Values of `suberror` that an interaction of the user resolves.
const INTERACTIVE: [&str; 5] = [
    "additional_action",
    "basic_action",
    "consent_required",
    "message_only",
    "user_password_expired",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_classified_by_their_code() {
        let table = [
            ("access_denied", "", Some(IdentityCause::Denied)),
            ("interaction_required", "", Some(IdentityCause::Interaction)),
            (
                "invalid_grant",
                "consent_required",
                Some(IdentityCause::Interaction),
            ),
            (
                "invalid_grant",
                "token_expired",
                Some(IdentityCause::Rejected),
            ),
            ("invalid_request", "", Some(IdentityCause::Rejected)),
            ("invalid_client", "", None),
            ("invalid_target", "", None),
            ("temporarily_unavailable", "", None),
            ("503", "", None),
        ];
        for (error, suberror, expected) in table {
            let response = json!({ "error": error, "suberror": suberror });
            assert_eq!(cause(&ServerError::parse(&response)), expected, "{error}");
        }
    }
}
