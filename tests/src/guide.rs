//! Examples in the documentation, and a place to try them in.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::environment::Environment;

/// A block of code in a document.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Example {
    /// The document.
    pub file: PathBuf,
    /// The line in which it begins.
    pub line: usize,
    /// Info string of the fence.
    pub language: String,
    /// The code.
    pub text: String,
}

impl Example {
    /// Address.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }

    /// Its commands, each in one line.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let commands = joined.lines().filter(|line| !line.trim().is_empty());
        commands.map(str::to_owned).collect()
    }
}

/// The folder of the repository.
#[must_use]
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The examples in the document at `path` below the [`root`].
///
/// # Errors
///
/// Fails if it cannot be read.
pub fn examples(path: &str) -> io::Result<Vec<Example>> {
    let file = root().join(path);
    let text = fs::read_to_string(&file)?;
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Example {
                    file: file.clone(),
                    line: at + 2,
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => examples.extend(open.take()),
            (None, Some(example)) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
            (None, None) => {}
        }
    }
    Ok(examples)
}

/// A folder in which commands of the documentation run, as on the machine of a reader.
///
/// Programs that a reader has are replaced by those of the test environment.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
    exports: Vec<String>,
}

impl Desk {
    /// An empty folder; `npx` and `uvx` run what the test environment has installed.
    ///
    /// # Errors
    ///
    /// Fails if the system does not permit it.
    pub fn new(environment: &Environment) -> io::Result<Self> {
        let desk = Self {
            folder: tempfile::tempdir()?,
            exports: Vec::new(),
        };
        fs::create_dir(desk.path(".bin"))?;
        environment.install_launchers(&desk.path(".bin"))?;
        Ok(desk)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a program of the name on the path, which is a script.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn install(&self, name: &str, script: &str) -> io::Result<()> {
        let path = self.path(".bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path(name), text)
    }

    /// Sets a variable for all later commands, by a command that does.
    pub fn export(&mut self, command: impl Into<String>) {
        self.exports.push(command.into());
    }

    /// The shell that runs `command`, and becomes it.
    #[must_use]
    pub fn shell(&self, command: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.path(".bin").display());
        let script = [&self.exports.join("\n"), command].join("\n");
        let mut shell = Command::new("bash");
        shell
            .args(["-e", "-u", "-o", "pipefail", "-c", &script])
            .env("PATH", path)
            .env("MCP_GATEWAY_DATA", self.path("state"))
            .env_remove("MCP_GATEWAY_TOKEN")
            .current_dir(self.folder.path());
        shell
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
