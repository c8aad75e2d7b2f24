//! Sign and verify JSON Web Tokens, strictly.
//!
//! A [`JwtVerifier`] takes a token, the keys of its issuer and an [`Expectation`], and looks at all
//! of this, always:
//!
//! 1. The token is not longer than 16 KiB, has three parts in their canonical encoding, and no name
//!    twice in any object.
//! 2. The algorithm is asymmetric, and one of those expected; the type is the one expected, so that
//!    no kind of token passes for another. There is no `crit`, and nothing encrypted, compressed,
//!    unencoded or nested.
//! 3. The key is one of the issuer's, made for that algorithm, and not too short. Keys and addresses
//!    of keys in the token are not looked at.
//! 4. The issuer is one string and exactly the one expected, and so is one of the audiences.
//! 5. It has not expired, has begun, was not issued in the future, and is not good for longer than
//!    is wanted, with at most a minute between the clocks.
//! 6. The claims that are wanted are there, have the right type, and a subject is short and without
//!    control characters.
//!
//! Nobody can switch one of them off. A [`SigningKey`] makes tokens.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::Clock;
//! use mcp_gateway_auth::jwks::{JwkSet, KeySet};
//! use mcp_gateway_auth::jwt::{Algorithm, Expectation, JwtError, JwtVerifier, SigningKey};
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
//! let ours = Expectation::access_token(issuer, "https://gw.example.com/mcp");
//! let verified = verifier.verify(&token, &keys, &ours)?;
//! assert_eq!(verified.claims.sub.as_deref(), Some("alice"));
//!
//! let other = Expectation::access_token(issuer, "https://gw.example.com/mcp-other");
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
mod key;
mod token;
mod verifier;

pub use self::algorithm::Algorithm;
pub use self::claims::Claims;
pub(crate) use self::claims::is_plain;
pub use self::error::JwtError;
pub use self::expectation::Expectation;
pub use self::header::Header;
pub use self::key::SigningKey;
pub use self::token::{MAX_TOKEN, Unverified};
pub use self::verifier::{JwtVerifier, Verified};
