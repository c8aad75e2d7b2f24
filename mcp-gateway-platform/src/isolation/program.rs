//! Child processes, created from their specs.

use std::path::PathBuf;
use std::sync::Arc;

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
        for (name, value) in &self.spec.env {
            process = process.with_env(name, value.expose());
        }
        if !self.spec.clear_environment {
            process = process.with_inherited_env();
        }
        match self.spec.grace {
            Some(grace) => process.with_grace(grace),
            None => process,
        }
    }
}
