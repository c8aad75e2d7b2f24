//! Contract of [`Upstream`].

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::{CatalogEntry, ListKind, Listing};
use mcp_gateway_core::jsonrpc::{Id, Message, Request, Response};
use mcp_gateway_core::reply::ReplyEvent;
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::upstream::Upstream;
use mcp_gateway_core::{Call, Reply};

use crate::cancel::poll_once;

/// Calls that are in flight at the same time.
const CONCURRENT: i64 = 16;

/// Name that no server lists.
const INVENTED: &str = "a name that no server lists";

/// Checks `upstream`, which must be able to respond, with calls that `call` creates for an ID.
///
/// 1. A call that is dropped, or whose reply is, leaves the upstream usable.
/// 2. A reply is one response with the ID of its request, or a stream that ends in one.
/// 3. Concurrent calls do not mix up their responses.
/// 4. A list is of the requested kind, and an unsupported one has no entries.
/// 5. A cached entry is equal to the one in the list, and the upstream is known to list it.
/// 6. The upstream is not known to list a name that a client invented.
/// 7. It can be closed twice.
///
/// Call it in a Tokio runtime.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::auth::Principal;
/// use mcp_gateway_core::call::Prepared;
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_core::upstream::{Upstream, UpstreamError};
/// use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, Reply};
/// use mcp_gateway_testkit::upstream;
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait]
/// impl Upstream for Fixed {
///     async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
///         Ok(Reply::result(call.request().id(), r#"{"content":[]}"#))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
/// let caller = Arc::new(Caller::new(Principal::new("ada"), "main", client));
/// upstream::contract(&Fixed, |id| {
///     let request = Request::new(id, &Method::ToolsCall, r#"{"name":"answer"}"#);
///     let target = Target::new("fixed", Feature::Tool("answer".into()));
///     let stage = Prepared::trusted(target, Credential::none());
///     Call::trusted(request, Arc::clone(&caller)).prepared(stage)
/// })
/// .await;
/// # }
/// ```
pub async fn contract(upstream: &dyn Upstream, call: impl Fn(&Id) -> Call<Prepared>) {
    poll_once(upstream.send(call(&Id::from(1)))).await;
    drop(send(upstream, call(&Id::from(2))).await);
    join_all((3..3 + CONCURRENT).map(async |number| {
        let id = Id::from(number);
        let response = response(send(upstream, call(&id)).await).await;
        assert_eq!(
            response.id(),
            Some(&id),
            "a response has the ID of its request"
        );
    }))
    .await;

    let example = call(&Id::from(0));
    for kind in [
        ListKind::Prompts,
        ListKind::Resources,
        ListKind::Templates,
        ListKind::Tools,
    ] {
        let listing = list(upstream, kind, &example).await;
        assert_eq!(listing.kind(), kind, "a list is of the requested kind");
        let entries = listing.entries();
        let supported = listing.is_supported();
        assert!(
            supported || entries.is_empty(),
            "an unsupported list of {kind:?} has no entries"
        );
        for entry in entries {
            cached_entry(upstream, &feature(kind, entry.name()), entry);
        }
        let invented = feature(kind, INVENTED);
        let known = upstream.is_known_to_list(&invented);
        assert!(
            !known && upstream.entry(&invented).is_none(),
            "{invented:?} is known"
        );
    }
    upstream.close().await;
    upstream.close().await;
}

async fn send(upstream: &dyn Upstream, call: Call<Prepared>) -> Reply {
    match upstream.send(call).await {
        Ok(reply) => reply,
        Err(error) => panic!("a call has no reply: {error}"),
    }
}

/// Reads `reply` to its end.
async fn response(reply: Reply) -> Response {
    match reply {
        Reply::Json { body, .. } => match body.collect().await {
            Ok(body) => match Message::parse(body.to_bytes()) {
                Ok(Message::Response(response)) => response,
                other => panic!("a reply is not a response: {other:?}"),
            },
            Err(error) => panic!("a reply ends early: {error}"),
        },
        Reply::Events(mut events) => {
            let mut last = None;
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => last = Some(event),
                    Err(error) => panic!("a stream ends early: {error}"),
                }
            }
            match last {
                Some(ReplyEvent::Response(response)) => response,
                other => panic!("a stream does not end in a response: {other:?}"),
            }
        }
    }
}

/// Returns the list of `kind` for the caller of `example`.
async fn list(upstream: &dyn Upstream, kind: ListKind, example: &Call<Prepared>) -> Arc<Listing> {
    let request = Request::new(&Id::from(0), &kind.method(), "{}");
    let target = Target::new(Arc::clone(&example.target().server), Feature::List(kind));
    let stage = Prepared::trusted(target, example.credential().clone());
    let call = Call::trusted(request, Arc::clone(example.caller())).prepared(stage);
    match upstream.list(kind, call).await {
        Ok(listing) => listing,
        Err(error) => panic!("no list of {kind:?}: {error}"),
    }
}

fn cached_entry(upstream: &dyn Upstream, feature: &Feature, listed: &CatalogEntry) {
    if let Some(cached) = upstream.entry(feature) {
        let same = cached.json() == listed.json();
        assert!(
            same,
            "the cached entry of {feature:?} is not the listed one"
        );
        let known = upstream.is_known_to_list(feature);
        assert!(known, "{feature:?} is cached, but not known");
    }
}

/// Returns the feature that an entry of a list of `kind` describes.
fn feature(kind: ListKind, name: &str) -> Feature {
    match kind {
        ListKind::Prompts => Feature::Prompt(name.into()),
        ListKind::Resources | ListKind::Templates => Feature::Resource(name.into()),
        ListKind::Tools => Feature::Tool(name.into()),
    }
}
