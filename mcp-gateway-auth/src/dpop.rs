//! Tokens that are bound to a key of their client (RFC 9449, DPoP).
//!
//! A client proves with each request that it has the [key](DpopKey) to which its token is bound, so
//! that a stolen token is useless without it. A [`DpopVerifier`] verifies the proofs. See [RFC
//! 9449](https://www.rfc-editor.org/rfc/rfc9449).

mod key;
mod nonces;
mod replays;
#[cfg(feature = "client")]
mod signer;
mod verifier;

pub use self::key::{DpopKey, DpopProof};
#[cfg(feature = "client")]
pub(crate) use self::signer::DpopSigner;
pub use self::verifier::{DpopError, DpopTarget, DpopVerifier};

/// Header of a proof.
pub(crate) const DPOP: &str = "dpop";

/// Header with the nonce that the next proof must contain.
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) const DPOP_NONCE: &str = "dpop-nonce";

/// Error of a proof without a valid nonce.
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) const USE_NONCE: &str = "use_dpop_nonce";

/// Authentication scheme of bound tokens, and their type.
pub(crate) const SCHEME: &str = "DPoP";

/// Type of proofs.
const TYPE: &str = "dpop+jwt";
