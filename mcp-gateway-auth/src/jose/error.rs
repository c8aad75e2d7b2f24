//! The reasons for which a JWT is rejected.
//!
//! The variants are precise for the log of the operator. A client only learns `invalid_token` (RFC
//! 6750, section 3.1): a precise reason would help to forge tokens.

/// A validation error of a JWT, or a failure to sign one.
///
/// The messages contain no value of the token, so that they can be logged.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::{JwtError, UnverifiedJwt};
///
/// let error = UnverifiedJwt::parse("not a token").unwrap_err();
/// assert!(matches!(error, JwtError::Malformed));
/// assert_eq!(error.to_string(), "malformed JWT");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The signature algorithm is unknown or not among the accepted ones.
    #[error("algorithm not accepted")]
    Algorithm,
    /// The token was issued for another audience.
    #[error("audience mismatch")]
    Audience,
    /// A claim has a wrong type, an invalid value, or a value that is not the expected one.
    #[error("invalid claim {0:?}")]
    Claim(&'static str),
    /// The expiration time has passed.
    #[error("expired")]
    Expired,
    /// A header parameter has a wrong type, or it is an extension that must be understood (RFC
    /// 7515, section 4.1.11).
    #[error("unsupported header parameter {0:?}")]
    Header(&'static str),
    /// The token was issued by another issuer.
    #[error("issuer mismatch")]
    Issuer,
    /// The issuer has no key with the key ID and for the algorithm of the token. Also: a private
    /// key is invalid or cannot be exported.
    #[error("no matching key")]
    Key,
    /// The keys of the issuer are unavailable. This is not the fault of the caller who presents the
    /// token.
    #[error("keys unavailable")]
    Keys(#[source] JwksError),
    /// The lifetime of the token exceeds the accepted maximum.
    #[error("lifetime too long")]
    Lifetime,
    /// The token is not a JWS in compact serialization, its parts are not canonical base64url, or
    /// its JSON is invalid.
    #[error("malformed JWT")]
    Malformed,
    /// A required claim is absent.
    #[error("missing claim {0:?}")]
    Missing(&'static str),
    /// The token is not yet valid, or was issued in the future.
    #[error("not yet valid (nbf/iat)")]
    NotYet,
    /// No candidate key of the issuer verifies the signature.
    #[error("invalid signature")]
    Signature,
    /// The token could not be signed, or its claims could not be serialized.
    #[error("signing failed")]
    Sign,
    /// The token is longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    #[error("token too long")]
    TooLong,
    /// The token has another type: it was issued for another purpose.
    #[error("type mismatch")]
    Type,
}

/// The reason for which the keys of an issuer are unavailable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The discovery document has another `issuer` than the requested one (RFC 8414, section 3.3).
    #[error("issuer mismatch in discovery document")]
    Issuer,
    /// The document is not a JWK set, or not a discovery document.
    #[error("malformed JWK set or discovery document")]
    Malformed,
    /// The document could not be fetched, now or a short time ago. The log has the cause.
    #[error("document unavailable")]
    Unavailable,
}
