//! Restricted gateways, as strangers see them.

use super::*;
use crate::spec::{Issuer, Secret, Token};

/// A platform with a public gateway and one of a team, whose callers have tokens of an issuer.
fn spec() -> DynamicSpec {
    let mut spec = DynamicSpec::default();
    let mut ops = spec::GatewaySpec::new("ops");
    ops.title = Some("Operations".into());
    ops.visibility = spec::Visibility::Teams(vec!["ops".into()]);
    spec.gateways.push(ops);
    spec.auth.issuers = vec![Issuer::new("https://idp.example")];
    let token = Token::new("bob", Secret::new("the-token-of-bob-is-this"));
    spec.auth.tokens.push(token);
    spec
}

/// Head of a request for a path.
type Requested = fn(String) -> http::request::Builder;

/// Returns status, headers and body of the response to a request, in which `NAME` replaces `name`.
async fn seen(controller: &Controller, name: &str, request: http::request::Builder) -> String {
    let request = request.header("host", "localhost");
    let request = request.header("content-type", "application/json");
    let request = request.body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned());
    let response = controller.front().oneshot(request.unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let headers = &parts.headers;
    format!("{} {headers:?} {body}", parts.status).replace(name, "NAME")
}

#[tokio::test]
async fn category_tenant_gateways_do_not_exist_for_strangers() {
    let controller = controller(&spec());
    let requests: [(&str, Requested); 8] = [
        ("call", http::Request::post),
        ("stream", |path| {
            http::Request::get(path).header("accept", "text/event-stream")
        }),
        ("end", http::Request::delete),
        ("preflight", |path| {
            let request = http::Request::options(path).header("origin", "http://localhost");
            request.header("access-control-request-method", "POST")
        }),
        ("rebound", |path| {
            http::Request::post(path).header("origin", "https://evil.example")
        }),
        ("invalid token", |path| {
            http::Request::post(path).header("authorization", "Bearer invalid")
        }),
        ("bound token", |path| {
            http::Request::post(path).header("authorization", "DPoP invalid")
        }),
        ("token of another team", |path| {
            http::Request::post(path).header("authorization", "Bearer the-token-of-bob-is-this")
        }),
    ];
    for (what, request) in requests {
        for below in ["", "/", "/sse", "/messages", "/other"] {
            let of = async |name: &str| {
                let request = request(format!("/v1/mcp/{name}{below}"));
                seen(&controller, name, request).await
            };
            assert_eq!(of("ops").await, of("xyz").await, "{what} {below}");
        }
    }
    let challenge = seen(&controller, "ops", http::Request::post("/v1/mcp/ops")).await;
    let url = "http://localhost/.well-known/oauth-protected-resource/v1/mcp/NAME";
    assert!(
        challenge.starts_with("401") && challenge.contains(url),
        "{challenge}"
    );
}

#[tokio::test]
async fn category_tenant_gateways_have_the_metadata_of_any_name() {
    let mut spec = spec();
    let mut controller = controller(&spec);
    let metadata = async |controller: &Controller, name: &str| {
        let path = format!("/.well-known/oauth-protected-resource/v1/mcp/{name}");
        seen(controller, name, http::Request::get(path)).await
    };
    let ops = metadata(&controller, "ops").await;
    assert!(
        ops.starts_with("200") && ops.contains("https://idp.example"),
        "{ops}"
    );
    assert_eq!(ops, metadata(&controller, "xyz").await);
    // Paths of the default gateway are no names, so that clients find the metadata of the host.
    assert!(metadata(&controller, "sse").await.starts_with("404"));
    // Without gateways of teams, a mistyped name is an error.
    spec.gateways.truncate(1);
    controller.apply(&spec).unwrap();
    assert!(metadata(&controller, "default").await.starts_with("200"));
    assert!(metadata(&controller, "xyz").await.starts_with("404"));
}
