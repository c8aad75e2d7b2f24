//! Tokens that are bound to a key of their client (RFC 9449, DPoP).
//!
//! A client proves with each request that it has the [key](DpopKey) to which its token is bound, so
//! that a stolen token is useless without it. See [RFC
//! 9449](https://www.rfc-editor.org/rfc/rfc9449).

mod key;
#[cfg(feature = "client")]
mod signer;

pub use self::key::{DpopKey, DpopProof};
#[cfg(feature = "client")]
pub(crate) use self::signer::DpopSigner;

/// Header of a proof.
pub(crate) const DPOP: &str = "dpop";

/// Header with the nonce that the next proof must contain.
#[cfg(feature = "client")]
pub(crate) const DPOP_NONCE: &str = "dpop-nonce";

/// Error of a proof without a valid nonce.
#[cfg(feature = "client")]
pub(crate) const USE_NONCE: &str = "use_dpop_nonce";

/// Authentication scheme of bound tokens, and their type.
#[cfg(feature = "client")]
pub(crate) const SCHEME: &str = "DPoP";
