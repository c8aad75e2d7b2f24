//! URIs of apps and skills, which are scoped to the server that serves them.
//!
//! Two servers may use the same `ui://` or `skill://` URI for different content, and need not list
//! either. So clients see them with the name of the server as the first segment:
//! `ui://app/main` of the server `maps` is `ui://maps/app/main`. The scheme stays, because hosts
//! render and load nothing else, and so do relative references. Contents are not changed.
//!
//! See [MCP Apps](https://github.com/modelcontextprotocol/ext-apps) of 2026-01-26 and the [skills
//! extension](https://github.com/modelcontextprotocol/ext-skills).

use std::ops::Range;
use std::sync::Arc;

use super::Shared;
use crate::json::{Edits, each_item, each_member, string_json};
use crate::jsonrpc::Response;
use crate::{Error, Reply};

/// Schemes of URIs that are scoped to a server.
const SCHEMES: [&str; 2] = ["ui://", "skill://"];

/// Returns `uri` of `server` as clients see it; `None` if its scheme is not scoped.
pub(super) fn scoped(server: &str, uri: &str) -> Option<String> {
    let (scheme, rest) = split(uri)?;
    Some(format!("{scheme}{server}/{rest}"))
}

/// Returns the name of the server in a scoped URI, and the URI at that server; `None` if it can
/// have none.
pub(super) fn unscoped(uri: &str) -> Option<(&str, String)> {
    let (scheme, rest) = split(uri)?;
    let (server, rest) = rest.split_once('/')?;
    Some((server, format!("{scheme}{rest}")))
}

/// Returns `true` if URIs of the scheme of `uri` are scoped.
pub(super) fn has_scope(uri: &str) -> bool {
    split(uri).is_some()
}

/// Splits a URI of a scoped scheme.
fn split(uri: &str) -> Option<(&str, &str)> {
    let scheme = SCHEMES.into_iter().find(|scheme| uri.starts_with(scheme))?;
    Some(uri.split_at(scheme.len()))
}

/// Scope of the URIs of a server.
///
/// Those of the server without a prefix stay as they are, unless they look like those of a server.
#[derive(Clone, Debug)]
pub(super) struct UriScope {
    server: Arc<str>,
    /// Servers whose names must not be taken by URIs that are not scoped; `None` if all are.
    reserved: Option<Arc<[Arc<str>]>>,
}

impl Shared {
    /// Returns the scope of the URIs of `server`; `None` if it is the only one.
    pub(super) fn uri_scope(&self, server: &Arc<str>) -> Option<UriScope> {
        let servers = self.router.servers();
        (servers.len() > 1).then(|| UriScope {
            server: Arc::clone(server),
            reserved: self.router.is_transparent(server).then_some(servers),
        })
    }

    /// Replaces the URIs in a reply of `server` by those that clients see.
    pub(super) async fn scoped_reply(
        &self,
        reply: Reply,
        server: &Arc<str>,
    ) -> Result<Reply, Error> {
        match self.uri_scope(server) {
            Some(scope) => scope.edit_reply(reply).await,
            None => Ok(reply),
        }
    }
}

impl UriScope {
    /// Returns the URI under which clients see `uri`, if it is another one.
    pub(super) fn exposed(&self, uri: &str) -> Option<String> {
        let scoped = scoped(&self.server, uri)?;
        let Some(reserved) = &self.reserved else {
            return Some(scoped);
        };
        let (first, _) = unscoped(uri)?;
        let is_reserved = reserved.iter().any(|server| **server == *first);
        is_reserved.then_some(scoped)
    }

    /// Replaces the URIs in a reply of the server by those that clients see.
    pub(super) async fn edit_reply(self, reply: Reply) -> Result<Reply, Error> {
        let server = Arc::clone(&self.server);
        edit_reply(reply, &server, move |uri| self.exposed(uri)).await
    }
}

/// Replaces the URIs in a reply of `server` by what `exposed` returns for them.
pub(super) async fn edit_reply(
    reply: Reply,
    server: &Arc<str>,
    exposed: impl Fn(&str) -> Option<String> + Send + 'static,
) -> Result<Reply, Error> {
    let reply = reply.map_response(move |response| Ok(edited(&response, &exposed)));
    reply.await.map_err(Error::of_server(server))
}

/// Returns the response with other URIs.
fn edited(response: &Response, exposed: impl Fn(&str) -> Option<String>) -> Response {
    let (Ok(result), Some(span)) = (response.result(), response.result_span()) else {
        return response.clone();
    };
    response.with_edits(|edits: &mut Edits<'_>| {
        each_uri(result, 0..result.len(), 0, &mut |uri| {
            let text = crate::json::string(&result[uri.clone()]);
            if let Some(exposed) = text.and_then(|text| exposed(&text)) {
                let at = span.start + uri.start..span.start + uri.end;
                edits.replace(at, string_json(&exposed));
            }
        });
    })
}

/// Calls `visit` with the spans of the URIs in the value at `span`, at the places that the
/// specifications define for them. Texts, structured content and frontmatter are not searched.
///
/// Members of the same name are all visited: which of them counts depends on the reader.
fn each_uri(text: &str, span: Range<usize>, depth: usize, visit: &mut impl FnMut(Range<usize>)) {
    if depth > MAX_DEPTH {
        return;
    }
    match text.as_bytes().get(span.start) {
        Some(b'[') => each_item(text, span, |item| each_uri(text, item, depth + 1, visit)),
        Some(b'{') => each_member(text, span, |key, value| {
            if URIS.contains(&key) {
                visit(value);
            } else if CONTAINERS.contains(&key) {
                each_uri(text, value, depth + 1, visit);
            }
        }),
        _ => {}
    }
}

/// Members that are URIs. The last three refer to the app of a tool, in `_meta`.
const URIS: [&str; 4] = [
    "uri",
    "resourceUri",
    "ui/resourceUri",
    "openai/outputTemplate",
];

/// Members with URIs in them.
const CONTAINERS: [&str; 9] = [
    "_meta",
    "content",
    "contents",
    "messages",
    "resource",
    "resources",
    "skill",
    "skills",
    "ui",
];

/// Maximum depth of a URI in a result.
const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jsonrpc::Id;

    #[test]
    fn uris_are_replaced_wherever_they_stand() {
        let table = [
            (
                r#"{"content":[{"type":"resource_link","uri":"ui://a/b"},{"type":"text","text":"ui://a/b"}]}"#,
                r#"{"content":[{"type":"resource_link","uri":"ui://s/a/b"},{"type":"text","text":"ui://a/b"}]}"#,
            ),
            (
                r#"{"content":[{"resource":{"uri":"skill://a","text":""}}],"structuredContent":{"uri":"ui://a/b"}}"#,
                r#"{"content":[{"resource":{"uri":"skill://s/a","text":""}}],"structuredContent":{"uri":"ui://a/b"}}"#,
            ),
            (
                r#"{"_meta":{"ui":{"resourceUri":"ui://a"},"ui/resourceUri":"ui://a","openai/outputTemplate":"ui://a"}}"#,
                r#"{"_meta":{"ui":{"resourceUri":"ui://s/a"},"ui/resourceUri":"ui://s/a","openai/outputTemplate":"ui://s/a"}}"#,
            ),
            (
                r#"{"skills":[{"uri":"skill://x/SKILL.md","frontmatter":{"uri":"skill://x"},"resources":[{"uri":"skill://x/a","digest":"sha256:0"}]},{"uri":"github://x","resources":"dynamic"}]}"#,
                r#"{"skills":[{"uri":"skill://s/x/SKILL.md","frontmatter":{"uri":"skill://x"},"resources":[{"uri":"skill://s/x/a","digest":"sha256:0"}]},{"uri":"github://x","resources":"dynamic"}]}"#,
            ),
            // Readers differ in which of two members counts, and keys may be escaped.
            (
                r#"{"_meta":{"ui":{"resourceUri":"ui://a","resourceUri":"ui://b"},"\u0075i":{"resourceUri":"ui://c"}}}"#,
                r#"{"_meta":{"ui":{"resourceUri":"ui://s/a","resourceUri":"ui://s/b"},"\u0075i":{"resourceUri":"ui://s/c"}}}"#,
            ),
        ];
        for (result, expected) in table {
            let response = Response::new(&Id::from(1), result);
            let response = edited(&response, |uri| scoped("s", uri));
            assert_eq!(response.result(), Ok(expected));
        }
    }

    #[test]
    fn huge_and_deep_results_cost_what_their_size_is() {
        let member = |at| format!(r#""{at}":0,"#);
        let members: String = (0..100_000).map(member).collect();
        let huge = format!(r#"{{"_meta":{{{members}"ui":{{"resourceUri":"ui://a"}}}}}}"#);
        let items = r#"{"uri":"ui://a"},"#.repeat(50_000);
        let long = format!(r#"{{"content":[{items}{{}}]}}"#);
        let deep =
            format!("{}{}", r#"{"_meta":"#.repeat(100), "}".repeat(100)).replace(":}", ":{}}");
        for result in [huge, long, deep] {
            let response = Response::new(&Id::from(1), &result);
            let scoped = edited(&response, |uri| scoped("s", uri));
            let expected = result.replace("ui://a", "ui://s/a");
            assert!(scoped.result() == Ok(&*expected), "{}", result.len());
        }
    }

    #[test]
    fn no_server_takes_the_uris_of_another_one() {
        let servers: Arc<[Arc<str>]> = Arc::new(["one".into(), "two".into()]);
        let scope = |server: &str, reserved| UriScope {
            server: server.into(),
            reserved,
        };
        for (uri, prefixed, unprefixed) in [
            ("ui://app/main", Some("ui://two/app/main"), None),
            (
                "ui://one/main",
                Some("ui://two/one/main"),
                Some("ui://two/one/main"),
            ),
            (
                "ui://two/main",
                Some("ui://two/two/main"),
                Some("ui://two/two/main"),
            ),
            ("ui://one", Some("ui://two/one"), None),
            (
                "skill://one/a",
                Some("skill://two/one/a"),
                Some("skill://two/one/a"),
            ),
            ("file:///one/a", None, None),
            ("UI://one/a", None, None),
        ] {
            let exposed = scope("two", None).exposed(uri);
            assert_eq!(exposed.as_deref(), prefixed, "{uri}");
            let exposed = scope("two", Some(Arc::clone(&servers))).exposed(uri);
            assert_eq!(exposed.as_deref(), unprefixed, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn a_scoped_uri_is_that_of_its_server(server in "[a-z0-9_.-]{1,8}", rest in ".{0,16}") {
            for scheme in SCHEMES {
                let uri = format!("{scheme}{rest}");
                let scoped = scoped(&server, &uri).unwrap();
                prop_assert!(scoped.starts_with(scheme));
                prop_assert_eq!(unscoped(&scoped), Some((&*server, uri)));
            }
        }
    }
}
