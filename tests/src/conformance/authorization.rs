use std::net::TcpListener;

use super::suite::{DEADLINE, read_results, results_folder};
use super::{Scenario, Standing, Suite, SuiteError};
use crate::process::Process;

/// Message of the suite when its redirect URI is ready.
const LISTENING: &str = "Callback server started";

/// Parameters of the suite for an authorization server.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to know")]
pub struct Asked<'a> {
    /// The issuer of the authorization server.
    pub issuer: &'a str,
    /// The identifier of a public client, which is sent back to `http://127.0.0.1/callback`.
    pub client: &'a str,
    /// Audience of the token.
    pub resource: &'a str,
}

impl Suite {
    /// Runs the scenarios for authorization servers, in the order of their names; `visit` does
    /// what a user does who is sent to the address that it is given.
    ///
    /// # Errors
    ///
    /// Fails if the suite cannot be run to its end, whatever it finds.
    pub async fn authorization<T>(
        &self,
        asked: Asked<'_>,
        visit: impl AsyncFnOnce(String) -> T,
    ) -> Result<Vec<Scenario>, SuiteError> {
        let results = results_folder()?;
        let port = free_port().map_err(|source| SuiteError::Io {
            path: "127.0.0.1".into(),
            source,
        })?;
        let mut command = self.command("authorization", results.path());
        command
            .args(["--url", asked.issuer, "--client-id", asked.client])
            .args(["--resource", asked.resource, "--port", &port.to_string()]);
        let mut process = Process::start(command)?;
        let mut lines = Vec::new();
        let mut page = None;
        while page.is_none()
            || !lines
                .last()
                .is_some_and(|line: &String| line.contains(LISTENING))
        {
            let line = process.line(DEADLINE).await?;
            if line.starts_with("http") {
                page = Some(line.clone());
            }
            lines.push(line);
        }
        visit(page.unwrap_or_default()).await;
        process.finish(DEADLINE).await?;
        lines.extend(process.rest());
        let checks = read_results(results.path(), "authorization-server-").await?;
        let log = lines.join("\n");
        let scenario = |(name, checks)| Scenario {
            name,
            standing: Standing::Required,
            checks,
            log: log.clone(),
        };
        Ok(checks.into_iter().map(scenario).collect())
    }
}

/// Returns a port that nothing listens on. It is below those that the system assigns, so no other
/// test is given it before the suite binds it.
fn free_port() -> std::io::Result<u16> {
    let offset = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    (20_000 + offset..32_768)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| std::io::ErrorKind::AddrInUse.into())
}
