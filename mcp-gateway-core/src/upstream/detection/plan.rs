//! Parameters of a detection, and the result to remember.

use super::super::UpstreamProtocol;
use crate::protocol::{Era, ProtocolVersion};

/// Parameters of a detection.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Plan {
    /// Transport of the server.
    pub(in crate::upstream) transport: Transport,
    /// `true` if limits begin with the end of the start of a program, because its input is observed.
    pub(in crate::upstream) observes_start: bool,
    /// Protocol from the configuration, which disables the detection.
    pub(in crate::upstream) configured: Option<UpstreamProtocol>,
    /// Result of earlier detections.
    pub(in crate::upstream) memory: Memory,
    /// Era that is tried first if the protocol is unknown.
    pub(in crate::upstream) era: Era,
    /// Protocol version of the client, which is requested from a legacy server.
    pub(in crate::upstream) version: ProtocolVersion,
}

/// Transport, as far as the detection distinguishes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum Transport {
    /// Streamable HTTP, or HTTP+SSE.
    Http,
    /// A pair of byte streams.
    Stdio,
}

/// Result of earlier detections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::upstream) struct Memory {
    /// Detected protocol.
    pub(in crate::upstream) protocol: Option<UpstreamProtocol>,
    /// Era to try first, after a detection that took too long.
    pub(in crate::upstream) first: Option<Era>,
}

impl Memory {
    /// Creates the result of a detection that found `protocol`.
    pub(in crate::upstream) fn of(protocol: UpstreamProtocol) -> Self {
        Self {
            protocol: Some(protocol),
            first: None,
        }
    }
}

impl UpstreamProtocol {
    /// Returns the era of the protocol.
    pub(in crate::upstream) fn era(self) -> Era {
        match self {
            Self::Legacy | Self::Sse => Era::Legacy,
            Self::Modern => Era::Modern,
        }
    }
}

impl Plan {
    /// Returns `true` if the server is modern as far as is known.
    pub(super) fn is_modern(&self) -> bool {
        self.configured.or(self.memory.protocol) == Some(UpstreamProtocol::Modern)
    }

    /// Returns the protocols in the order in which they are tried.
    pub(super) fn order(&self) -> Vec<UpstreamProtocol> {
        use UpstreamProtocol::{Legacy, Modern, Sse};
        let all = match (self.configured, self.memory.first.unwrap_or(self.era)) {
            (Some(Legacy), _) => vec![Legacy, Sse],
            (Some(protocol), _) => vec![protocol],
            (None, Era::Modern) => vec![Modern, Legacy, Sse],
            (None, Era::Legacy) => vec![Legacy, Modern, Sse],
        };
        let known = self.memory.protocol.filter(|known| all.contains(known));
        let rest = all.iter().copied().filter(|other| Some(*other) != known);
        let has =
            |protocol: &UpstreamProtocol| *protocol != Sse || self.transport == Transport::Http;
        known.into_iter().chain(rest).filter(has).collect()
    }
}
