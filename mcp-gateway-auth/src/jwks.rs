//! The cached key sets of remote issuers (RFC 7517, section 5; RFC 8414).
//!
//! [`RemoteJwks`] fetches the JWK set of an issuer on demand, through
//! [`Egress`](crate::egress::Egress), and caches it. The parsed form is a
//! [`KeySet`](crate::jose::KeySet): it holds those keys that can verify signatures. All others are
//! skipped: symmetric and private keys, encryption keys, short keys, and keys of an unknown kind.
//! One such key does not invalidate the rest of the set. [`JwkSet`](crate::jose::JwkSet) is the
//! published form.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::jose::{Algorithm, JwkSet, KeySet, SigningKey};
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

mod remote;
mod source;
mod verify;

pub use self::remote::RemoteJwks;

use crate::egress::EgressError;
use crate::jose::JwksError;

impl From<EgressError> for JwksError {
    fn from(_: EgressError) -> Self {
        Self::Unavailable
    }
}

/// Maximum size of a fetched document, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;
