//! Environment that files refer to.

use std::fmt;
use std::io;
use std::path::Path;

use mcp_gateway_platform::spec::{PLATFORM_TOOLS, Secret};

/// Environment of a file: variables and other files that it refers to.
///
/// # Example
///
/// ```
/// use std::io;
/// use std::path::Path;
///
/// use mcp_gateway_config::document::{Environment, Lookup};
/// use mcp_gateway_config::file::Config;
///
/// /// Environment with one variable.
/// #[derive(Debug)]
/// struct One;
///
/// impl Environment for One {
///     fn variable(&self, name: &str) -> Lookup {
///         match name {
///             "TOKEN" => Lookup::Found("wGQ2zX6pSVq0mUuR8a1c".into()),
///             _ => Lookup::Missing,
///         }
///     }
///
///     fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
///         Err(io::ErrorKind::NotFound.into())
///     }
/// }
///
/// let text = "auth: { tokens: [{ name: alice, token: { env: TOKEN } }] }\n";
/// let (config, _) = Config::read_from(text, &One).unwrap();
/// assert_eq!(config.platform.dynamic.auth.tokens[0].secret.expose(), "wGQ2zX6pSVq0mUuR8a1c");
/// let error = Config::read_from(&text.replace("TOKEN", "OTHER"), &One).unwrap_err();
/// assert!(error.to_string().ends_with("environment variable OTHER is not set"));
/// ```
pub trait Environment: fmt::Debug {
    /// Looks up a variable.
    fn variable(&self, name: &str) -> Lookup;

    /// Looks up a variable that contains a secret.
    fn secret(&self, name: &str) -> Lookup {
        self.variable(name)
    }

    /// Returns the names of the built-in servers.
    fn builtins(&self) -> &[&str] {
        &[]
    }

    /// Returns `true` if secrets are references to variables and files. Otherwise they are part of
    /// the document, as `{ secret: TEXT }`, and references are errors.
    fn has_references(&self) -> bool {
        true
    }

    /// Reads a file, without its trailing line break.
    ///
    /// # Errors
    ///
    /// The error of the system, if the file cannot be read.
    fn file(&self, path: &Path) -> Result<Lookup, io::Error>;
}

/// Result of a lookup.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lookup {
    /// The value.
    Found(Secret),
    /// It does not exist.
    Missing,
    /// Lookups are disabled.
    Unavailable,
}

/// Environment without lookups, for checking a file by itself.
///
/// All secrets are empty. It has the built-in servers `demo` and `platform`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it has no state")]
pub struct NoEnvironment;

impl Environment for NoEnvironment {
    fn variable(&self, _: &str) -> Lookup {
        Lookup::Unavailable
    }

    fn builtins(&self) -> &[&str] {
        &["demo", PLATFORM_TOOLS]
    }

    fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
        Ok(Lookup::Unavailable)
    }
}
