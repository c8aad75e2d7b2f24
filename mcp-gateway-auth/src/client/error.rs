//! Errors of the OAuth client.

use std::time::Duration;

use ::http::StatusCode;
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_core::{BoxError, Mask};

use crate::egress::EgressError;

/// Error of an OAuth client.
///
/// Text of servers is part of some messages. It is bounded and free of control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The assertion of a workload cannot be read.
    #[error("the assertion at {path} cannot be read")]
    Assertion {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A server names an address that is not allowed.
    #[error("{what}: {address:?} {reason}")]
    Address {
        /// The parameter that holds the address.
        what: &'static str,
        /// The address.
        address: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The authorization server has denied the authorization.
    #[error("authorization denied: {0}")]
    Denied(ServerError),
    /// A document or an endpoint cannot be reached.
    #[error("{}: {url}", failure(source))]
    Egress {
        /// The address.
        url: String,
        /// The cause.
        #[source]
        source: EgressError,
    },
    /// The server is reached without TLS, and is not on this machine.
    #[error("{0} is not https: the token would be readable in transit")]
    Insecure(String),
    /// The metadata of the authorization server names another issuer.
    #[error("issuer mismatch: the metadata of {expected} is for {found:?}; both must be identical")]
    Issuer {
        /// The issuer that the resource names.
        expected: String,
        /// The issuer that the metadata names.
        found: String,
    },
    /// The port for the redirect cannot be opened.
    #[error("failed to listen for the redirect of the browser")]
    Listen(#[source] BoxError),
    /// The metadata of a server lacks something or is malformed.
    #[error("{server}: {reason}")]
    Metadata {
        /// The server or resource.
        server: String,
        /// The defect.
        reason: &'static str,
    },
    /// The authorization response comes from another authorization server (RFC 9207).
    #[error(
        "issuer mismatch: the authorization response is from {found:?} instead of {expected}; the \
         code was not redeemed"
    )]
    MixUp {
        /// The issuer that the browser was sent to.
        expected: String,
        /// The issuer that the response names.
        found: String,
    },
    /// The authorization server announces `iss` in authorization responses, and omits it.
    #[error("the authorization response has no `iss`, although {0} announces it")]
    NoIssuer(String),
    /// The authorization server registers no client, and none was configured.
    #[error("{0} does not support client registration: register a client there, and configure it")]
    NoRegistration(String),
    /// The server requires a token, but has no protected resource metadata (RFC 9728).
    #[error("{url} requires a token, but has no protected resource metadata at {tried}")]
    NoResourceMetadata {
        /// The server.
        url: String,
        /// The first address at which the metadata was expected.
        tried: String,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// A server has rejected a request.
    #[error("{what} rejected with {status}: {error}")]
    Rejected {
        /// The request.
        what: &'static str,
        /// The status of the response.
        status: StatusCode,
        /// The error in the response.
        error: ServerError,
    },
    /// The metadata is for another resource.
    #[error(
        "resource mismatch: the metadata is for {resource:?} instead of {url}; if that is the \
         server, configure its URL"
    )]
    Resource {
        /// The server that the client connects to.
        url: String,
        /// The resource that the metadata names.
        resource: String,
    },
    /// A response is malformed.
    #[error("{what}: {reason}")]
    Response {
        /// The request.
        what: &'static str,
        /// The defect.
        reason: &'static str,
    },
    /// The assertion of a client cannot be signed.
    #[error("failed to sign the client assertion")]
    Sign(#[source] BoxError),
    /// The server has responded to the probe with an unexpected status.
    #[error("{url} responded with {status}")]
    Status {
        /// The server.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The refresh of a token is delayed, because the last attempts have failed.
    #[error("token refresh suspended for {}s after a failure: {failure}", remaining.as_secs_f64().ceil())]
    Suspended {
        /// The time until the next attempt.
        remaining: Duration,
        /// The last failure.
        failure: String,
        /// Code of the last failure, if the next attempt would fail alike.
        code: Option<String>,
    },
    /// The token endpoint has rejected the code or the refresh token.
    #[error("token request rejected: {0}")]
    Token(ServerError),
    /// The authorization was not completed in time.
    #[error("the login was not completed within ten minutes")]
    Timeout,
}

impl ClientError {
    /// Masks the text of the server in a rejection.
    pub(super) fn masked(mut self, mask: &Mask) -> Self {
        if let Self::Rejected { error, .. } = &mut self {
            error.code = mask.apply(&error.code).into_owned();
            error.description = error
                .description
                .as_deref()
                .map(|text| mask.apply(text).into());
        }
        self
    }

    /// Returns `true` if the refresh token is invalid, expired or revoked (RFC 6749, section 5.2).
    ///
    /// The status is insignificant: servers send this error with 400, 401, 403, 500 and even 200.
    #[must_use]
    pub fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Token(error) if error.code == "invalid_grant")
    }

    /// Returns the code of the error if another request would fail in the same way, because the
    /// client or its request is not accepted (RFC 6749, section 5.2; RFC 8707, section 2).
    pub(crate) fn final_code(&self) -> Option<&str> {
        match self {
            Self::Token(error) => Some(&*error.code).filter(|code| FINAL.contains(code)),
            Self::Suspended { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// Returns the rest of the pause for which the server has asked.
    #[cfg(feature = "accounts")]
    pub(crate) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Egress {
                source: EgressError::Paused { remaining },
                ..
            } => Some(*remaining),
            _ => None,
        }
    }

    /// Returns `true` if the authorization server rejects the resource indicator (RFC 8707).
    #[cfg(feature = "accounts")]
    pub(crate) fn is_invalid_target(&self) -> bool {
        matches!(self, Self::Denied(error) | Self::Token(error) if error.code == "invalid_target")
    }

    /// Returns `true` if the authorization server does not accept the registered client.
    #[cfg(feature = "accounts")]
    pub(crate) fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Token(error) if error.code == "invalid_client")
    }

    /// Returns `true` if the client may not request the scopes of an authorization request.
    #[cfg(feature = "accounts")]
    pub(crate) fn is_denied_scope(&self) -> bool {
        matches!(self, Self::Denied(error) if error.code == "invalid_scope")
    }
}

impl From<ClientError> for CredentialError {
    fn from(error: ClientError) -> Self {
        match error.final_code() {
            Some(code) => Self::ClientRejected { code: code.into() },
            None => Self::Unavailable(error.into()),
        }
    }
}

/// Codes of errors that another request would have again.
const FINAL: [&str; 7] = [
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Returns the summary of a failed request.
fn failure(source: &EgressError) -> &'static str {
    match source {
        EgressError::Paused { .. } => "no request during a pause",
        EgressError::Timeout | EgressError::Unavailable => "failed to connect to the server",
        EgressError::ContentType | EgressError::Status(_) | EgressError::TooLarge { .. } => {
            "unexpected response"
        }
    }
}

/// Error response of a server: `error` and `error_description` of RFC 6749, section 5.2.
///
/// The text is printable and of bounded length.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerError {
    /// Code, such as `invalid_grant`.
    pub code: String,
    /// Explanation for a human.
    pub description: Option<String>,
    /// Code that refines `code`, such as `consent_required`; Microsoft Entra sends one.
    pub suberror: Option<String>,
    /// Claims that a token must have, as JSON (claims challenge of Microsoft Entra).
    pub claims: Option<String>,
}

impl ServerError {
    /// Returns the error with printable text of bounded length.
    pub(super) fn new(code: &str, description: Option<&str>) -> Self {
        Self {
            code: printable(code),
            description: description.map(printable),
            suberror: None,
            claims: None,
        }
    }

    /// Reads an error response of a token endpoint.
    #[cfg(feature = "client-credentials")]
    pub(super) fn parse(document: &serde_json::Value) -> Self {
        let text = |key: &str| document[key].as_str();
        Self {
            suberror: text("suberror").map(printable),
            claims: text("claims").map(printable),
            ..Self::new(text("error").unwrap_or_default(), text("error_description"))
        }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.code)?;
        match &self.description {
            Some(description) if self.code.is_empty() => f.write_str(description),
            Some(description) => write!(f, ": {description}"),
            None => Ok(()),
        }
    }
}

/// Returns `text` without control characters, which could forge output of a terminal or log lines.
pub(super) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).take(MAX_TEXT).collect()
}

/// Maximum length of text of a server, in characters.
const MAX_TEXT: usize = 1000;
