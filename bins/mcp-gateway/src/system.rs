//! Environment variables and files that configuration files refer to.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_gateway_config::document::{Lookup, Outside};

use crate::builtins::NAMES;
use crate::watch::Seen;

/// Environment of the process.
#[derive(Debug, Default)]
pub(crate) struct System {
    files: Mutex<Vec<Seen>>,
    secrets: Mutex<Vec<String>>,
}

impl System {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns the files that were looked up so far, readable or not.
    pub(crate) fn files(&self) -> Vec<Seen> {
        lock(&self.files).clone()
    }

    /// Returns the variables that were looked up as secrets so far.
    pub(crate) fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).clone()
    }
}

impl Outside for System {
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

    fn builtins(&self) -> &[&str] {
        NAMES
    }

    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        lock(&self.files).push(Seen::now(path));
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
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

/// Largest file; guards against endless devices.
const MAX_FILE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn files_are_read_without_their_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let system = System::new();
        for (content, expected) in [("a\n", "a"), ("a\r\n", "a"), (" a b ", " a b "), ("", "")] {
            std::fs::write(&path, content).unwrap();
            let Lookup::Found(text) = system.file(&path).unwrap() else {
                panic!("{content:?}");
            };
            assert_eq!(text.expose_secret(), expected);
        }
        assert!(system.file(&folder.path().join("none")).is_err());
        assert!(system.file(Path::new("/dev/zero")).is_err());
        assert_eq!(
            system.files().last(),
            Some(&Seen::now(Path::new("/dev/zero")))
        );
    }
}
