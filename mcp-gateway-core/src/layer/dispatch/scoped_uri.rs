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

use futures_util::StreamExt;
use serde_json::value::RawValue;

use crate::json::{Edits, Fields, string_json};
use crate::jsonrpc::Response;
use crate::reply::{self, ReplyEvent};
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

/// Splits a URI of a scoped scheme.
fn split(uri: &str) -> Option<(&str, &str)> {
    let scheme = SCHEMES.into_iter().find(|scheme| uri.starts_with(scheme))?;
    Some(uri.split_at(scheme.len()))
}

/// Replaces the URIs in a reply of `server` by those that clients see.
pub(super) async fn scope_reply(reply: Reply, server: &Arc<str>) -> Result<Reply, Error> {
    edit_reply(reply, server, scoped).await
}

/// Replaces the URIs in a reply of `server` by what `exposed` returns for them.
pub(super) async fn edit_reply(
    reply: Reply,
    server: &Arc<str>,
    exposed: fn(&str, &str) -> Option<String>,
) -> Result<Reply, Error> {
    match reply {
        json @ Reply::Json { .. } => {
            let status = json.status();
            let response = reply::response(json).await;
            let response = response.map_err(Error::of_server(server))?;
            let response = edited(&response, server, exposed);
            Ok(reply::single_response(status, &response))
        }
        Reply::Events(events) => {
            let server = Arc::clone(server);
            Ok(Reply::Events(events.map(|events| {
                events.map(move |event| match event {
                    Ok(ReplyEvent::Response(response)) => {
                        Ok(ReplyEvent::Response(edited(&response, &server, exposed)))
                    }
                    event => event,
                })
            })))
        }
    }
}

/// Returns the response with other URIs.
fn edited(
    response: &Response,
    server: &str,
    exposed: fn(&str, &str) -> Option<String>,
) -> Response {
    let (Ok(result), Some(span)) = (response.result(), response.result_span()) else {
        return response.clone();
    };
    let mut spans = Vec::new();
    collect(result, 0..result.len(), 0, &mut spans);
    response.with_edits(|edits: &mut Edits<'_>| {
        for uri in spans {
            let text = crate::json::string(&result[uri.clone()]);
            if let Some(exposed) = text.and_then(|text| exposed(server, &text)) {
                let at = span.start + uri.start..span.start + uri.end;
                edits.replace(at, string_json(&exposed));
            }
        }
    })
}

/// Collects the spans of the URIs in the value at `span`, at the places that the specifications
/// define for them. Texts, structured content and frontmatter are not searched.
fn collect(text: &str, span: Range<usize>, depth: usize, spans: &mut Vec<Range<usize>>) {
    if depth > MAX_DEPTH {
        return;
    }
    let value = &text[span.clone()];
    if value.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
        for item in items {
            let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
            collect(text, start..start + item.get().len(), depth + 1, spans);
        }
    } else if value.starts_with('{')
        && let Ok(fields) = Fields::parse(text, span)
    {
        spans.extend(URIS.iter().filter_map(|key| fields.span(text, key)));
        for key in CONTAINERS {
            if let Some(inner) = fields.span(text, key) {
                collect(text, inner, depth + 1, spans);
            }
        }
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
        ];
        for (result, expected) in table {
            let response = Response::new(&Id::from(1), result);
            let response = edited(&response, "s", scoped);
            assert_eq!(response.result(), Ok(expected));
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
