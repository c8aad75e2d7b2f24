//! The signature algorithms of JWTs (RFC 7518, section 3; RFC 8037).
//!
//! The set is closed and asymmetric. A token therefore cannot select `none`, nor HMAC with a public
//! key as the secret: the two classic attacks of algorithm confusion (RFC 8725, section 2.1).

use std::fmt;

/// A signature algorithm. There are no symmetric ones, and there is no `none`.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::jose::Algorithm;
///
/// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
/// assert_eq!(Algorithm::from_name("none"), None);
/// assert_eq!(Algorithm::from_name("HS256"), None);
/// assert_eq!(Algorithm::from_name("es256"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// `EdDSA` with Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

impl Algorithm {
    /// All supported algorithms, in alphabetical order.
    pub const ALL: [Self; 9] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// Returns the algorithm with the `alg` value `name`.
    ///
    /// The comparison is case-sensitive (RFC 7515, section 4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Returns the `alg` value of the algorithm.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// Returns the same algorithm as the type of the `jsonwebtoken` crate, which stays out of the
    /// public API.
    pub(super) fn foreign(self) -> jsonwebtoken::Algorithm {
        use jsonwebtoken::Algorithm as Foreign;
        match self {
            Self::EdDsa => Foreign::EdDSA,
            Self::Es256 => Foreign::ES256,
            Self::Es384 => Foreign::ES384,
            Self::Ps256 => Foreign::PS256,
            Self::Ps384 => Foreign::PS384,
            Self::Ps512 => Foreign::PS512,
            Self::Rs256 => Foreign::RS256,
            Self::Rs384 => Foreign::RS384,
            Self::Rs512 => Foreign::RS512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
