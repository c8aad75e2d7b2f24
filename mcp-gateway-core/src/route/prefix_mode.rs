//! Use of prefixes in the names of tools.

/// Use of the prefixes of servers in the names of tools.
///
/// Prompts and tasks always have prefixes.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::route::{ListedTool, PrefixMode, PrefixRouter, ToolRouter};
///
/// let router = PrefixRouter::by_name(["files", "github"])?.with_tool_prefix(PrefixMode::OnCollision);
/// let listed = |server: &str, tools: &[&str]| {
///     let names: Vec<_> = tools.iter().map(|name| (*name).into()).collect();
///     router.record_tools(server, &mut names.iter().map(ListedTool::permitted), true);
/// };
/// listed("files", &["read", "search"]);
/// listed("github", &["search"]);
/// assert_eq!(router.expose_tool("files", "read").as_deref(), Some("read"));
/// assert_eq!(router.expose_tool("files", "search").as_deref(), Some("files__search"));
/// assert_eq!(&*router.resolve_tool("github__search").unwrap().server, "github");
/// assert!(router.resolve_tool("search").is_none());
/// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum PrefixMode {
    /// Every name has the prefix of its server.
    #[default]
    Always,
    /// No name has a prefix. Of several tools with one name, that of the first server is offered.
    Never,
    /// Names that tools of several servers have are prefixed, and no others.
    OnCollision,
}
