//! Errors of credential resolution.

use std::fmt;
use std::sync::Arc;

use super::BoxError;

/// Failure to resolve a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The authorization server does not accept the gateway as its client, or what it requests. It
    /// fails for all callers until the configuration of the server is corrected.
    #[error("client rejected: {code}")]
    ClientRejected {
        /// Error code, such as `invalid_client` (RFC 6749, section 5.2).
        code: Arc<str>,
    },
    /// The caller has no identity that can be exchanged for a token of the server.
    ///
    /// A call of a tool is answered by a tool result that says what is missing, with the link if
    /// there is one.
    #[error("identity of {issuer} required: {cause}")]
    IdentityRequired {
        /// Issuer of the identity: an identity provider, or the authorization server of the server.
        issuer: Arc<str>,
        /// Cause.
        cause: IdentityCause,
        /// Claims that the issuer requires, as JSON.
        claims: Option<Arc<str>>,
        /// Address at which the user can log in with the issuer.
        url: Option<Arc<str>>,
    },
    /// The account of the caller lacks scopes that the call requires.
    ///
    /// A call of a tool is answered by a tool result with the link, so that the user sees it.
    #[error("insufficient scope")]
    InsufficientScope {
        /// The required scopes, separated by spaces; empty if the server has not named them.
        scopes: Arc<str>,
        /// Address at which the user can grant them; `None` if that is not possible, or was tried.
        url: Option<Arc<str>>,
    },
    /// The caller has presented no identity token that can be used at the server.
    ///
    /// A call of a tool is answered by a tool result, so that the user sees what is missing.
    #[error("identity token required: {required}")]
    IdentityTokenRequired {
        /// Description of the token, such as `one of https://idp.example.com`.
        required: Arc<str>,
    },
    /// The caller has not connected an account of the server.
    ///
    /// A call of a tool is answered by a tool result with the link, so that the user sees it.
    #[error("no connected account")]
    NotConnected {
        /// Address at which the user can connect one.
        url: Option<Arc<str>>,
    },
    /// The server has been replaced while the call was prepared.
    ///
    /// The server is looked up again in its pool, and the credential resolved for its successor.
    #[error("server replaced")]
    Replaced,
    /// The team or the organization with whose account all callers call the server has connected
    /// none.
    ///
    /// A call of a tool is answered by a tool result without a link, because the caller may not
    /// connect it.
    #[error("no connected account of {owner}")]
    SharedNotConnected {
        /// Owner of the account, such as `the team "platform"`.
        owner: Arc<str>,
    },
    /// The credential store is unavailable.
    #[error("credential store unavailable")]
    Unavailable(#[source] BoxError),
}

/// Cause for which the identity of a caller cannot be exchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum IdentityCause {
    /// The issuer does not permit the caller to use the server.
    Denied,
    /// The issuer requires an interaction, such as a second factor or consent.
    Interaction,
    /// The caller is not logged in with the issuer.
    Missing,
    /// The issuer does not accept the login any more.
    Rejected,
}

impl IdentityCause {
    /// Returns the name, as clients see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Interaction => "interaction",
            Self::Missing => "missing",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for IdentityCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
