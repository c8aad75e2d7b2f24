//! Errors of credential resolution.

use std::sync::Arc;

use super::BoxError;

/// Failure to resolve a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
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
