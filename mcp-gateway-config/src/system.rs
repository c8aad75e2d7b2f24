//! Environment variables and files of this process.
//!
//! This module alone accesses files and the environment.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};

use crate::document::{Diagnostics, Environment, Lookup};
use crate::file::Config;

/// [`Environment`] of this process. It records the names of secret variables.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::system::System;
///
/// let error = System::new().load("/nonexistent/gateway.yaml").unwrap_err();
/// assert!(error.to_string().contains("cannot read file"));
/// ```
#[derive(Debug, Default)]
pub struct System {
    secrets: Mutex<Vec<String>>,
}

impl System {
    /// Creates an environment without recorded secrets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the configuration file at `path`.
    ///
    /// Child processes do not inherit the variables that the file uses as secrets.
    ///
    /// # Errors
    ///
    /// All diagnostics if the file is invalid or cannot be read.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Config, Diagnostics> {
        let text = std::fs::read_to_string(path);
        let text =
            text.map_err(|error| Diagnostics::of_file(format!("cannot read file: {error}")))?;
        let (mut config, _) = Config::read_from(&text, self)?;
        config.platform.dynamic.hidden_variables = self.secrets();
        Ok(config)
    }

    /// Returns the names of the variables that were looked up as secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).clone()
    }
}

impl Environment for System {
    fn variable(&self, name: &str) -> Lookup {
        match std::env::var(name) {
            Ok(value) => Lookup::Found(value.into()),
            Err(_) => Lookup::Missing,
        }
    }

    fn secret(&self, name: &str) -> Lookup {
        lock(&self.secrets).push(name.to_owned());
        self.variable(name)
    }

    /// Reads a regular file of up to 64 KiB: a pipe or a device may never end.
    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        let mut text = String::new();
        // Without waiting for a program at the other end of a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text)?;
        if read as u64 > MAX_FILE {
            let too_large = format!("larger than {MAX_FILE} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, too_large));
        }
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        Ok(Lookup::Found(text.into()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Maximum size of a file with a secret in bytes.
const MAX_FILE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_secret_file_is_regular_and_limited() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        std::fs::write(path("secret"), "s3cr3t\n").unwrap();
        std::fs::write(path("large"), "a".repeat(64 * 1024 + 1)).unwrap();
        // Kubernetes mounts secrets as symbolic links.
        std::os::unix::fs::symlink(path("secret"), path("link")).unwrap();
        let system = System::new();
        for name in ["pipe", "large", "missing", "."] {
            assert!(system.file(&path(name)).is_err(), "{name}");
        }
        let device = system.file(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(device.to_string(), "it is not a regular file");
        for name in ["secret", "link"] {
            let Ok(Lookup::Found(text)) = system.file(&path(name)) else {
                panic!("{name}");
            };
            assert_eq!(text.expose(), "s3cr3t");
        }
    }
}
