//! Public metadata and keys (RFC 8414, RFC 9728).

use axum::body::Body;
use http::{Method, Request, StatusCode};
use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_auth::server::RegistrationPolicy;
use serde_json::{Value, json};

use super::harness::{CALLBACK, Harness, ISSUER, OTHER_RESOURCE, RESOURCE, Reply, wanted};

const SERVER: &str = "/.well-known/oauth-authorization-server";
const RESOURCES: &str = "/.well-known/oauth-protected-resource";

async fn get_with(harness: &Harness, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    harness.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn rfc_8414_the_metadata_says_what_there_is() {
    let harness = Harness::new();
    let reply = harness.get(SERVER, None).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (StatusCode::OK, "application/json")
    );
    let said = reply.value();
    assert_eq!(said["issuer"], ISSUER);
    for name in [
        "authorization",
        "token",
        "introspection",
        "revocation",
        "registration",
    ] {
        let url = said[format!("{name}_endpoint")].as_str().unwrap();
        let path = url.strip_prefix(ISSUER).unwrap();
        let reply = harness.get(path, None).await;
        assert_ne!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (name, value) in [
        ("response_types_supported", json!(["code"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("client_id_metadata_document_supported", json!(false)),
        (
            "scopes_supported",
            json!(["mcp", "mcp:admin", "offline_access"]),
        ),
        (
            "grant_types_supported",
            json!(["authorization_code", "refresh_token", "client_credentials"]),
        ),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/v1/mcp/ops",
    ] {
        assert_eq!(harness.get(path, None).await.value(), said, "{path}");
    }
    harness.server.set_registration(RegistrationPolicy::Off);
    let said = harness.get(SERVER, None).await.value();
    assert!(said.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn rfc_8414_the_algorithms_are_those_that_assertions_may_have() {
    let harness = Harness::new();
    let said = harness.get(SERVER, None).await.value();
    let known = Algorithm::ALL.map(Algorithm::name);
    for endpoint in ["token", "introspection", "revocation"] {
        let listed = &said[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(*listed, json!(known));
    }
    assert!(!known.contains(&"none") && !known.iter().any(|name| name.starts_with("HS")));
}

#[tokio::test]
async fn rfc_9728_each_resource_has_metadata_that_names_it_as_the_client_does() {
    let harness = Harness::new();
    for (path, resource, scopes) in [
        ("", RESOURCE, json!(["mcp", "mcp:admin"])),
        ("/mcp", RESOURCE, json!(["mcp", "mcp:admin"])),
        (
            "/mcp/",
            "https://gw.example.com/mcp/",
            json!(["mcp", "mcp:admin"]),
        ),
        (
            "/mcp?v=2",
            "https://gw.example.com/mcp?v=2",
            json!(["mcp", "mcp:admin"]),
        ),
        ("/v1/mcp/ops", OTHER_RESOURCE, json!(["mcp"])),
    ] {
        let reply = harness.get(&format!("{RESOURCES}{path}"), None).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let said = reply.value();
        assert_eq!(said["resource"], resource);
        assert_eq!(said["authorization_servers"], json!([ISSUER]));
        assert_eq!(said["scopes_supported"], scopes, "never offline_access");
        assert_eq!(said["bearer_methods_supported"], json!(["header"]));
    }
    for path in [
        "/mcp/ops",
        "/nothing",
        "/mcp%3fx",
        "/mcp%23x",
        "/%2f%2fevil.com/mcp",
        "/MCP",
        "/v1",
    ] {
        let reply = harness.get(&format!("{RESOURCES}{path}"), None).await;
        assert_eq!(
            reply.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            reply.text
        );
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.error(), "not_found");
    }
}

#[tokio::test]
async fn o39_what_a_request_says_of_the_host_changes_nothing() {
    let harness = Harness::new();
    let poison = [
        ("host", "evil.com"),
        ("x-forwarded-host", "evil.com"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "8080"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "/evil"),
        ("forwarded", "host=evil.com;proto=http"),
    ];
    for path in [
        SERVER,
        RESOURCES,
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let plain = harness.get(path, None).await;
        let poisoned = get_with(&harness, path, &poison).await;
        assert_eq!(plain.text, poisoned.text, "{path}");
    }
    let client = harness.client().await;
    let path = format!("/authorize?{}", super::harness::encoded(&wanted(&client)));
    for cookie in ["user=alice", "x=y"] {
        let headers = [&poison[..], &[("cookie", cookie)]].concat();
        let reply = get_with(&harness, &path, &headers).await;
        assert!(!reply.text.contains("evil.com"));
        assert!(!reply.header("location").contains("evil.com"));
    }
}

#[tokio::test]
async fn o47_the_public_keys_are_public() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let harness = Harness::with(|builder| builder.with_signing_algorithm(algorithm));
        harness.tokens("alice").await;
        let reply = harness.get("/api/auth/oauth2/jwks", None).await;
        assert_eq!(reply.status, StatusCode::OK);
        let keys = reply.value()["keys"].as_array().unwrap().clone();
        assert!(!keys.is_empty());
        for key in keys {
            for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(key.get(private).is_none(), "{private}");
            }
            for needed in ["kty", "kid", "alg"] {
                assert!(key.get(needed).is_some_and(Value::is_string), "{needed}");
            }
        }
    }
}

#[tokio::test]
async fn category_cors_scripts_of_other_hosts_may_use_what_needs_no_cookie() {
    let harness = Harness::new();
    let origin = ("origin", "https://inspector.example.com");
    for path in [SERVER, RESOURCES, "/api/auth/oauth2/jwks"] {
        let reply = get_with(&harness, path, &[origin]).await;
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert!(reply.header("access-control-allow-credentials").is_empty());
    }
    for path in [
        "/token",
        "/register",
        "/api/auth/oauth2/revoke",
        "/api/auth/oauth2/register/x",
    ] {
        let request = Request::options(path)
            .header("origin", origin.1)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization, content-type, mcp-protocol-version",
            );
        let reply = harness.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        let allowed = reply
            .header("access-control-allow-headers")
            .to_ascii_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("mcp-protocol-version"));
    }
}

/// There is no device grant, so that users cannot be tricked into entering the code of an attacker.
#[tokio::test]
async fn o36_there_are_no_codes_of_devices() {
    let harness = Harness::with(|builder| builder.with_registration(RegistrationPolicy::Open));
    let said = harness.get(SERVER, None).await;
    assert!(!said.text.contains("device"), "{}", said.text);
    for path in [
        "/device_authorization",
        "/api/auth/oauth2/device_authorization",
        "/device",
    ] {
        let form = [("client_id", "x")];
        let reply = harness.post(path, &form).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let client = harness.client().await;
    for grant in [
        "urn:ietf:params:oauth:grant-type:device_code",
        "device_code",
    ] {
        let form = [
            ("grant_type", grant),
            ("client_id", &*client),
            ("device_code", "x"),
        ];
        let reply = harness.post("/token", &form).await;
        assert!(reply.is_error(400, "unsupported_grant_type"), "{reply:?}");
        let metadata = json!({ "redirect_uris": [CALLBACK], "grant_types": [grant] });
        let path = "/api/auth/oauth2/register";
        let reply = harness.json(Method::POST, path, None, &metadata).await;
        assert!(reply.is_error(400, "invalid_client_metadata"), "{reply:?}");
    }
}
