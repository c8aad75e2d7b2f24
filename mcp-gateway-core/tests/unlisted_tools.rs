//! Calls about which a policy decides by the catalog entry of a tool that the gateway has not listed.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::sync::{Arc, Mutex};

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::DispatchLayer;
use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{Feature, PrefixRouter};
use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// Permits the calls of tools that have been listed; hides lists if it `hides`.
#[derive(Clone, Debug, Default)]
struct Listed {
    seen: Arc<Mutex<bool>>,
    hides: bool,
}

impl Policy for Listed {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        let is_denied = match request.target().feature {
            Feature::Tool(_) => !*self.seen.lock().unwrap(),
            _ => self.hides,
        };
        match is_denied {
            true => Decision::deny("unlisted"),
            false => Decision::Allow,
        }
    }

    fn lacks_entry(&self, _: &PolicyRequest<'_>) -> bool {
        !*self.seen.lock().unwrap()
    }
}

/// Calls a tool of a server whose list succeeds if `lists`; returns the methods that reach the server,
/// and the error.
async fn called(policy: Listed, lists: bool) -> (Vec<String>, Option<Error>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (noted, seen) = (Arc::clone(&sent), Arc::clone(&policy.seen));
    let server = service_fn(move |call: Call<Permitted>| {
        let method = call.request().method().as_str().to_owned();
        let is_list = method == "tools/list";
        noted.lock().unwrap().push(method);
        *seen.lock().unwrap() |= is_list;
        let source = CredentialError::NotConnected { url: None };
        let server = Arc::clone(&call.target().server);
        let tools = r#"{"tools":[{"name":"a","inputSchema":{}}]}"#;
        std::future::ready(match is_list && !lists {
            true => Err(Error::Credential { server, source }),
            false => Ok(Reply::result(call.request().id(), tools)),
        })
    });
    let router = Arc::new(PrefixRouter::by_name(["s", "other"]).unwrap());
    let service = ServiceBuilder::new()
        .layer(DispatchLayer::new(router, Arc::new(policy.clone())))
        .layer(AuthorizeLayer::new(Arc::new(policy)))
        .service(server);
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
    let request = Request::new(&Id::from(1), &Method::ToolsCall, r#"{"name":"s__a"}"#);
    let error = service.oneshot(Call::trusted(request, caller)).await.err();
    let sent = sent.lock().unwrap().clone();
    (sent, error)
}

#[tokio::test]
async fn a_tool_on_whose_entry_the_decision_depends_is_listed_before_the_call() {
    let (sent, error) = called(Listed::default(), true).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(sent, ["tools/list", "tools/call"]);
    // What hinders the list is the answer of the call.
    let (sent, error) = called(Listed::default(), false).await;
    assert!(matches!(error, Some(Error::Credential { .. })), "{error:?}");
    assert_eq!(sent, ["tools/list"]);
    // A hidden list is not requested.
    let hiding = Listed {
        hides: true,
        ..Listed::default()
    };
    let (sent, error) = called(hiding, true).await;
    assert!(matches!(error, Some(Error::Route(_))), "{error:?}");
    assert!(sent.is_empty());
    // Nothing is requested of a tool that has been listed.
    let listed = Listed::default();
    *listed.seen.lock().unwrap() = true;
    let (sent, error) = called(listed, true).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(sent, ["tools/call"]);
}
