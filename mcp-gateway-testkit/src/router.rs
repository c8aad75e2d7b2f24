//! Contract of [`ToolRouter`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mcp_gateway_core::route::{ListedTool, ToolRouter};

/// Names that clients may send, whatever servers exist.
const HOSTILE: [&str; 8] = [
    "",
    "_",
    "__",
    "a__b__c",
    "../../etc/passwd",
    "\u{0}",
    "\u{202e}name",
    "名前",
];

/// Checks `router` with `names`, which a server may give to its tools, prompts and tasks.
///
/// 1. No server is listed twice.
/// 2. The exposed name of a server's name resolves to that server and that name.
/// 3. No two names of any servers are exposed as one.
/// 4. A transparent server exposes its names unchanged.
/// 5. A name that resolves is the exposed name of what it resolves to, whatever a client sends.
/// 6. A server that is not listed exposes nothing.
/// 7. Once `names` were recorded as tools, 2, 3 and 6 hold for tools as well.
pub fn contract(router: &dyn ToolRouter, names: &[&str]) {
    let servers = router.servers();
    let unique: HashSet<_> = servers.iter().collect();
    assert_eq!(unique.len(), servers.len(), "no server is listed twice");

    let mut exposed = HashMap::new();
    for server in servers.iter() {
        for name in names.iter().copied() {
            let Some(public) = router.expose(server, name) else {
                continue;
            };
            if router.is_transparent(server) {
                assert_eq!(public, name, "{server} is transparent");
            }
            let resolved = router.resolve(&public);
            let resolved =
                resolved.map(|found| (found.server.to_string(), found.name.into_owned()));
            let expected = Some((server.to_string(), name.to_owned()));
            assert_eq!(resolved, expected, "{public:?} resolves to its origin");
            if let Some(other) = exposed.insert(public.into_owned(), (server, name)) {
                panic!("{other:?} and {:?} are exposed as one", (server, name));
            }
        }
    }
    for name in HOSTILE.iter().chain(names).copied() {
        if let Some(found) = router.resolve(name) {
            let public = router.expose(&found.server, &found.name);
            assert_eq!(
                public.as_deref(),
                Some(name),
                "a name that resolves is exposed"
            );
        }
    }
    for name in names.iter().copied() {
        let public = router.expose(UNLISTED, name);
        assert_eq!(public, None, "a server that is not listed exposes nothing");
    }
    check_tools(router, names);
}

/// Checks the names of tools.
fn check_tools(router: &dyn ToolRouter, names: &[&str]) {
    let tools: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
    let servers = router.servers();
    for server in servers.iter().map(|server| &**server).chain([UNLISTED]) {
        let mut tools = tools.iter().map(ListedTool::permitted);
        router.record_tools(server, &mut tools, true);
    }
    let mut exposed = HashSet::new();
    for (server, name) in servers
        .iter()
        .flat_map(|one| names.iter().map(move |name| (one, *name)))
    {
        let Some(public) = router.expose_tool(server, name) else {
            continue;
        };
        let resolved = router.resolve_tool(&public);
        let is_origin = resolved.is_some_and(|found| found.server == *server && found.name == name);
        assert!(is_origin, "the tool {public:?} resolves to its origin");
        assert!(
            exposed.insert(public.to_string()),
            "two tools are exposed as {public:?}"
        );
    }
    for name in names.iter().copied() {
        let public = router.expose_tool(UNLISTED, name);
        assert_eq!(public, None, "a server that is not listed has no tools");
    }
}

/// Server that no router lists.
const UNLISTED: &str = "a server that no gateway has";
