//! Malformed and oversized bodies and headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use serde_json::json;

use super::harness::{CALLBACK, Harness, RESOURCE, VERIFIER, but, machine, redemption, wanted};

const TOKEN: &str = "/api/auth/oauth2/token";

#[tokio::test]
async fn o33_bodies_that_are_no_forms_are_refused() {
    let harness = Harness::new();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let form = super::harness::encoded(&redemption(&client, &code));
    let body = json!({ "grant_type": "authorization_code", "code": code, "client_id": client,
        "code_verifier": VERIFIER, "redirect_uri": CALLBACK });
    let table = [
        (Some("application/json"), body.to_string()),
        (Some("multipart/form-data; boundary=x"), form.clone()),
        (Some("text/plain"), form.clone()),
        (Some("application/x-www-form-urlencoded-evil"), form.clone()),
        (Some(""), form.clone()),
        (None, form.clone()),
    ];
    for path in [
        TOKEN,
        "/api/auth/oauth2/introspect",
        "/api/auth/oauth2/revoke",
    ] {
        for (kind, body) in &table {
            let mut request = Request::post(path);
            if let Some(kind) = kind {
                request = request.header("content-type", *kind);
            }
            let reply = harness
                .send(request.body(body.clone().into()).unwrap())
                .await;
            assert!(
                reply.is_error(400, "invalid_request"),
                "{kind:?}: {reply:?}"
            );
        }
    }
    let request = Request::post(TOKEN).header(
        "content-type",
        "Application/X-WWW-Form-Urlencoded ; charset=UTF-8",
    );
    let reply = harness.send(request.body(form.into()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
}

#[tokio::test]
async fn o33_parameters_are_not_mixed_up() {
    let harness = Harness::new();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let right = redemption(&client, &code);
    for (name, value) in &right {
        let twice = [&right[..], &[(*name, *value)]].concat();
        let reply = harness.post(TOKEN, &twice).await;
        assert!(reply.is_error(400, "invalid_request"), "{name}");
    }
    let many: Vec<(String, String)> = (0..100).map(|i| (i.to_string(), "x".into())).collect();
    let many: Vec<_> = many.iter().map(|(a, b)| (&**a, &**b)).collect();
    let reply = harness.post(TOKEN, &[&right[..], &many].concat()).await;
    assert!(reply.is_error(400, "invalid_request"));
    let upper = but(&right, "code", None);
    let reply = harness
        .post(
            TOKEN,
            &[&upper[..], &[("CODE", &*code), ("code[]", &code)]].concat(),
        )
        .await;
    assert!(reply.is_error(400, "invalid_request"));
}

#[tokio::test]
async fn o32_basic_credentials_are_read_as_the_rfc_has_them() {
    let harness = Harness::new();
    harness
        .server
        .set_clients([machine("a:b+c", "s %&\u{fc}+"), machine("build", "s3cret")]);
    let form = [("grant_type", "client_credentials")];
    let basic = |bytes: &[u8]| {
        let text = STANDARD.encode(bytes);
        format!("Basic {text}")
    };
    for good in [
        &b"a%3Ab%2Bc:s+%25%26%C3%BC%2B"[..],
        b"build:s3cret",
        b"%62uild:s3cret",
    ] {
        let reply = harness
            .post_with(TOKEN, &form, &[("authorization", &basic(good))])
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    }
    let reply = harness
        .post_with(TOKEN, &form, &[("authorization", "bAsIc YnVpbGQ6czNjcmV0")])
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    for bad in [
        &b"build"[..],
        b"build:",
        b":s3cret",
        b":",
        b"",
        b"build:s3cret%",
        b"build:s3cret%0",
        b"build:s3cret\xff",
        b"build:s3cret%ff",
        b"build:s3cret\0",
        b"build :s3cret",
        b"build:s3cret:",
        b"BUILD:s3cret",
    ] {
        let reply = harness
            .post_with(TOKEN, &form, &[("authorization", &basic(bad))])
            .await;
        assert!(reply.is_error(401, "invalid_client"), "{bad:?}: {reply:?}");
    }
}

#[tokio::test]
async fn o19_what_is_far_too_long_is_refused() {
    let harness = Harness::new();
    let client = harness.client().await;
    let mega = "x".repeat(1024 * 1024);
    for name in ["state", "scope", "nonce", "client_id", "redirect_uri"] {
        // No server reads longer ones.
        let query = but(&wanted(&client), name, Some(&mega[..60_000]));
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(reply.text.len() < 20_000);
    }
    let form = [("grant_type", "authorization_code"), ("code", &mega)];
    for path in [
        TOKEN,
        "/token",
        "/api/auth/oauth2/introspect",
        "/api/auth/oauth2/revoke",
    ] {
        let reply = harness.post(path, &form).await;
        assert!(
            reply.is_error(413, "invalid_request"),
            "{path}: {}",
            reply.status
        );
    }
    let metadata = json!({ "redirect_uris": [CALLBACK], "client_name": mega });
    let reply = harness
        .json(Method::POST, "/register", None, &metadata)
        .await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let reply = harness
        .json(
            Method::PUT,
            "/api/auth/oauth2/register/x",
            Some("x"),
            &metadata,
        )
        .await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let asked = harness.asked(&wanted(&client), "alice").await;
    let sealed = asked.field("request") + &mega;
    let form = [("request", &*sealed), ("decision", "allow")];
    let reply = harness
        .post_with(
            "/api/auth/oauth2/consent",
            &form,
            &[("cookie", "user=alice")],
        )
        .await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let (_, token) = harness.tokens("alice").await;
    let long = format!("{}{mega}", token["refresh_token"].as_str().unwrap());
    assert!(harness.bearer(RESOURCE, &long).await.is_err());
}
