//! Contract of [`ToolRouter`].

use std::collections::{HashMap, HashSet};

use mcp_gateway_core::route::ToolRouter;

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
    let unlisted = "a server that no gateway has";
    for name in names.iter().copied() {
        let public = router.expose(unlisted, name);
        assert_eq!(public, None, "a server that is not listed exposes nothing");
    }
}
