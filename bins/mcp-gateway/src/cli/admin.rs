//! Commands that are clients of the admin API.

use std::process::ExitCode;

use clap::Args;
use mcp_gateway_config::file::Log;

use super::target::DEFAULT_URL;
use crate::admin_client::AdminClient;
use crate::logging;
use crate::source::TOKEN_VARIABLE;

/// Selection of the running gateway.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// URL of the gateway
    #[arg(long, default_value = DEFAULT_URL)]
    url: String,
    /// Bearer token of an admin
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<String>,
}

impl AdminArgs {
    /// Runs `work` with a client of the gateway.
    ///
    /// # Errors
    ///
    /// Fails if the URL or the token is invalid, and with the error of `work`.
    pub(super) fn with(
        &self,
        work: impl AsyncFnOnce(&AdminClient) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        logging::init(&Log::from_level("error"));
        let client = AdminClient::new(&self.url, self.token.as_deref())?;
        super::runtime()?.block_on(work(&client))?;
        Ok(ExitCode::SUCCESS)
    }
}
