use std::fmt;

/// A signature algorithm. There are no symmetric ones here, and there is no `none`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256, with SHA-256.
    Es256,
    /// ECDSA on P-384, with SHA-384.
    Es384,
    /// RSASSA-PSS, with SHA-256.
    Ps256,
    /// RSASSA-PSS, with SHA-384.
    Ps384,
    /// RSASSA-PSS, with SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5, with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5, with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5, with SHA-512.
    Rs512,
}

impl Algorithm {
    /// All of them.
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

    /// The algorithm that is called `name` in a header, exactly so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// How it is called in a header.
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
