//! Lock file with the approved definitions of servers.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mcp_gateway_config::file::{Config, Diagnostics};
use mcp_gateway_pins::LockFile;
use mcp_gateway_platform::spec::PinSource;

use crate::files::{ConfigFiles, FileDiagnostics, LoadedConfig, read_limited};
use crate::system::SystemEnvironment;

impl ConfigFiles {
    /// Returns the path of the lock file of `config`, which is beside the configuration file.
    pub(crate) fn lock_path(&self, config: &Config) -> Option<PathBuf> {
        Some(self.beside(&config.lock.as_ref()?.file))
    }
}

impl LoadedConfig {
    /// Reads the lock file, if a server needs it, and records in `system` that it was read.
    ///
    /// Without the file, nothing is approved: a file that is missing by accident must not open what it
    /// would close.
    ///
    /// # Errors
    ///
    /// The diagnostics of a file that is invalid or cannot be read.
    pub(crate) fn read_lock(
        &mut self,
        files: &ConfigFiles,
        system: Option<&SystemEnvironment>,
    ) -> Result<(), FileDiagnostics> {
        let Some(path) = files.lock_path(&self.config) else {
            return Ok(());
        };
        if let Some(system) = system {
            system.record(&path);
        }
        let lock = match read(&path) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                let message = "the file does not exist: all definitions of pinned servers are held \
                               back until mcp-gateway pin writes it";
                self.warnings.add(&path, Diagnostics::warning(message));
                LockFile::default()
            }
            Err(error) => {
                let mut findings = FileDiagnostics::default();
                findings.add(&path, Diagnostics::of_file(format!("{error:#}")));
                return Err(findings);
            }
        };
        let servers = self.config.platform.dynamic.servers.iter_mut();
        for server in servers.filter(|server| server.pinned == Some(PinSource::File)) {
            if let Some(pins) = lock.get(&server.name) {
                server.pins = Arc::new(pins.clone());
            }
        }
        Ok(())
    }
}

/// Reads the lock file at `path`; `None` if it does not exist.
///
/// # Errors
///
/// Fails if the file is invalid or cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<LockFile>> {
    match read_limited(path) {
        Ok(text) => Ok(Some(text.parse()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot read file"),
    }
}

/// Replaces the lock file at `path` as a whole.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub(crate) fn write(path: &Path, lock: &LockFile) -> anyhow::Result<()> {
    let describe = || path.display().to_string();
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))
        .with_context(describe)?;
    file.write_all(lock.to_string().as_bytes())
        .with_context(describe)?;
    // A temporary file is readable by its owner only, and a lock file has no secrets.
    let mode = Permissions::from_mode(0o644);
    file.as_file()
        .set_permissions(mode)
        .with_context(describe)?;
    file.persist(path).with_context(describe)?;
    Ok(())
}
