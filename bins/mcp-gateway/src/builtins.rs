//! The servers that are built into the program.

use std::sync::Arc;

use mcp_gateway_admin::PlatformTools;
use mcp_gateway_core::runtime::Embedded;
use mcp_gateway_core::upstream::RuntimeBackend;

use mcp_gateway_platform::servers::Builtins;
use mcp_gateway_platform::spec::PLATFORM_TOOLS;

/// The names of the servers that are built in.
pub(crate) const NAMES: &[&str] = if cfg!(feature = "demo") {
    &[DEMO, PLATFORM_TOOLS]
} else {
    &[PLATFORM_TOOLS]
};

/// The name of the server to try the gateway with.
pub(crate) const DEMO: &str = "demo";

/// The servers that are built in, by name.
///
/// The tools of the platform have definitions and no platform: one that starts replaces them by its
/// own.
pub(crate) fn builtins() -> Builtins {
    let demo: Option<Arc<dyn RuntimeBackend>> = demo();
    let demo = demo.into_iter().map(|demo| (Arc::from(DEMO), demo));
    let tools = PlatformTools::new().ok();
    let tools = tools.map(|tools| -> (_, Arc<dyn RuntimeBackend>) {
        let backend = Embedded::new(Arc::new(tools));
        (Arc::from(PLATFORM_TOOLS), Arc::new(backend))
    });
    demo.chain(tools).collect()
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
