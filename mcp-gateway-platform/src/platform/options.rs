//! Options of a platform.

use std::sync::Arc;

use mcp_gateway_core::script::ScriptRunner;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_core::upstream::RuntimeBackend;
use mcp_gateway_registry::EntryDocument;

use super::PlatformBuilder;
use crate::orchestrator::Orchestrator;
use crate::registry::EntryReader;
use crate::servers::Builtins;

impl PlatformBuilder {
    /// Adds the built-in server `name`.
    pub fn with_builtin(
        mut self,
        name: impl Into<Arc<str>>,
        backend: Arc<dyn RuntimeBackend>,
    ) -> Self {
        self.builtins.insert(name.into(), backend);
        self
    }

    /// Adds built-in servers.
    pub fn with_builtins(mut self, builtins: Builtins) -> Self {
        self.builtins.extend(builtins);
        self
    }

    /// Adds servers in the store, whose entries `reader` reads, if the spec has a store.
    pub fn with_registry(mut self, reader: Arc<dyn EntryReader>) -> Self {
        self.entries = Some(reader);
        self
    }

    /// Adds ready entries to the registry, which are read-only.
    pub fn with_library(mut self, library: impl IntoIterator<Item = EntryDocument>) -> Self {
        self.library.extend(library);
        self
    }

    /// Sets the program that runs servers on a cluster. Default: none.
    pub fn with_orchestrator(mut self, orchestrator: Arc<dyn Orchestrator>) -> Self {
        self.orchestrator = Some(orchestrator);
        self
    }

    /// Adds the instructions of `guides` to the console, by which clients connect. Default: none.
    #[cfg(feature = "console")]
    pub fn with_client_guides(
        mut self,
        guides: Arc<dyn mcp_gateway_console::ClientGuides>,
    ) -> Self {
        self.guides = Some(guides);
        self
    }

    /// Sets the recorder of the spans of calls. Default: calls are not traced.
    ///
    /// It receives those that are sampled or have failed, and decides what is sampled. Arguments in spans
    /// are masked by the rules about results.
    pub fn with_span_recorder(mut self, recorder: Arc<dyn SpanObserver>) -> Self {
        self.spans = Some(recorder);
        self
    }

    /// Sets the runner of the scripts of gateways with `exposure: code`. Default: none.
    pub fn with_script_runner(mut self, runner: Arc<dyn ScriptRunner>) -> Self {
        self.scripts = Some(runner);
        self
    }
}
