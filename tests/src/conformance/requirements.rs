use std::{fmt, io, path::Path};

use clap::ValueEnum;
use serde::Deserialize;
use tokio::fs;

use crate::fixture::Era;

/// A revision of the protocol that the suite has a set of requirements for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Revision {
    /// The last one with sessions.
    V2025_11_25,
    /// The first one without.
    V2026_07_28,
}

impl Revision {
    /// The date that names the revision.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era of clients of this revision.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Era {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Reason for which a scenario is not evaluated.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The scenario is younger than the set of requirements.
    AddedAfterRelease,
    /// The scenario is about an extension.
    Extension,
    /// The scenario is about an older revision.
    OldRevision,
    /// The suite's own server does not pass the scenario yet.
    Pending,
}

/// Evaluation of a scenario.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Standing {
    /// It is only reported.
    NotScored(Reason),
    /// Conforming servers pass it.
    Required,
}

/// The scenarios of the suite for one revision.
#[derive(Debug, Deserialize)]
pub(super) struct Requirements {
    client: Vec<String>,
    server: Vec<String>,
    #[serde(default)]
    not_scored: Vec<NotScored>,
}

#[derive(Debug, Deserialize)]
struct NotScored {
    scenario: String,
    leg: Leg,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Leg {
    Client,
    Server,
}

impl Requirements {
    /// Reads the set of `revision` from the folder of the suite.
    pub(super) async fn read(suite: &Path, revision: Revision) -> io::Result<Self> {
        let file = suite.join(format!("requirements/{revision}.yaml"));
        let text = fs::read_to_string(file).await?;
        serde_saphyr::from_str(&text).map_err(io::Error::other)
    }

    /// Every scenario for implementations of one side, with what it counts for.
    pub(super) fn scenarios(self, leg: Leg) -> impl Iterator<Item = (String, Standing)> {
        let required = match leg {
            Leg::Client => self.client.into_iter(),
            Leg::Server => self.server.into_iter(),
        };
        let not_scored = self.not_scored.into_iter();
        required
            .map(|name| (name, Standing::Required))
            .chain(not_scored.filter_map(move |entry| {
                let standing = Standing::NotScored(entry.reason);
                (entry.leg == leg).then_some((entry.scenario, standing))
            }))
    }
}
