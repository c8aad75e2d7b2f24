//! The public keys of issuers (RFC 7517).
//!
//! A [`KeySet`] holds those keys of a JWK set that can verify signatures. All others are skipped:
//! symmetric and private keys, encryption keys, short keys, and keys of an unknown kind. One such
//! key does not invalidate the rest of the set. [`RemoteKeys`] is the key set of another issuer,
//! fetched on demand and cached. [`Jwk`] and [`JwkSet`] are the published form.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::jwks::{Jwk, JwkSet, KeySet};
//! use mcp_gateway_auth::jwt::{Algorithm, SigningKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! // The document that an authorization server publishes, and its parsed form.
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

/// The reason for which the keys of an issuer are unavailable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
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

impl From<EgressError> for KeysError {
    fn from(_: EgressError) -> Self {
        Self::Unavailable
    }
}

/// Maximum size of a fetched document, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;
