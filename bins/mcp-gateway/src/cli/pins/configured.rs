//! Servers of a configuration, and its lock file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mcp_gateway_config::document::{LookupScope, suggestion};
use mcp_gateway_config::file::Log;
use mcp_gateway_pins::LockFile;
use mcp_gateway_platform::spec::{PinSource, PlatformSpec, ServerSpec};
use mcp_gateway_platform::state::StateStore;

use crate::client::McpClient;
use crate::client::definitions::CurrentDefinitions;
use crate::files::ConfigFiles;
use crate::output::eprint_line;
use crate::source::TOKEN_VARIABLE;
use crate::system::SystemEnvironment;
use crate::{lock, logging};

/// Configuration whose servers are compared with its lock file.
#[derive(Debug)]
pub(in crate::cli) struct Configured {
    platform: PlatformSpec,
    /// Variables that programs do not inherit.
    secrets: Vec<String>,
    /// Lock file.
    path: Option<PathBuf>,
}

impl Configured {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    ///
    /// Fails with all diagnostics if it is invalid.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let files = ConfigFiles::sorted(vec![path.to_owned()]).map_err(anyhow::Error::msg)?;
        Self::of(&files)
    }

    /// Reads the configuration of `files`.
    ///
    /// # Errors
    ///
    /// Fails with all diagnostics if it is invalid.
    pub(in crate::cli) fn of(files: &ConfigFiles) -> anyhow::Result<Self> {
        logging::init(&Log::from_level("error"));
        let system = SystemEnvironment::new();
        let loaded = files.load_within(LookupScope::Servers, &system)?;
        loaded.warnings.lines().for_each(eprint_line);
        let mut secrets = system.secrets();
        secrets.push(TOKEN_VARIABLE.to_owned());
        Ok(Self {
            path: files.lock_path(&loaded.config),
            platform: loaded.config.platform,
            secrets,
        })
    }

    /// Returns `true` if the definitions of the server `name` are approved in the lock file.
    pub(super) fn is_pinned(&self, name: &str) -> bool {
        let server = self.platform.dynamic.server(name);
        server.is_some_and(|server| server.pinned == Some(PinSource::File))
    }

    /// Returns the definitions that pinned servers have now: those named `names`, or all.
    ///
    /// # Errors
    ///
    /// Fails if a server does not exist or is not pinned, or if none is.
    pub(super) fn pinned(&self, names: &[String]) -> anyhow::Result<Vec<CurrentDefinitions>> {
        let dynamic = &self.platform.dynamic;
        let from_file = |server: &ServerSpec| server.pinned == Some(PinSource::File);
        if !dynamic.servers.iter().any(from_file) {
            bail!("no server is pinned in the lock file; add `pins: {{ file: mcp.lock }}`");
        }
        for name in names {
            match dynamic.server(name).map(|server| server.pinned) {
                Some(Some(PinSource::Store)) => {
                    bail!("the definitions of {name:?} are approved in the store; use --url")
                }
                Some(None) => bail!("the server {name:?} is not pinned; set `pinned: true`"),
                _ => {}
            }
        }
        self.current(names, from_file)
    }

    /// Returns the definitions that servers have now: those named `names`, or all that `selects`
    /// accepts.
    ///
    /// # Errors
    ///
    /// Fails if a server does not exist.
    pub(super) fn current(
        &self,
        names: &[String],
        selects: impl Fn(&ServerSpec) -> bool,
    ) -> anyhow::Result<Vec<CurrentDefinitions>> {
        let PlatformSpec { fixed, dynamic, .. } = &self.platform;
        let known: Vec<_> = dynamic.servers.iter().map(|server| &*server.name).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(&&***name)) {
            bail!("unknown server {name:?}; {}", suggestion(name, &known));
        }
        let servers = dynamic.servers.iter().filter(|server| match names {
            [] => selects(server),
            names => names.iter().any(|name| **name == *server.name),
        });
        let servers: Vec<_> = servers.collect();
        let data = StateStore::folder_of(&fixed.store);
        let client = McpClient::of_servers(&servers, &self.secrets, data)?;
        super::super::runtime()?.block_on(async {
            let read = client.definitions().await;
            client.close().await;
            Ok(read)
        })
    }

    /// Returns the lock file; an empty one if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if it is invalid or cannot be read.
    pub(super) fn lock(&self) -> anyhow::Result<LockFile> {
        let Some(path) = &self.path else {
            return Ok(LockFile::default());
        };
        let read = lock::read(path).with_context(|| path.display().to_string())?;
        Ok(read.unwrap_or_default())
    }

    /// Writes the lock file.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub(super) fn write(&self, lock: &LockFile) -> anyhow::Result<()> {
        let path = self.path.as_ref().context("no server is pinned")?;
        lock::write(path, lock)
    }
}
