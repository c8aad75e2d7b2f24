//! The programs that tests run against, as `tests/env/install.sh` installs them.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tokio::process::Command;

/// Error of the environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The script that knows the environment could not be run.
    #[error("tests/env/install.sh: {0}")]
    Check(#[source] io::Error),
    /// Something is not installed, or not in the pinned version.
    #[error("the environment of the tests is not installed: run tests/env/install.sh ({0})")]
    Missing(String),
    /// The script did not answer as it does.
    #[error("tests/env/install.sh --check: {0}")]
    Report(#[source] serde_json::Error),
}

/// Directory of the programs.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// The browser.
    pub chromium: PathBuf,
    /// The virtual environment with FastMCP.
    pub fastmcp: PathBuf,
    /// The folder with the programs `helm` and `kubectl`, of a recent release.
    pub helm: PathBuf,
    /// The program `node`.
    pub node: PathBuf,
    /// The program `nginx`.
    pub nginx: PathBuf,
    /// The folder with the npm packages.
    pub node_modules: PathBuf,
    /// The folder with the programs of PostgreSQL.
    pub postgres: PathBuf,
    /// The virtual environment with the Python SDK before 2026-07-28.
    pub py1: PathBuf,
    /// The virtual environment with the Python SDK of 2026-07-28.
    pub py2: PathBuf,
    /// The virtual environment with the servers written in Python.
    pub servers: PathBuf,
}

impl Environment {
    /// The environment with the versions that this checkout pins.
    ///
    /// # Errors
    ///
    /// Fails if any part of it is not installed, in this version.
    pub async fn installed() -> Result<Self, EnvironmentError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("env/install.sh");
        let output = Command::new(script).arg("--check").output().await;
        let output = output.map_err(EnvironmentError::Check)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(EnvironmentError::Missing(reason));
        }
        serde_json::from_slice(&output.stdout).map_err(EnvironmentError::Report)
    }

    /// The command that runs `script`, a path below the folder of npm packages.
    #[must_use]
    pub fn node(&self, script: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.node_modules.join(script));
        command
    }

    /// Writes programs called `npx` and `uvx` to `folder`, which start what is installed here. A
    /// package with another version than that of the command line is not started.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be written.
    pub fn install_launchers(&self, folder: &Path) -> io::Result<()> {
        let (node, modules) = (self.node.display(), self.node_modules.display());
        let npx = format!(
            "[ \"$1\" = -y ] && shift\n\
             {PACKAGE}\
             folder='{modules}'/$package\n\
             grep -q '\"version\": \"'\"${{version:-.*}}\"'\"' \"$folder/package.json\" || exit 9\n\
             script=$folder/dist/index.js; [ -f \"$script\" ] || script=$folder/cli.js\n\
             exec '{node}' \"$script\" \"$@\"\n"
        );
        let servers = self.servers.display();
        let uvx = format!(
            "{PACKAGE}\
             info=$(echo \"$package\" | tr - _)-${{version:-*}}.dist-info\n\
             ls -d '{servers}'/lib/*/site-packages/$info > /dev/null || exit 9\n\
             exec '{servers}/bin/'\"$package\" \"$@\"\n"
        );
        for (name, script) in [("npx", npx), ("uvx", uvx)] {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}"))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// The command that runs the program `name` of the virtual environment at `venv`.
    #[must_use]
    pub fn python(&self, venv: &Path, name: &str) -> Command {
        Command::new(venv.join("bin").join(name))
    }
}

/// Shell text that splits the first argument into a package and its version, if it has one.
const PACKAGE: &str = "package=$1; version=; shift\n\
    case ${package#?} in *@*) version=${package##*@}; package=${package%@*} ;; esac\n";
