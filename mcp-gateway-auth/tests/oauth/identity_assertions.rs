//! Identity assertions of an enterprise's identity provider (ID-JAG).

use futures_util::future::join_all;
use http::StatusCode;
use mcp_gateway_auth::SecretHash;
use mcp_gateway_auth::jose::{Algorithm, SigningKey};
use mcp_gateway_auth::jwks::RemoteJwks;
use mcp_gateway_auth::server::{AssertionIssuer, ClientAuthentication, GrantType, OAuthClient};
use serde_json::{Value, json};

use super::harness::{Harness, IDP, ISSUER, OTHER_RESOURCE, RESOURCE, Reply, claims};
use super::host::{Host, forged, machine, published};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TYPE: &str = "oauth-id-jag+jwt";

/// An enterprise, its identity provider and its client `agent`.
struct Enterprise {
    harness: Harness,
    key: SigningKey,
    _host: Host,
}

impl Enterprise {
    async fn new() -> Self {
        let host = Host::start().await;
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        host.json("/jwks", &published(&key));
        let keys = RemoteJwks::jwks(host.url("/jwks"), host.egress());
        let ours = keys.clone();
        let harness = Harness::with(|builder| {
            builder
                .with_assertion_issuer(AssertionIssuer::new(IDP, keys))
                .with_assertion_issuer(AssertionIssuer::new(ISSUER, ours))
        });
        let agent = |id: &str| {
            OAuthClient::new(id, id)
                .with_authentication(ClientAuthentication::Secret {
                    hash: SecretHash::digest("s3cret"),
                    in_body: false,
                })
                .with_grant_types([GrantType::JwtBearer])
        };
        let public = OAuthClient::new("public", "p").with_grant_types([GrantType::JwtBearer]);
        harness.server.set_clients([
            agent("agent"),
            agent("other"),
            agent("narrow").with_scopes("mcp:admin".parse().unwrap()),
            machine("build", "s3cret"),
            public,
        ]);
        Self {
            harness,
            key,
            _host: host,
        }
    }

    fn claims(&self) -> Value {
        let now = self.harness.clock.now();
        json!({
            "iss": IDP, "sub": "alice", "aud": ISSUER, "client_id": "agent", "jti": "1",
            "iat": now, "exp": now + 300, "resource": RESOURCE, "scope": "mcp",
        })
    }

    /// Returns the response to an assertion of `client` with `changes` to its claims.
    async fn with(&self, changes: &[(&str, Value)]) -> Reply {
        let mut claims = self.claims();
        for (name, value) in changes {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        self.present(&self.key.sign(TYPE, &claims).unwrap(), &[])
            .await
    }

    async fn present(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = [("grant_type", GRANT), ("assertion", assertion)];
        let basic = [("authorization", "Basic YWdlbnQ6czNjcmV0")];
        self.harness
            .post_with("/token", &[&form[..], more].concat(), &basic)
            .await
    }
}

#[tokio::test]
async fn o35_an_assertion_is_exchanged_once_for_an_access_token_alone() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.key.sign(TYPE, &enterprise.claims()).unwrap();
    let reply = enterprise.present(&assertion, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let tokens = reply.value();
    assert!(tokens.get("refresh_token").is_none());
    let token = tokens["access_token"].as_str().unwrap();
    let said = claims(token);
    assert_eq!(
        (&said["sub"], &said["aud"]),
        (&json!("alice"), &json!(RESOURCE))
    );
    assert_eq!(said["client_id"], "agent");
    assert!(enterprise.harness.bearer(RESOURCE, token).await.is_ok());
    let again = enterprise.present(&assertion, &[]).await;
    assert!(again.is_error(400, "invalid_grant"), "{again:?}");
    enterprise
        .harness
        .server
        .revoke_user("alice")
        .await
        .unwrap();
    assert!(enterprise.harness.bearer(RESOURCE, token).await.is_err());
}

#[tokio::test]
async fn o35_of_many_who_present_one_assertion_one_succeeds() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.key.sign(TYPE, &enterprise.claims()).unwrap();
    let replies = join_all((0..50).map(|_| enterprise.present(&assertion, &[]))).await;
    let successes = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::OK);
    assert_eq!(successes.count(), 1);
}

#[tokio::test]
async fn o35_assertions_that_are_not_for_this_are_refused() {
    let enterprise = Enterprise::new().await;
    let now = enterprise.harness.clock.now();
    for (name, value, code) in [
        ("iss", json!("https://evil.com"), "invalid_grant"),
        ("iss", json!("https://idp.example.com/"), "invalid_grant"),
        ("iss", json!(ISSUER), "invalid_grant"),
        ("iss", json!(null), "invalid_grant"),
        ("aud", json!("https://other.example.com"), "invalid_grant"),
        (
            "aud",
            json!([ISSUER, "https://other.example.com"]),
            "invalid_grant",
        ),
        (
            "aud",
            json!("https://gw.example.com/token"),
            "invalid_grant",
        ),
        ("aud", json!(null), "invalid_grant"),
        ("client_id", json!("other"), "invalid_grant"),
        ("client_id", json!(null), "invalid_grant"),
        ("exp", json!(now - 100), "invalid_grant"),
        ("exp", json!(now + 3600), "invalid_grant"),
        ("exp", json!(null), "invalid_grant"),
        ("iat", json!(now + 200), "invalid_grant"),
        ("iat", json!(null), "invalid_grant"),
        ("jti", json!(null), "invalid_grant"),
        ("sub", json!(null), "invalid_grant"),
        ("sub", json!("unknown"), "invalid_grant"),
        ("cnf", json!({ "jkt": "x" }), "invalid_grant"),
        ("resource", json!(null), "invalid_target"),
        ("resource", json!([]), "invalid_target"),
        ("resource", json!(1), "invalid_target"),
        ("resource", json!("https://evil.com/mcp"), "invalid_target"),
        (
            "resource",
            json!([RESOURCE, "https://evil.com/mcp"]),
            "invalid_target",
        ),
        ("resource", json!(OTHER_RESOURCE), "invalid_target"),
        ("scope", json!("unknown"), "invalid_scope"),
        ("scope", json!("\"mcp\""), "invalid_scope"),
    ] {
        let reply = enterprise.with(&[(name, value.clone())]).await;
        assert!(reply.is_error(400, code), "{name} {value}: {reply:?}");
    }
    let good = enterprise.with(&[]).await;
    assert_eq!(good.status, StatusCode::OK, "none of them used up the jti");
}

#[tokio::test]
async fn o35_headers_and_signatures_that_are_not_right_are_refused() {
    let enterprise = Enterprise::new().await;
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let (key, claims) = (&enterprise.key, enterprise.claims());
    let header = |alg: &str| json!({ "alg": alg, "typ": TYPE, "kid": key.kid() });
    for assertion in [
        key.sign("JWT", &claims).unwrap(),
        key.sign("at+jwt", &claims).unwrap(),
        stranger.sign(TYPE, &claims).unwrap(),
        forged(&header("none"), &claims),
        forged(&header("HS256"), &claims),
        forged(&header("ES256"), &claims),
        "x".to_owned(),
        String::from("a.b.c"),
    ] {
        let reply = enterprise.present(&assertion, &[]).await;
        assert!(
            reply.is_error(400, "invalid_grant"),
            "{assertion}: {reply:?}"
        );
    }
    let reply = enterprise.present("", &[]).await;
    assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
}

#[tokio::test]
async fn o35_only_a_client_that_authenticates_and_may_exchanges() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.key.sign(TYPE, &enterprise.claims()).unwrap();
    let form = [("grant_type", GRANT), ("assertion", &*assertion)];
    let post = async |client: &str, headers: &[(&str, &str)]| {
        let form = [&form[..], &[("client_id", client)]].concat();
        enterprise.harness.post_with("/token", &form, headers).await
    };
    for client in ["", "agent", "public", "nobody"] {
        let reply = post(client, &[]).await;
        assert!(reply.is_error(401, "invalid_client"), "{client}: {reply:?}");
    }
    let wrong = [("authorization", "Basic YWdlbnQ6eA==")];
    let reply = post("agent", &wrong).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    let other = [("authorization", "Basic b3RoZXI6czNjcmV0")];
    let reply = post("other", &other).await;
    assert!(reply.is_error(400, "invalid_grant"), "{reply:?}");
    let build = [("authorization", "Basic YnVpbGQ6czNjcmV0")];
    let reply = post("build", &build).await;
    assert!(reply.is_error(400, "unauthorized_client"), "{reply:?}");
    assert_eq!(
        enterprise.present(&assertion, &[]).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn o35_what_is_granted_is_what_all_agree_to() {
    let enterprise = Enterprise::new().await;
    let scopes = |jti: &str, scope: Value| vec![("jti", json!(jti)), ("scope", scope)];
    for (jti, scope, granted) in [
        ("a", json!(null), "mcp mcp:admin"),
        ("b", json!("mcp:admin unknown"), "mcp:admin"),
        ("c", json!("mcp"), "mcp"),
    ] {
        let reply = enterprise.with(&scopes(jti, scope)).await;
        assert_eq!(reply.value()["scope"], granted, "{}", reply.text);
    }
    let mut claims = enterprise.claims();
    claims["scope"] = "mcp mcp:admin".into();
    let assertion = enterprise.key.sign(TYPE, &claims).unwrap();
    let reply = enterprise
        .present(&assertion, &[("scope", "mcp:root")])
        .await;
    assert!(reply.is_error(400, "invalid_scope"), "{reply:?}");
    let reply = enterprise
        .present(&assertion, &[("resource", OTHER_RESOURCE)])
        .await;
    assert!(reply.is_error(400, "invalid_target"), "{reply:?}");
    let reply = enterprise.present(&assertion, &[("scope", "mcp")]).await;
    assert_eq!(reply.value()["scope"], "mcp", "less than was asserted");
    let narrow = [("authorization", "Basic bmFycm93OnMzY3JldA==")];
    claims["client_id"] = "narrow".into();
    claims["jti"] = "narrow".into();
    let assertion = enterprise.key.sign(TYPE, &claims).unwrap();
    let form = [("grant_type", GRANT), ("assertion", &*assertion)];
    let reply = enterprise.harness.post_with("/token", &form, &narrow).await;
    assert_eq!(
        reply.value()["scope"],
        "mcp:admin",
        "what the client may have"
    );
}

#[tokio::test]
async fn o35_metadata_says_whether_assertions_are_exchanged() {
    let path = "/.well-known/oauth-authorization-server";
    let profile = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    let with = Enterprise::new()
        .await
        .harness
        .get(path, None)
        .await
        .value();
    assert_eq!(with["authorization_grant_profiles_supported"], profile);
    assert!(
        with["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(GRANT))
    );
    let without = Harness::new().get(path, None).await.value();
    assert!(
        without
            .get("authorization_grant_profiles_supported")
            .is_none()
    );
    assert!(
        !without["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(GRANT))
    );
}
