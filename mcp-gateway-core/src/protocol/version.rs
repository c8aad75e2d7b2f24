//! Protocol versions and their two eras.

use std::fmt;

/// A protocol version.
///
/// Protocol versions are ordered by date.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::protocol::{Era, ProtocolVersion};
///
/// assert_eq!(ProtocolVersion::parse("2025-11-25"), Some(ProtocolVersion::V2025_11_25));
/// assert_eq!(ProtocolVersion::LATEST.era(), Era::Modern);
/// assert!(ProtocolVersion::LATEST_LEGACY < ProtocolVersion::LATEST);
/// // `initialize` never negotiates a modern protocol version.
/// assert_eq!(ProtocolVersion::negotiate("2026-07-28"), ProtocolVersion::LATEST_LEGACY);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ProtocolVersion {
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

/// The scope in which a protocol version carries its context: the session or the request.
///
/// The specification calls the eras *legacy* and *modern*; see
/// [versioning](https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#terminology).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the specification defines exactly these two"
)]
pub enum Era {
    /// Sessions that start with `initialize`: 2025-11-25 and earlier.
    Legacy,
    /// Every request carries its context: 2026-07-28 and later.
    Modern,
}

impl Era {
    /// Returns the opposite era.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Legacy => Self::Modern,
            Self::Modern => Self::Legacy,
        }
    }
}

impl ProtocolVersion {
    /// Latest protocol version of the legacy era.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// Latest protocol version.
    pub const LATEST: Self = Self::V2026_07_28;

    /// All protocol versions, latest first.
    pub const ALL: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];

    /// Returns the protocol version with the given date, or `None` if it is unsupported.
    #[must_use]
    pub fn parse(date: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == date)
    }

    /// Returns the date that identifies the protocol version.
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

    /// Returns the era of the protocol version.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => {
                Era::Legacy
            }
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// Returns the protocol version with which to answer an `initialize` request for `requested`.
    ///
    /// It is the requested one if it is of the legacy era, otherwise
    /// [`LATEST_LEGACY`](Self::LATEST_LEGACY). See [MCP 2025-11-25, version negotiation][spec].
    ///
    /// [spec]: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#version-negotiation
    #[must_use]
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|version| version.era() == Era::Legacy)
            .unwrap_or(Self::LATEST_LEGACY)
    }
}

impl fmt::Display for ProtocolVersion {
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
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.as_str()), Some(version));
            if version.era() == Era::Legacy {
                assert_eq!(ProtocolVersion::negotiate(version.as_str()), version);
            }
        }
        assert_eq!(
            ProtocolVersion::negotiate("2026-07-28"),
            ProtocolVersion::LATEST_LEGACY
        );
        assert_eq!(
            ProtocolVersion::negotiate("1.0"),
            ProtocolVersion::LATEST_LEGACY
        );
        assert!(ProtocolVersion::V2025_03_26 < ProtocolVersion::V2025_06_18);
    }
}
