//! The keys of issuers.
//!
//! A [`KeySet`] holds the public keys of a [JWK set](https://www.rfc-editor.org/rfc/rfc7517) that
//! can verify signatures, and none of the others: symmetric and private keys, those for encryption,
//! those that are too short or that nobody here understands are left out, and the rest are kept.
//! [`RemoteKeys`] is the set of an issuer elsewhere, which it fetches when it is needed.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::jwks::{Jwk, JwkSet, KeySet};
//! use mcp_gateway_auth::jwt::{Algorithm, SigningKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! // What an authorization server publishes, and what others make of it.
//! let published = serde_json::to_vec(&JwkSet::new([key.public().clone()]))?;
//! let keys = KeySet::parse(&published)?;
//! assert!(keys.contains(key.kid()));
//!
//! let symmetric = br#"{"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]}"#;
//! assert!(KeySet::parse(symmetric)?.is_empty());
//! # Ok(())
//! # }
//! ```

mod jwk;
mod remote;
mod set;
mod source;

pub use self::jwk::{Jwk, JwkSet};
pub use self::remote::RemoteKeys;
pub use self::set::KeySet;
pub(crate) use self::set::VerificationKey;

use crate::egress::EgressError;

/// Why the keys of an issuer could not be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The discovery document names another issuer than the one that it was asked for.
    #[error("the discovery document is of another issuer")]
    Issuer,
    /// The document is not a JWK set, or not a discovery document.
    #[error("the document is malformed")]
    Malformed,
    /// The document could not be fetched, now or a short while ago; the log says why.
    #[error("the document could not be fetched")]
    Unavailable,
}

impl From<EgressError> for KeysError {
    fn from(_: EgressError) -> Self {
        Self::Unavailable
    }
}

/// The largest document that is taken, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;
