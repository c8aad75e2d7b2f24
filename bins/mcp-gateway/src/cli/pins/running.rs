//! Approvals in the store of a running gateway.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use http::Method;
use mcp_gateway_config::file::Log;
use mcp_gateway_core::catalog::DefinitionKind;
use serde_json::{Value, json};

use super::approvals::Selection;
use crate::admin_client::AdminClient;
use crate::logging;
use crate::output::print_line;
use crate::source::TOKEN_VARIABLE;

/// Selection of a running gateway.
#[derive(Debug, Args)]
pub(super) struct RunningArgs {
    /// Use the definitions that the running gateway at this URL holds back, and its store
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<String>,
    /// Bearer token of an admin
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<String>,
}

impl RunningArgs {
    /// Prints what the running gateway holds back; `None` without one.
    ///
    /// # Errors
    ///
    /// Fails if the gateway cannot be reached.
    pub(super) fn diff(&self, servers: &[String]) -> anyhow::Result<Option<ExitCode>> {
        let Some(client) = self.client()? else {
            return Ok(None);
        };
        super::super::runtime()?.block_on(async {
            let mut is_same = true;
            for pinned in client.list(&["pins"]).await? {
                let server = pinned["server"].as_str().unwrap_or_default();
                if !servers.is_empty() && !servers.iter().any(|name| name == server) {
                    continue;
                }
                for pending in pinned["pending"].as_array().into_iter().flatten() {
                    is_same = false;
                    print_pending(server, pending)?;
                }
            }
            Ok(Some(super::exit_code(is_same)))
        })
    }

    /// Approves what the running gateway holds back, as far as `selection` takes it; `None` without
    /// one.
    ///
    /// # Errors
    ///
    /// Fails if a name selects nothing, or the gateway cannot be reached or rejects the approval.
    pub(super) fn approve(&self, selection: &mut Selection) -> anyhow::Result<Option<ExitCode>> {
        let Some(client) = self.client()? else {
            return Ok(None);
        };
        super::super::runtime()?.block_on(async {
            for pinned in client.list(&["pins"]).await? {
                let server = pinned["server"].as_str().unwrap_or_default();
                let pending = pinned["pending"].as_array().into_iter().flatten();
                let selected: Vec<_> = pending
                    .filter(|it| {
                        kind(it).is_some_and(|kind| selection.takes(server, kind, name(it)))
                    })
                    .collect();
                if selected.is_empty() {
                    continue;
                }
                if pinned["source"] == "file" {
                    bail!(
                        "the definitions of {server:?} are approved in the lock file of the gateway"
                    );
                }
                let path = ["pins", server, "approvals"];
                for pending in selected {
                    let body = json!({
                        "kind": pending["kind"], "name": pending["name"],
                        "definition": pending["definition"],
                    });
                    let sent = client.send(Method::POST, &path, Some(&body)).await;
                    sent.with_context(|| format!("cannot approve a definition of {server:?}"))?;
                    print_pending(server, pending)?;
                }
            }
            selection.check()?;
            Ok(Some(ExitCode::SUCCESS))
        })
    }

    fn client(&self) -> anyhow::Result<Option<AdminClient>> {
        logging::init(&Log::from_level("error"));
        let url = self.url.as_ref();
        let client = url.map(|url| AdminClient::new(url, self.token.as_deref()));
        client.transpose()
    }
}

/// Prints the difference of a definition that is held back.
fn print_pending(server: &str, pending: &Value) -> anyhow::Result<()> {
    let sign = if pending["status"] == "new" { '+' } else { '~' };
    let text = |key: &str| mcp_gateway_pins::printable(pending[key].as_str().unwrap_or_default());
    let (kind, status) = (text("kind"), text("status"));
    match name(pending) {
        "" => print_line(format_args!("{sign} {server} ({kind}, {status})"))?,
        _ => print_line(format_args!(
            "{sign} {server}/{} ({kind}, {status})",
            text("name")
        ))?,
    }
    for line in pending["difference"].as_array().into_iter().flatten() {
        print_line(format_args!("    {}", line.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn name(pending: &Value) -> &str {
    pending["name"].as_str().unwrap_or_default()
}

fn kind(pending: &Value) -> Option<DefinitionKind> {
    let name = pending["kind"].as_str()?;
    DefinitionKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name)
}
