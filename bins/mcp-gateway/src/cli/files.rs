//! Selection of the files of a configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::files::ConfigFiles;
use crate::output::eprint_line;

/// Files by options.
#[derive(Clone, Debug, Args)]
pub(super) struct FileOptions {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Client configuration file with servers, such as .mcp.json; may be repeated
    #[arg(long, value_name = "FILE")]
    mcp_config: Vec<PathBuf>,
}

impl FileOptions {
    /// Returns the files, together with the arguments `paths`, which are sorted by type.
    ///
    /// # Errors
    ///
    /// Fails if there are two configuration files.
    pub(super) fn with_arguments(&self, paths: &[PathBuf]) -> anyhow::Result<ConfigFiles> {
        let files = ConfigFiles::sorted(paths.to_vec());
        let (config, clients) = (self.config.clone(), self.mcp_config.clone());
        let files = files.and_then(|files| files.with_options(config, clients));
        files.map_err(anyhow::Error::msg)
    }

    /// Returns `true` if no file is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.config.is_none() && self.mcp_config.is_empty()
    }
}

/// Prints a warning if `files` are none, and the file that other commands read by default exists.
pub(super) fn warn_of_unused(files: &ConfigFiles) {
    if files.is_empty() && Path::new(DEFAULT_FILE).is_file() {
        eprint_line(format_args!(
            "warning: {DEFAULT_FILE} is not used; name it with --config {DEFAULT_FILE}"
        ));
    }
}

const DEFAULT_FILE: &str = "gateway.yaml";
