//! Environment variables and files that configuration files refer to.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mcp_gateway_config::document::{Environment, Lookup};
use mcp_gateway_config::system;

use crate::builtins::NAMES;
use crate::watch::FileStamp;

/// Environment of the process, which records the files that are read.
#[derive(Debug, Default)]
pub(crate) struct SystemEnvironment {
    files: Mutex<Vec<FileStamp>>,
    system: system::System,
}

impl SystemEnvironment {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns the files that were looked up so far, readable or not.
    pub(crate) fn files(&self) -> Vec<FileStamp> {
        let files = self.files.lock();
        files.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records that the file at `path` is about to be read.
    pub(crate) fn record(&self, path: &Path) {
        let files = self.files.lock();
        let mut files = files.unwrap_or_else(PoisonError::into_inner);
        files.push(FileStamp::read(path));
    }

    /// Returns the variables that were looked up as secrets so far.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.system.secrets()
    }
}

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Lookup {
        self.system.variable(name)
    }

    fn secret(&self, name: &str) -> Lookup {
        self.system.secret(name)
    }

    fn builtins(&self) -> &[&str] {
        NAMES
    }

    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        self.record(path);
        self.system.file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_without_their_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let system = SystemEnvironment::new();
        for (content, expected) in [("a\n", "a"), ("a\r\n", "a"), (" a b ", " a b "), ("", "")] {
            std::fs::write(&path, content).unwrap();
            let Lookup::Found(text) = system.file(&path).unwrap() else {
                panic!("{content:?}");
            };
            assert_eq!(text.expose(), expected);
        }
        assert!(system.file(&folder.path().join("none")).is_err());
        assert!(system.file(Path::new("/dev/zero")).is_err());
        assert_eq!(
            system.files().last(),
            Some(&FileStamp::read(Path::new("/dev/zero")))
        );
    }
}
