//! Errors of calls whose user can help.

use std::sync::Arc;

use crate::Error;
use crate::era::ConnectionRequest;
use crate::error::CredentialError;
use crate::seal::SealError;

/// Account that the user of a call can connect, or whose scopes the user can grant.
#[derive(Debug)]
pub(super) struct MissingConnection {
    /// Name of the server.
    pub(super) server: Arc<str>,
    /// Purpose of the URL, for the user. It has no URL, which clients show themselves.
    message: String,
    url: Arc<str>,
}

impl MissingConnection {
    /// Returns what `error` lacks; `None` if the user cannot help.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let Error::Credential { server, source } = error else {
            return None;
        };
        let (message, url) = if let CredentialError::NotConnected { url } = source {
            let message = format!("Connect your account of the server {server:?}");
            (message, url)
        } else if let CredentialError::InsufficientScope { scopes, url } = source {
            (further_scopes(server, scopes), url)
        } else {
            return None;
        };
        Some(Self {
            server: Arc::clone(server),
            message,
            url: Arc::clone(url.as_ref()?),
        })
    }

    /// Returns the request to the client.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub(super) fn into_request(self) -> Result<ConnectionRequest, SealError> {
        ConnectionRequest::new(self.message, self.url)
    }
}

/// Returns the purpose of a URL at which the user grants `scopes` of `server`; empty if the server has
/// not named them.
fn further_scopes(server: &str, scopes: &str) -> String {
    match scopes {
        "" => format!("Grant further scopes of the server {server:?}"),
        scopes => format!("Grant scopes of the server {server:?}: {scopes}"),
    }
}
