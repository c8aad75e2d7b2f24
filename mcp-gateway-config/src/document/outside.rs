use std::fmt;
use std::io;
use std::path::Path;

use secrecy::SecretString;

/// What a file refers to that is not in it: variables of the environment, and other files.
pub trait Outside: fmt::Debug {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Lookup;

    /// The value of a variable that nobody else is to know.
    fn secret(&self, name: &str) -> Lookup {
        self.variable(name)
    }

    /// Returns the names of the servers that are built in.
    fn builtins(&self) -> &[&str] {
        &[]
    }

    /// The content of a file, without the end of its last line.
    fn file(&self, path: &Path) -> Result<Lookup, io::Error>;
}

/// What has been found outside a file.
#[derive(Debug)]
pub enum Lookup {
    Found(SecretString),
    Missing,
    /// Nothing has been looked at, so that nothing can be said.
    Unread,
}

/// Nothing at all: for a file that is to be read by itself.
///
/// The built-in server of the program, `demo`, is a known name.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Outside for Nothing {
    fn variable(&self, _: &str) -> Lookup {
        Lookup::Unread
    }

    fn builtins(&self) -> &[&str] {
        &["demo"]
    }

    fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
        Ok(Lookup::Unread)
    }
}
