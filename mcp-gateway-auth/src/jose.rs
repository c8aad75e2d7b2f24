//! Signing and strict verification of JSON Web Tokens (RFC 7515, RFC 7519, RFC 8725).
//!
//! A [`JwtVerifier`] validates a token against the keys of its issuer and a [`Validation`]. These
//! checks are always made, and no option disables one of them:
//!
//! 1. The token is at most 16 KiB long, has three parts in canonical base64url, and no JSON object
//!    in it contains a name twice.
//! 2. The algorithm is asymmetric and expected. The type is expected, so that one kind of token is
//!    never accepted as another kind (RFC 8725, section 3.11). The header has no `crit`, and the
//!    token is not encrypted, compressed, unencoded or nested.
//! 3. The key belongs to the issuer, fits the algorithm and is long enough. Keys and key addresses
//!    inside the token are ignored.
//! 4. The issuer is a single string and equals the expected one exactly; one of the audiences does
//!    likewise.
//! 5. The token has not expired, is already valid, was not issued in the future, and its lifetime
//!    is within the limit. The clocks may differ by at most one minute.
//! 6. The required claims are present and have the right type. A subject is short and has no
//!    control characters.
//!
//! A [`SigningKey`] issues tokens. [`jwks`](crate::jwks) fetches the keys of remote issuers;
//! [`token`](crate::token) maps verified claims to principals.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::Clock;
//! use mcp_gateway_auth::jose::{
//!     Algorithm, Validation, JwkSet, JwtError, JwtVerifier, KeySet, SigningKey,
//! };
//! use serde_json::json;
//!
//! # fn main() -> Result<(), JwtError> {
//! let clock = Clock::fixed(1_800_000_000);
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let token = key.sign("at+jwt", &json!({
//!     "iss": "https://gw.example.com",
//!     "aud": "https://gw.example.com/mcp",
//!     "sub": "alice",
//!     "client_id": "editor",
//!     "jti": "1",
//!     "iat": clock.now(),
//!     "exp": clock.now() + 3600,
//! }))?;
//!
//! let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
//! let verifier = JwtVerifier::new(clock);
//! let issuer = "https://gw.example.com";
//! let ours = Validation::access_token(issuer, "https://gw.example.com/mcp");
//! let verified = verifier.verify(&token, &keys, &ours)?;
//! assert_eq!(verified.claims.sub.as_deref(), Some("alice"));
//!
//! let other = Validation::access_token(issuer, "https://gw.example.com/mcp-other");
//! assert!(matches!(verifier.verify(&token, &keys, &other), Err(JwtError::Audience)));
//! # Ok(())
//! # }
//! ```

mod algorithm;
mod claims;
mod error;
mod expectation;
mod header;
mod json;
mod jwk;
mod key;
mod self_signed;
mod set;
mod token;
mod verifier;

pub use self::algorithm::Algorithm;
pub use self::claims::Claims;
pub(crate) use self::claims::is_plain;
pub use self::error::{JwksError, JwtError};
pub use self::expectation::Validation;
pub use self::header::Header;
pub use self::jwk::{Jwk, JwkSet};
pub use self::key::SigningKey;
pub(crate) use self::self_signed::SelfSignedJwt;
pub use self::set::KeySet;
pub use self::token::{MAX_TOKEN, UnverifiedJwt};
pub use self::verifier::{JwtVerifier, VerifiedJwt};
