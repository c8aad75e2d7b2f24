use std::fmt;

/// A revision of the protocol.
///
/// Revisions are ordered by their date.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Version {
    /// [2024-11-05](https://modelcontextprotocol.io/specification/2024-11-05)
    V2024_11_05,
    /// [2025-03-26](https://modelcontextprotocol.io/specification/2025-03-26)
    V2025_03_26,
    /// [2025-06-18](https://modelcontextprotocol.io/specification/2025-06-18)
    V2025_06_18,
    /// [2025-11-25](https://modelcontextprotocol.io/specification/2025-11-25)
    V2025_11_25,
    /// [2026-07-28](https://modelcontextprotocol.io/specification/2026-07-28)
    V2026_07_28,
}

/// How a revision carries its context: per request, or per session.
///
/// See [versioning](https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#terminology).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the specification knows these two")]
pub enum Era {
    /// Sessions that begin with `initialize`: 2025-11-25 and earlier.
    Legacy,
    /// Every request carries its context: 2026-07-28 and later.
    Modern,
}

impl Era {
    /// The era that it is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Legacy => Self::Modern,
            Self::Modern => Self::Legacy,
        }
    }
}

impl Version {
    /// The newest revision that has sessions.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// The newest revision.
    pub const LATEST: Self = Self::V2026_07_28;

    /// All revisions, the newest first.
    pub const ALL: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];

    /// The revision of that date, if it is a known one.
    #[must_use]
    pub fn parse(date: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == date)
    }

    /// The date that names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era that it belongs to.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => {
                Era::Legacy
            }
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// The revision that answers a client which asks for `requested` with `initialize`.
    ///
    /// See [version negotiation][spec].
    ///
    /// [spec]: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#version-negotiation
    #[must_use]
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|version| version.era() == Era::Legacy)
            .unwrap_or(Self::LATEST_LEGACY)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_that_was_asked_for_is_kept() {
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str()), Some(version));
            if version.era() == Era::Legacy {
                assert_eq!(Version::negotiate(version.as_str()), version);
            }
        }
        assert_eq!(Version::negotiate("2026-07-28"), Version::LATEST_LEGACY);
        assert_eq!(Version::negotiate("1.0"), Version::LATEST_LEGACY);
        assert!(Version::V2025_03_26 < Version::V2025_06_18);
    }
}
