use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http::Uri;
use serde_json::json;
use tempfile::TempDir;
use tokio::{fs, process::Command};

use super::requirements::{Leg, Requirements};
use super::{Check, Report, Revision, Scenario, Standing};
use crate::{
    environment::Environment,
    process::{Process, ProcessError},
};

pub(super) const PACKAGE: &str = "@modelcontextprotocol/conformance";

/// Line of the suite before a scenario.
const SCENARIO_START: &str = "=== Running scenario: ";

/// Line of the suite after the last scenario.
const SCENARIOS_END: &str = "=== SUMMARY ===";

/// The length of the time that ends the name of a folder of results, with its hyphen.
const TIME_LENGTH: usize = "-2026-07-28T00-00-00-000Z".len();

/// Many times what the suite takes, unless every scenario runs into its own deadline.
pub(super) const DEADLINE: Duration = Duration::from_secs(600);

/// Error of a run of the suite.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// The suite or its results could not be read.
    #[error("{path}: {source}")]
    Io {
        /// Input.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The suite did not come to its end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The suite did not run the scenarios of its own set of requirements.
    #[error("the suite did not run the set of requirements; it wrote:\n{0}")]
    Refused(String),
    /// The URL of the server is none.
    #[error("{0}: no absolute URL")]
    Url(String),
}

/// The suite, and how it is to be run.
#[derive(Clone, Debug)]
pub struct Suite {
    environment: Environment,
    headers: BTreeMap<String, String>,
}

impl Suite {
    /// The suite of `environment`.
    #[must_use]
    pub const fn new(environment: Environment) -> Self {
        Self {
            environment,
            headers: BTreeMap::new(),
        }
    }

    /// Adds a header to every request of the suite to the server under test.
    ///
    /// The suite has no such option; its requests are changed on their way out.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Runs the scenarios for servers of `revision` against the server at `url`.
    ///
    /// # Errors
    ///
    /// Fails if the suite cannot be run to its end, whatever it finds.
    pub async fn run(&self, url: &str, revision: Revision) -> Result<Report, SuiteError> {
        let folder = self.environment.node_modules.join(PACKAGE);
        let requirements = Requirements::read(&folder, revision).await;
        let requirements = requirements.map_err(|source| SuiteError::Io {
            path: folder,
            source,
        })?;
        let results = results_folder()?;
        let scope = ["--requirements", revision.as_str()];
        let logs = Logs(self.execute(url, &scope, results.path()).await?);
        let mut checks = read_results(results.path(), "server-").await?;
        let scenarios = requirements
            .scenarios(Leg::Server)
            .map(|(name, standing)| Scenario {
                checks: checks.remove(&name).unwrap_or_default(),
                log: logs.of(&name),
                name,
                standing,
            });
        let scenarios: Vec<_> = scenarios.collect();
        if scenarios.iter().all(|scenario| scenario.checks.is_empty()) {
            return Err(SuiteError::Refused(logs.0.join("\n")));
        }
        Ok(Report {
            revision,
            scenarios,
        })
    }

    /// Runs the scenario `name` of `revision` against the server at `url`.
    ///
    /// # Errors
    ///
    /// Fails if the suite cannot be run to its end, whatever it finds.
    pub async fn scenario(
        &self,
        url: &str,
        name: &str,
        revision: Revision,
    ) -> Result<Scenario, SuiteError> {
        let results = results_folder()?;
        let scope = ["--scenario", name, "--spec-version", revision.as_str()];
        let logs = self.execute(url, &scope, results.path()).await?;
        let mut checks = read_results(results.path(), "server-").await?;
        Ok(Scenario {
            name: name.to_owned(),
            standing: Standing::Required,
            checks: checks.remove(name).unwrap_or_default(),
            log: logs.join("\n"),
        })
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The command that runs the suite in one of its modes, and has it write to `results`.
    pub(super) fn command(&self, mode: &str, results: &Path) -> Command {
        let mut command = self.environment.node(&format!("{PACKAGE}/dist/index.js"));
        command.arg(mode).arg("--output-dir").arg(results);
        command
    }

    /// Runs what is in `scope`, and returns the lines that the suite writes.
    async fn execute(
        &self,
        url: &str,
        scope: &[&str],
        results: &Path,
    ) -> Result<Vec<String>, SuiteError> {
        let mut command = self.command("server", results);
        command.args(["--url", url]).args(scope);
        if !self.headers.is_empty() {
            let origin = origin(url).ok_or_else(|| SuiteError::Url(url.to_owned()))?;
            let headers = json!({ "origin": origin, "headers": self.headers });
            let preload = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance/headers.mjs");
            command
                .env("CONFORMANCE_HEADERS", headers.to_string())
                .env("NODE_OPTIONS", format!("--import={}", preload.display()));
        }
        let mut process = Process::start(command)?;
        process.finish(DEADLINE).await?;
        let mut lines = process.rest();
        lines.extend(process.stderr().lines().map(str::to_owned));
        Ok(lines)
    }
}

/// A folder for the suite to write to.
pub(super) fn results_folder() -> Result<TempDir, SuiteError> {
    TempDir::new().map_err(|source| SuiteError::Io {
        path: std::env::temp_dir(),
        source,
    })
}

fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

/// The lines that the suite wrote.
struct Logs(Vec<String>);

impl Logs {
    /// Returns the output of the suite during the scenario `name`, and its report of the failure.
    fn of(&self, name: &str) -> String {
        let start = format!("{SCENARIO_START}{name} ===");
        let failure = format!("Failed to run scenario {name}:");
        let during = self.0.iter().skip_while(|line| **line != start).skip(1);
        let during = during.take_while(|line| {
            !line.starts_with(SCENARIO_START) && !line.starts_with(SCENARIOS_END)
        });
        let about = self.0.iter().filter(|line| line.starts_with(&failure));
        let lines: Vec<_> = during.chain(about).map(String::as_str).collect();
        lines.join("\n").trim().to_owned()
    }
}

/// The checks of every scenario that came to its end, in folders whose names begin with `mode`.
pub(super) async fn read_results(
    folder: &Path,
    mode: &str,
) -> Result<BTreeMap<String, Vec<Check>>, SuiteError> {
    let failed = |path: &Path, source| SuiteError::Io {
        path: path.to_owned(),
        source,
    };
    let mut results = BTreeMap::new();
    let mut folders = fs::read_dir(folder)
        .await
        .map_err(|error| failed(folder, error))?;
    while let Some(entry) = folders
        .next_entry()
        .await
        .map_err(|error| failed(folder, error))?
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path().join("checks.json");
        // A scenario that failed half-way leaves its folder empty.
        let (Some(name), Ok(text)) = (scenario_of(&name, mode), fs::read(&path).await) else {
            continue;
        };
        let checks = serde_json::from_slice(&text);
        let checks = checks.map_err(|error| failed(&path, io::Error::from(error)))?;
        results.insert(name.to_owned(), checks);
    }
    Ok(results)
}

fn scenario_of<'a>(folder: &'a str, mode: &str) -> Option<&'a str> {
    let name = folder.strip_prefix(mode)?;
    name.get(..name.len().checked_sub(TIME_LENGTH)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_scenarios() {
        let folder = "server-server-stateless-2026-11-21T00-31-55-978Z";
        assert_eq!(scenario_of(folder, "server-"), Some("server-stateless"));
        assert_eq!(scenario_of("server-short", "server-"), None);
    }

    #[test]
    fn logs_are_those_of_the_scenario_alone() {
        let lines = [
            "=== Running scenario: one ===",
            "about one",
            "=== Running scenario: two ===",
            "about two",
            "=== SUMMARY ===",
            "Failed to run scenario one: because",
        ];
        let logs = Logs(lines.map(str::to_owned).into());
        assert_eq!(
            logs.of("one"),
            "about one\nFailed to run scenario one: because"
        );
        assert_eq!(logs.of("two"), "about two");
        assert_eq!(logs.of("three"), "");
    }

    #[test]
    fn only_absolute_urls_have_an_origin() {
        assert_eq!(origin("http://a:1/mcp").as_deref(), Some("http://a:1"));
        assert_eq!(origin("/mcp"), None);
    }
}
