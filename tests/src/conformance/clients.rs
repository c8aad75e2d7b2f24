use std::io;
use std::path::Path;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::requirements::{Leg, Requirements};
use super::suite::{DEADLINE, PACKAGE, read_results, results_folder};
use super::{Reason, Report, Revision, Scenario, Standing, Suite, SuiteError};
use crate::process::Process;

/// Server of a scenario for clients.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ScenarioServer {
    /// Name of the scenario.
    pub name: String,
    /// URL of the server.
    pub url: String,
    /// Values that the scenario gives to the client, such as the secret of a registered one.
    pub context: Value,
}

impl Suite {
    /// Runs the scenarios for OAuth clients of `revision`; `act` does what a client does with the
    /// server of each, and returns `true` if that succeeded.
    ///
    /// # Errors
    ///
    /// Fails if the suite cannot be run to its end, whatever it finds.
    pub async fn clients(
        &self,
        revision: Revision,
        act: impl AsyncFn(ScenarioServer) -> bool,
    ) -> Result<Report, SuiteError> {
        let folder = self.environment().node_modules.join(PACKAGE);
        let requirements = Requirements::read(&folder, revision).await;
        let requirements = requirements.map_err(|source| SuiteError::Io {
            path: folder,
            source,
        })?;
        let scope = ["--requirements", revision.as_str()];
        let scenarios = requirements.scenarios(Leg::Client);
        let names = scenarios.filter_map(|(name, standing)| {
            let name = name.strip_prefix(GROUP)?;
            Some((name.to_owned(), standing))
        });
        self.client_report(revision, &scope, names.collect(), act)
            .await
    }

    /// Runs the scenarios for OAuth clients of servers older than those of any [`Revision`].
    ///
    /// # Errors
    ///
    /// The same as those of [`clients`](Self::clients).
    pub async fn clients_of_old_servers(
        &self,
        act: impl AsyncFn(ScenarioServer) -> bool,
    ) -> Result<Report, SuiteError> {
        let scope = ["--suite", "backcompat"];
        let names = OLD.map(|name| (name.to_owned(), Standing::NotScored(Reason::OldRevision)));
        self.client_report(Revision::V2025_11_25, &scope, names.into(), act)
            .await
    }

    async fn client_report(
        &self,
        revision: Revision,
        scope: &[&str],
        names: Vec<(String, Standing)>,
        act: impl AsyncFn(ScenarioServer) -> bool,
    ) -> Result<Report, SuiteError> {
        let results = results_folder()?;
        let at = |source| SuiteError::Io {
            path: "127.0.0.1".into(),
            source,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(at)?;
        let port = listener.local_addr().map_err(at)?.port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance/client.mjs");
        let node = self.environment().node.display();
        let client = format!("{node} {} {port}", script.display());
        let timeout = DEADLINE.as_millis().to_string();
        let mut command = self.command("client", results.path());
        command.args(["--command", &client, "--timeout", &timeout]);
        command.args(scope);
        let mut process = Process::start(command)?;
        // All scenarios begin at once.
        let permits = Semaphore::new(CONCURRENCY);
        let mut acting = FuturesUnordered::new();
        let mut ended = Box::pin(process.finish(DEADLINE));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (client, _) = accepted.map_err(at)?;
                    acting.push(answer(client, &permits, &act));
                }
                Some(answered) = acting.next() => answered.map_err(at)?,
                ended = &mut ended => {
                    ended?;
                    break;
                }
            }
        }
        drop(ended);
        let mut log = process.rest();
        log.extend(process.stderr().lines().map(str::to_owned));
        let log = log.join("\n");
        let mut checks = read_results(&results.path().join(GROUP), "").await?;
        let scenarios = names.into_iter().map(|(name, standing)| Scenario {
            checks: checks.remove(&name).unwrap_or_default(),
            log: log.clone(),
            name: format!("{GROUP}{name}"),
            standing,
        });
        Ok(Report {
            revision,
            scenarios: scenarios.collect(),
        })
    }
}

/// Acts for the `client` that the suite has started, and ends it.
async fn answer(
    client: TcpStream,
    permits: &Semaphore,
    act: &impl AsyncFn(ScenarioServer) -> bool,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    client.read_line(&mut line).await?;
    let server: ScenarioServer = serde_json::from_str(&line)?;
    // Other scenarios are run without a client.
    let has_succeeded = server.name.starts_with(GROUP) && {
        let _permit = permits.acquire().await.map_err(io::Error::other)?;
        act(server).await
    };
    let status: &[u8] = if has_succeeded { b"0" } else { b"1" };
    client.write_all(status).await
}

/// Prefix of the names of the scenarios for OAuth clients.
const GROUP: &str = "auth/";

/// Scenarios for clients of the revision 2025-03-26, without the prefix.
const OLD: [&str; 2] = [
    "2025-03-26-oauth-endpoint-fallback",
    "2025-03-26-oauth-metadata-backcompat",
];

/// Number of clients that act at the same time.
const CONCURRENCY: usize = 2;
