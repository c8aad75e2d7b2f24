//! Child processes, created from their specs.

use std::path::PathBuf;
use std::sync::Arc;

use mcp_gateway_core::Mask;
use mcp_gateway_core::runtime::Process;

use crate::spec;

/// Program of a server: its spec, and the variables that it does not inherit.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Name of the server.
    pub(super) server: Arc<str>,
    /// Spec.
    pub(super) spec: spec::Process,
    /// Variables of the gateway with secrets.
    hidden: Vec<String>,
}

impl Program {
    /// Creates the program of the server `server`.
    pub(crate) fn new(server: &Arc<str>, spec: &spec::Process, hidden: &[String]) -> Self {
        Self {
            server: Arc::clone(server),
            spec: spec.clone(),
            hidden: hidden.to_vec(),
        }
    }

    /// Returns the backend, whose arguments are literal.
    pub(crate) fn literal(&self) -> Process {
        let process = self
            .process(&self.spec.command, [])
            .with_args(&self.spec.args);
        match &self.spec.directory {
            Some(directory) => process.with_directory(directory),
            None => process,
        }
    }

    /// Returns a backend that runs `command` in the environment of the program, without arguments.
    ///
    /// The variables of the program replace those of `env`, and both replace inherited ones. The
    /// working directory is that of the gateway.
    pub(super) fn process(
        &self,
        command: &str,
        env: impl IntoIterator<Item = (&'static str, PathBuf)>,
    ) -> Process {
        let mut process = Process::new(Arc::clone(&self.server), command);
        for name in &self.hidden {
            process = process.without_env(name);
        }
        for (name, value) in env {
            process = process.with_env(name, value);
        }
        let mut mask = Mask::new();
        for (name, value) in &self.spec.env {
            process = process.with_env(name, value.expose());
            if names_secret(name) {
                mask = mask.with_secret(value.expose());
            }
        }
        process = process.with_mask(mask);
        if !self.spec.clear_environment {
            process = process.with_inherited_env();
        }
        match self.spec.grace {
            Some(grace) => process.with_grace(grace),
            None => process,
        }
    }
}

/// Returns `true` if the variable `name` is a secret by its name. The values of others, such as a
/// level or a folder, explain what a program writes.
pub(crate) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Parts of the names of variables that are secrets.
const SECRET_NAMES: [&str; 6] = ["AUTH", "CREDENTIAL", "KEY", "PASS", "SECRET", "TOKEN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_the_names_of_their_variables() {
        for name in [
            "GITHUB_TOKEN",
            "apiKey",
            "PGPASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "AUTH",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in ["LOG_LEVEL", "NODE_ENV", "HOME", "PORT"] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
