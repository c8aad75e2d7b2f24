use std::fmt;

use serde::Deserialize;

use super::{Revision, Standing};
use crate::fixture::Era;

/// Findings of the suite.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The revision that the suite spoke.
    pub revision: Revision,
    /// The scenarios: first those that are required, then the others.
    pub scenarios: Vec<Scenario>,
}

/// One scenario of the suite.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// Name in the suite.
    pub name: String,
    /// Weight of the scenario.
    pub standing: Standing,
    /// Checks; empty if the scenario did not complete.
    pub checks: Vec<Check>,
    /// Output of the suite during the scenario.
    pub log: String,
}

/// One check of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// Name in the suite, which other checks may share.
    pub id: String,
    /// Expectation.
    #[serde(default)]
    pub description: String,
    /// Status.
    pub status: Status,
    /// Deviation from the expectation.
    pub error_message: Option<String>,
}

/// Status of a check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Status {
    /// Against a requirement.
    Failure,
    /// No check, but something to know.
    Info,
    /// Not checked.
    Skipped,
    /// As it should be.
    Success,
    /// Against a recommendation.
    Warning,
}

/// Status of a scenario.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// A check failed.
    Failed,
    /// No check failed, and some did not have to be skipped.
    Passed,
    /// There was nothing to check.
    Skipped,
    /// The suite gave up.
    Unfinished,
}

impl Report {
    /// The scenarios that are required.
    pub fn required(&self) -> impl Iterator<Item = &Scenario> {
        let scenarios = self.scenarios.iter();
        scenarios.filter(|scenario| scenario.standing == Standing::Required)
    }

    /// The scenarios that are only reported.
    pub fn not_scored(&self) -> impl Iterator<Item = &Scenario> {
        let scenarios = self.scenarios.iter();
        scenarios.filter(|scenario| scenario.standing != Standing::Required)
    }

    /// The required scenarios that did not pass.
    #[must_use]
    pub fn failures(&self) -> Vec<&Scenario> {
        self.required()
            .filter(|scenario| scenario.verdict() != Verdict::Passed)
            .collect()
    }

    /// One line about this report on a server of the era `server`.
    #[must_use]
    pub fn summary(&self, server: Era) -> String {
        let required = self.required().count();
        let passed = required - self.failures().len();
        let (client, revision) = (self.revision.era(), self.revision);
        format!("conformance {client}->{server} {revision}: passed {passed} of {required} required")
    }

    /// Returns the number of checks of all scenarios with `status`.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        let scenarios = self.scenarios.iter();
        scenarios.map(|scenario| scenario.count(status)).sum()
    }
}

/// Everything that is worth reading: what did not pass, warnings, and what is not scored.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for scenario in self.required() {
            if scenario.verdict() != Verdict::Passed || scenario.count(Status::Warning) > 0 {
                write!(formatter, "{scenario}")?;
            }
        }
        for scenario in self.not_scored() {
            write!(formatter, "not scored: {scenario}")?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Status.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.checks.is_empty() {
            Verdict::Unfinished
        } else if self.count(Status::Failure) > 0 {
            Verdict::Failed
        } else if self.count(Status::Success) > 0 {
            Verdict::Passed
        } else {
            Verdict::Skipped
        }
    }

    /// Returns the number of checks with `status`.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.status == status).count()
    }
}

/// The verdict, and under it what was not as it should be.
impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict();
        let (name, passed) = (&self.name, self.count(Status::Success));
        let failed = self.count(Status::Failure);
        let reason = match self.standing {
            Standing::NotScored(reason) => format!(" ({reason:?})"),
            Standing::Required => String::new(),
        };
        writeln!(
            formatter,
            "{name}{reason}: {verdict:?}, {passed} checks passed, {failed} failed"
        )?;
        for check in &self.checks {
            if matches!(
                check.status,
                Status::Failure | Status::Warning | Status::Skipped
            ) {
                writeln!(formatter, "  {check}")?;
            }
        }
        if verdict == Verdict::Unfinished {
            writeln!(formatter, "  {}", self.log.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.error_message.as_deref().unwrap_or("no message");
        let (status, id, description) = (self.status, &self.id, &self.description);
        write!(formatter, "{status:?} {id} ({description}): {message}")
    }
}
