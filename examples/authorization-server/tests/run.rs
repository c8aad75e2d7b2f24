//! The service as it is, with a client that finds out everything by itself.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "../../../mcp-gateway-auth/tests/login/browser.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod browser;

use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use self::browser::Browser;

const SOON: Duration = Duration::from_secs(60);

/// The example of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1/callback";

async fn document(url: &str) -> Value {
    serde_json::from_str(&Browser::new().get(url).await.body).unwrap()
}

/// Logs Alice in at `url`, and allows what is asked for; returns the code.
async fn code(url: &str) -> String {
    let mut browser = Browser::new();
    let page = browser.visit(url).await;
    let form = [
        ("csrf", &*page.field("csrf")),
        ("return_to", &page.field("return_to")),
        ("name", "alice"),
        ("password", "a good password"),
    ];
    let page = browser.post(page.url.as_str(), &form).await;
    let page = browser.visit(&page.next().unwrap()).await;
    let form = [("request", &*page.field("request")), ("decision", "allow")];
    let consent = page.url.join("/api/auth/oauth2/consent").unwrap();
    let page = browser.post(consent.as_str(), &form).await;
    let back = Url::parse(&page.next().unwrap()).unwrap();
    let mut pairs = back.query_pairs();
    pairs
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned()
}

#[tokio::test]
async fn a_program_reads_notes_that_somebody_lets_it_read() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authorization-server"));
    command
        .env("LISTEN", "127.0.0.1:0")
        .env("PASSWORD", "a good password");
    let mut service = Process::start(command).unwrap();
    let url = service.url(SOON).await.unwrap();

    let refused = Browser::new().get(&url).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.headers[WWW_AUTHENTICATE].to_str().unwrap();
    let (_, metadata) = challenge.split_once("resource_metadata=\"").unwrap();
    let resource = document(metadata.split_once('"').unwrap().0).await;
    assert_eq!(resource["resource"], url);
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let server = document(&format!("{issuer}/.well-known/oauth-authorization-server")).await;

    let client = json!({ "client_name": "Reader", "redirect_uris": [CALLBACK] });
    let register = Wire::new(server["registration_endpoint"].as_str().unwrap());
    let registered = register.post(client.to_string(), &[]).await.unwrap();
    let registered: Value = serde_json::from_str(&registered.body).unwrap();
    let client = registered["client_id"].as_str().unwrap();

    let parameters = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", &url),
    ];
    let authorize = server["authorization_endpoint"].as_str().unwrap();
    let code = code(
        Url::parse_with_params(authorize, parameters)
            .unwrap()
            .as_str(),
    )
    .await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let endpoint = server["token_endpoint"].as_str().unwrap();
    let granted = Browser::new().post(endpoint, &form).await;
    let granted: Value = serde_json::from_str(&granted.body).unwrap();
    let token = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let notes = Wire::new(url).with_header(AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
    let reply = notes.post("{}".to_owned(), &[]).await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), &*reply.body),
        (200, "The notes of alice\n")
    );
}
