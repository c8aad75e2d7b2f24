//! The servers that are built into the program.

use std::sync::Arc;

use mcp_gateway_core::upstream::RuntimeBackend;

use mcp_gateway_platform::servers::Builtins;

/// The names of the servers that are built in.
pub(crate) const NAMES: &[&str] = if cfg!(feature = "demo") { &[DEMO] } else { &[] };

/// The name of the server to try the gateway with.
pub(crate) const DEMO: &str = "demo";

/// The servers that are built in, by name.
pub(crate) fn builtins() -> Builtins {
    let demo: Option<Arc<dyn RuntimeBackend>> = demo();
    demo.into_iter()
        .map(|demo| (Arc::from(DEMO), demo))
        .collect()
}

#[cfg(feature = "demo")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "a build without the demo has none"
)]
fn demo() -> Option<Arc<dyn RuntimeBackend>> {
    Some(crate::demo::backend())
}

#[cfg(not(feature = "demo"))]
fn demo() -> Option<Arc<dyn RuntimeBackend>> {
    None
}
