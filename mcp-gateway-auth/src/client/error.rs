//! Errors of the OAuth client.

use ::http::StatusCode;
use mcp_gateway_core::BoxError;

use crate::egress::EgressError;

/// The reason why a client gets no token.
///
/// Text of servers is part of some messages. It is bounded and free of control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An address is not one that a server may send a client to.
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
    #[error("the authorization was refused: {0}")]
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
    #[error("{0} is not https: whoever is on the way could take the token")]
    Insecure(String),
    /// The metadata of the authorization server names another issuer.
    #[error(
        "the metadata of {expected} is that of {found:?}: the two must be the same, to the letter"
    )]
    Issuer {
        /// The issuer that the resource names.
        expected: String,
        /// The issuer that the metadata names.
        found: String,
    },
    /// The port for the redirect cannot be opened.
    #[error("no port is free for the browser to come back to")]
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
        "the browser comes from {found:?}, and was sent to {expected}: somebody mixes up two \
         authorization servers, and nothing was sent to either"
    )]
    MixUp {
        /// The issuer that the browser was sent to.
        expected: String,
        /// The issuer that the response names.
        found: String,
    },
    /// The authorization server announces `iss` in authorization responses, and omits it.
    #[error("{0} says that it names itself in `iss`, and does not")]
    NoIssuer(String),
    /// The authorization server registers no client, and none was configured.
    #[error("{0} lets no client register itself")]
    NoRegistration(String),
    /// The server requires a token, and has no metadata that says where to get one (RFC 9728).
    #[error("{url} wants a token, and does not say from where: it has no {tried}")]
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
    #[error("{what} is refused with {status}: {error}")]
    Rejected {
        /// The request.
        what: &'static str,
        /// The status of the response.
        status: StatusCode,
        /// The error in the response.
        error: ServerError,
    },
    /// The metadata of the resource is about another resource.
    #[error("the metadata is about {resource:?}, and not about {url}")]
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
    /// The server has responded to the probe with an unexpected status.
    #[error("{url} answers {status}")]
    Status {
        /// The server.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The token endpoint has rejected the code or the refresh token.
    #[error("the token endpoint refuses: {0}")]
    Token(ServerError),
    /// Nobody has completed the authorization in time.
    #[error("nobody has logged in within ten minutes")]
    Timeout,
}

/// Returns the summary of a failed request.
fn failure(source: &EgressError) -> &'static str {
    match source {
        EgressError::Unavailable => "failed to connect to the server",
        EgressError::ContentType | EgressError::Status(_) | EgressError::TooLarge { .. } => {
            "unexpected response"
        }
    }
}

/// An error that a server reports: `error` and `error_description` of RFC 6749.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerError {
    /// Code, such as `invalid_grant`.
    pub code: String,
    /// Explanation for people.
    pub description: Option<String>,
}

impl ServerError {
    /// Returns the error with printable text of bounded length.
    pub(super) fn new(code: &str, description: Option<&str>) -> Self {
        Self {
            code: printable(code),
            description: description.map(printable),
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

/// Returns `text` without control characters, which could play tricks on a terminal or in a log.
pub(super) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).take(MAX_TEXT).collect()
}

/// Maximum length of text of a server, in characters.
const MAX_TEXT: usize = 1000;
