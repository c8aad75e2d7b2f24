//! Secrets that must not be revealed, stored or logged.

use std::io::Write;
use std::sync::{Arc, Mutex};

use http::{Method, Request, StatusCode};
use mcp_gateway_auth::token::{BearerVerifier, TokenVerifier};
use mcp_gateway_core::auth::AuthVerifier as _;
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;

use super::harness::{
    CALLBACK, Harness, ISSUER, RESOURCE, VERIFIER, but, machine, redemption, wanted,
};

/// Captures the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Uses every endpoint that handles secrets, and returns all secrets.
async fn everything(harness: &Harness) -> Vec<String> {
    harness
        .server
        .set_clients([machine("build", "s3cret-of-build").with_introspection()]);
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let said = harness.register(&metadata).await;
    let text = |name: &str| said[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("client_id"), text("client_secret"));
    let asked = harness.asked(&wanted(&id), "alice").await;
    let code = harness
        .decide(&asked, "alice", "allow")
        .await
        .parameter("code")
        .unwrap();
    let form = [&redemption(&id, &code)[..], &[("client_secret", &*secret)]].concat();
    let tokens = harness.post("/token", &form).await.value();
    let basic = ("authorization", "Basic YnVpbGQ6czNjcmV0LW9mLWJ1aWxk");
    let mut secrets = vec![
        text("registration_access_token"),
        asked.field("request"),
        "s3cret-of-build".to_owned(),
        "YnVpbGQ6czNjcmV0LW9mLWJ1aWxk".to_owned(),
        "wrong-secret-of-somebody".to_owned(),
        VERIFIER.to_owned(),
    ];
    for name in ["access_token", "refresh_token"] {
        let token = tokens[name].as_str().unwrap().to_owned();
        harness
            .post_with(
                "/api/auth/oauth2/introspect",
                &[("token", &token)],
                &[basic],
            )
            .await;
        let _ = harness.bearer(RESOURCE, &token).await;
        let _ = harness.bearer(RESOURCE, &format!("{token}x")).await;
        secrets.push(token);
    }
    misuse(harness, &id, &secret, &code, &tokens).await;
    let path = format!("/api/auth/oauth2/register/{id}");
    harness
        .json(Method::DELETE, &path, Some(&secrets[0]), &json!(null))
        .await;
    secrets.extend([secret, code]);
    secrets
}

/// Presents invalid, expired and revoked credentials.
async fn misuse(harness: &Harness, id: &str, secret: &str, code: &str, tokens: &Value) {
    let wrong = [("client_secret", "wrong-secret-of-somebody")];
    harness
        .post("/token", &[&redemption(id, code)[..], &wrong].concat())
        .await;
    let assertion = [
        ("grant_type", "refresh_token"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", tokens["access_token"].as_str().unwrap()),
    ];
    harness.post("/token", &assertion).await;
    let form = [&redemption(id, code)[..], &[("client_secret", secret)]].concat();
    harness.post("/token", &form).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("token", refresh),
        ("client_id", id),
        ("client_secret", secret),
    ];
    harness.post("/api/auth/oauth2/revoke", &form).await;
}

#[tokio::test]
async fn o30_nothing_secret_is_logged() {
    let harness = Harness::new();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let secrets = everything(&harness).with_subscriber(subscriber).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("client registered"), "{logged}");
    assert!(logged.contains("grant revoked"), "{logged}");
    for secret in &secrets {
        assert!(!logged.contains(&**secret), "{secret} in {logged}");
    }
}

#[tokio::test]
async fn o30_nothing_secret_is_in_what_is_shown_to_developers() {
    let harness = Harness::new();
    let secrets = everything(&harness).await;
    let client = machine("build", "s3cret-of-build");
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        harness.server,
        client,
        client.authentication,
        harness.server.verifier(None),
        harness.server.clients_after(None, 100).await.unwrap(),
    );
    for secret in &secrets {
        assert!(!shown.contains(&**secret), "{secret} in {shown}");
    }
    let hash = mcp_gateway_auth::SecretHash::digest("s3cret-of-build");
    assert!(!shown.contains(hash.as_str()), "{shown}");
}

#[tokio::test]
async fn o28_whether_there_is_such_a_client_is_not_told() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    let form = [("grant_type", "client_credentials")];
    let mut answers = Vec::new();
    // Credentials of `build` and of an unknown client, both with a wrong secret.
    for basic in ["Basic YnVpbGQ6eA==", "Basic bm9ib2R5Ong="] {
        let headers = [("authorization", basic)];
        for path in [
            "/token",
            "/api/auth/oauth2/introspect",
            "/api/auth/oauth2/revoke",
        ] {
            let reply = harness.post_with(path, &form, &headers).await;
            answers.push((reply.status, reply.text, reply.headers));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn o28_whether_there_is_such_a_code_or_token_is_not_told() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let other = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let mut answers = Vec::new();
    for code in [&*code, "g_unknown.0.AAAA", "x"] {
        answers.push(harness.redeem(&other, code).await.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut answers = Vec::new();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for token in [refresh, "g_unknown.0.AAAA", "x", &code] {
        answers.push(harness.refresh(&other, token).await.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn o31_a_token_is_in_one_header_alone() {
    let harness = Harness::new();
    let (_, tokens) = harness.tokens("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    let verifier: Arc<dyn TokenVerifier> = Arc::new(harness.server.verifier(None));
    let verifier = BearerVerifier::new(verifier).with_clock(harness.clock.clone());
    let query = format!("/mcp?access_token={access}&authorization=Bearer%20{access}");
    for request in [
        Request::get(&*query),
        Request::post("/mcp").header("content-type", "application/x-www-form-urlencoded"),
        Request::get("/mcp").header("cookie", format!("access_token={access}")),
        Request::get("/mcp").header("x-access-token", access),
        Request::get("/mcp").header("authorization", format!("Basic {access}")),
    ] {
        let parts = request.body(()).unwrap().into_parts().0;
        let refused = verifier.verify(&parts).await;
        assert!(refused.is_err(), "{parts:?}");
    }
    let twice = Request::get("/mcp")
        .header("authorization", format!("Bearer {access}"))
        .header("authorization", format!("Bearer {access}"));
    let parts = twice.body(()).unwrap().into_parts().0;
    assert!(verifier.verify(&parts).await.is_err());
    let good = Request::get("/mcp").header("authorization", format!("bearer {access}"));
    let parts = good.body(()).unwrap().into_parts().0;
    assert!(verifier.verify(&parts).await.is_ok());
}

#[tokio::test]
async fn o31_no_address_leaves_with_a_page() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    assert_eq!(asked.header("referrer-policy"), "no-referrer");
    assert!(!asked.text.contains("<script"), "nothing could send it");
    assert!(
        !asked.text.contains("src="),
        "nothing is fetched from elsewhere"
    );
    let implicit = but(&wanted(&client), "response_type", Some("token"));
    let reply = harness.asked(&implicit, "alice").await;
    assert_eq!(reply.parameter("access_token"), None);
    assert!(reply.location().unwrap().fragment().is_none());
    assert!(!reply.text.contains(ISSUER) || reply.status == StatusCode::SEE_OTHER);
}
