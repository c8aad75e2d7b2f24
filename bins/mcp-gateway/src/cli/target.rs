use std::path::PathBuf;

use clap::Args;
use mcp_gateway_core::upstream::UpstreamError;

use crate::client::Servers;
use crate::document::System;
use crate::files::Files;
use crate::output::complain;
use crate::source::TOKEN_VARIABLE;

/// Whose tools are meant: those of a configuration, or of a gateway that runs.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Reach the servers of this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reach the servers in this file of a client, such as .mcp.json
    #[arg(long, value_name = "FILE")]
    mcp_config: Vec<PathBuf>,
    /// Reach the gateway or server that runs at this URL
    #[arg(long, conflicts_with_all = ["config", "mcp_config"], default_value = DEFAULT_URL)]
    url: String,
    /// Present this token to it
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<String>,
    /// Reach the servers of this gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
}

impl TargetArgs {
    /// The servers that are meant.
    ///
    /// # Errors
    ///
    /// When they cannot be known.
    pub(super) fn servers(&self) -> anyhow::Result<Servers> {
        let gateway = self.gateway.as_deref();
        let files = Files {
            config: self.config.clone(),
            clients: self.mcp_config.clone(),
        };
        if files.is_empty() {
            let token = self.token.as_deref();
            let endpoint = crate::connect::Endpoint::new(&self.url, gateway, None);
            let endpoint = endpoint.map_err(|error| anyhow::anyhow!("{:?}: {error}", self.url))?;
            return Servers::of_url(&endpoint.url, token);
        }
        let system = System::new();
        let loaded = files.load(&system)?;
        loaded.warnings.lines().for_each(complain);
        let mut secrets = system.secrets();
        secrets.push(TOKEN_VARIABLE.to_owned());
        Servers::of_config(&loaded.config, &secrets, gateway)
    }

    /// What may help somebody whose gateway answers with `error`.
    pub(super) fn hint(&self, error: &UpstreamError) -> Option<String> {
        if self.config.is_some() || !self.mcp_config.is_empty() {
            return None;
        }
        if matches!(error, UpstreamError::Unauthorized) {
            return Some(match &self.token {
                None => format!("Set {TOKEN_VARIABLE} to a token of the gateway, or say --token."),
                Some(_) => format!(
                    "This token, of --token or {TOKEN_VARIABLE}, is none of the gateway, or not any more."
                ),
            });
        }
        matches!(error, UpstreamError::Connect(_)).then(|| {
            "Does a gateway run there? --url says where it is; --config or --mcp-config do \
             without one."
                .to_owned()
        })
    }
}

/// Where a gateway listens that nothing else was said to.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
