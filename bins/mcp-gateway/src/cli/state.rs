//! Selection of the state that commands administer.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::files::warn_of_unused;
use crate::administration::Administration;
use crate::files::ConfigFiles;
use crate::logging;
use mcp_gateway_config::file::Log;

/// Selection of the state to administer.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Configuration file of the gateway, for its store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Selection of the state by commands without other arguments.
#[derive(Debug, Args)]
pub(super) struct StateFileArgs {
    /// Configuration file of the gateway, for its store
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

impl From<StateFileArgs> for StateArgs {
    fn from(StateFileArgs { file, state }: StateFileArgs) -> Self {
        Self {
            config: file.or(state.config),
        }
    }
}

impl StateArgs {
    /// Returns the files that configure the gateway. Without any, the store is that of a gateway
    /// without a configuration, which a reader of `gateway.yaml` may not expect.
    pub(super) fn files(&self) -> ConfigFiles {
        let files = ConfigFiles {
            config: self.config.clone(),
            clients: Vec::new(),
        };
        warn_of_unused(&files);
        files
    }

    /// Opens the state and runs `work` with it.
    ///
    /// # Errors
    ///
    /// Fails if the state cannot be opened, or `work` fails.
    pub(super) fn with(
        &self,
        work: impl AsyncFnOnce(&Administration) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        logging::init(&Log::from_level("warn"));
        let files = self.files();
        super::runtime()?.block_on(async {
            let administration = Administration::open(&files).await?;
            let done = work(&administration).await;
            administration.close().await?;
            done
        })
    }
}
