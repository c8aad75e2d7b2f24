use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::administration::Administration;
use crate::config::Log;
use crate::files::Files;
use crate::logging;

/// Whose accounts, tokens and clients are meant.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// The configuration of the gateway, which says where state is kept
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl StateArgs {
    /// Does `work` with what is meant.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or `work` fails.
    pub(super) fn with(
        &self,
        work: impl AsyncFnOnce(&Administration) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        logging::init(&Log {
            level: "warn".to_owned(),
            ..Log::default()
        });
        let files = Files {
            config: self.config.clone(),
            clients: Vec::new(),
        };
        super::runtime()?.block_on(async {
            let administration = Administration::open(&files).await?;
            work(&administration).await
        })
    }
}
