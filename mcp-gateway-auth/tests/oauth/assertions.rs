//! JWT client authentication and other assertions (RFC 7523).

use futures_util::future::join_all;
use http::StatusCode;
use mcp_gateway_auth::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::harness::{CALLBACK, Harness, ISSUER, Reply, VERIFIER};
use super::host::{Host, forged, published};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const TYPE: &str = "client-authentication+jwt";

/// A client with `private_key_jwt`, and an authorization code for it.
struct Signer {
    harness: Harness,
    key: SigningKey,
    id: String,
}

impl Signer {
    async fn new() -> Self {
        let (harness, key) = (
            Harness::new(),
            SigningKey::generate(Algorithm::Es256).unwrap(),
        );
        let metadata = json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": published(&key),
        });
        let id = harness.register(&metadata).await["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        Self { harness, key, id }
    }

    fn claims(&self) -> Value {
        let now = self.harness.clock.now();
        json!({ "iss": self.id, "sub": self.id, "aud": ISSUER, "jti": "1", "iat": now,
            "exp": now + 60 })
    }

    /// Returns the token response to a code that is presented with `assertion`.
    async fn present(&self, assertion: &str) -> Reply {
        let code = self.harness.code(&self.id, "alice").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
            ("client_assertion_type", KIND),
            ("client_assertion", assertion),
        ];
        self.harness.post("/token", &form).await
    }
}

/// Returns `object` with another value for `name`, or without it if that is null.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
        value => object[name] = value,
    }
    object
}

#[tokio::test]
async fn o34_a_client_proves_itself_with_its_key_once_for_each_assertion() {
    let signer = Signer::new().await;
    let assertion = signer.key.sign(TYPE, &signer.claims()).unwrap();
    let reply = signer.present(&assertion).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let again = signer.present(&assertion).await;
    assert!(again.is_error(401, "invalid_client"), "{again:?}");
    let replica = signer.harness.replica();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_assertion_type", KIND),
        ("client_assertion", &*assertion),
    ];
    let elsewhere = replica.post("/token", &form).await;
    assert!(elsewhere.is_error(401, "invalid_client"), "{elsewhere:?}");
    for audience in ["/token", "/api/auth/oauth2/token"] {
        let claims = with(signer.claims(), "aud", json!(format!("{ISSUER}{audience}")));
        let claims = with(claims, "jti", json!(audience));
        let reply = signer
            .present(&signer.key.sign("JWT", &claims).unwrap())
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{audience}");
    }
}

#[tokio::test]
async fn o34_of_many_who_present_one_assertion_one_succeeds() {
    let signer = Signer::new().await;
    let assertion = signer.key.sign(TYPE, &signer.claims()).unwrap();
    let codes: Vec<_> = join_all((0..50).map(|_| signer.harness.code(&signer.id, "alice"))).await;
    let forms = codes.iter().map(|code| {
        vec![
            ("grant_type", "authorization_code"),
            ("code", &**code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
            ("client_assertion_type", KIND),
            ("client_assertion", &*assertion),
        ]
    });
    let forms: Vec<_> = forms.collect();
    let replies = join_all(forms.iter().map(|form| signer.harness.post("/token", form))).await;
    let successes = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::OK);
    assert_eq!(successes.count(), 1);
}

#[tokio::test]
async fn o34_assertions_that_prove_nothing_are_refused() {
    let signer = Signer::new().await;
    let other = Signer::new().await;
    let now = signer.harness.clock.now();
    let mut bad = vec![
        (String::from("garbage"), "garbage"),
        (other.key.sign(TYPE, &signer.claims()).unwrap(), "other key"),
        (
            other.key.sign(TYPE, &other.claims()).unwrap(),
            "other client",
        ),
        (signer.key.sign("at+jwt", &signer.claims()).unwrap(), "type"),
    ];
    for header in [
        json!({ "alg": "none", "typ": TYPE }),
        json!({ "alg": "None", "typ": TYPE }),
        json!({ "alg": "HS256", "typ": TYPE, "kid": signer.key.kid() }),
        json!({ "alg": "ES256", "typ": TYPE, "kid": signer.key.kid() }),
        json!({ "alg": "ES256", "typ": TYPE, "kid": "unknown" }),
    ] {
        bad.push((forged(&header, &signer.claims()), "forged"));
    }
    for (name, value) in [
        ("aud", json!("https://other.example.com")),
        ("aud", json!("https://gw.example.com/")),
        ("aud", json!("https://gw.example.com/mcp")),
        ("aud", json!(null)),
        ("iss", json!(other.id)),
        ("iss", json!(null)),
        ("sub", json!(other.id)),
        ("sub", json!("nobody")),
        ("exp", json!(null)),
        ("exp", json!(now - 100)),
        ("exp", json!(now + 3600)),
        ("iat", json!(now + 3600)),
        ("nbf", json!(now + 3600)),
        ("jti", json!(null)),
    ] {
        let claims = with(signer.claims(), name, value);
        bad.push((signer.key.sign(TYPE, &claims).unwrap(), name));
    }
    for (assertion, what) in &bad {
        let reply = signer.present(assertion).await;
        assert!(reply.is_error(401, "invalid_client"), "{what}: {reply:?}");
    }
    let good = signer
        .present(&signer.key.sign(TYPE, &signer.claims()).unwrap())
        .await;
    assert_eq!(
        good.status,
        StatusCode::OK,
        "its jti was not used by any of them"
    );
}

#[tokio::test]
async fn o34_an_assertion_is_the_only_proof_in_a_request() {
    let signer = Signer::new().await;
    let assertion = signer.key.sign(TYPE, &signer.claims()).unwrap();
    let right = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_assertion_type", KIND),
        ("client_assertion", &*assertion),
    ];
    let secret = [&right[..], &[("client_secret", "x")]].concat();
    let basic = [("authorization", "Basic YTpi")];
    for reply in [
        signer.harness.post("/token", &secret).await,
        signer.harness.post_with("/token", &right, &basic).await,
        signer
            .harness
            .post(
                "/token",
                &super::harness::but(&right, "client_assertion_type", None),
            )
            .await,
        signer
            .harness
            .post(
                "/token",
                &super::harness::but(&right, "client_assertion_type", Some("x")),
            )
            .await,
    ] {
        assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
    }
    for form in [
        vec![("grant_type", "refresh_token"), ("client_id", &*signer.id)],
        vec![
            ("grant_type", "refresh_token"),
            ("client_id", &*signer.id),
            ("client_secret", "x"),
        ],
    ] {
        let reply = signer.harness.post("/token", &form).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    }
    let mismatch = [&right[..], &[("client_id", "other")]].concat();
    let reply = signer.harness.post("/token", &mismatch).await;
    assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
}

#[tokio::test]
async fn o34_keys_at_an_address_are_fetched_and_nothing_is_told_of_it() {
    let host = Host::start().await;
    let harness = Harness::with(|builder| builder.with_egress(host.egress()));
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    host.json("/jwks", &published(&key));
    let mut replies = Vec::new();
    for (path, works) in [("/jwks", true), ("/missing", false)] {
        let metadata = json!({
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": host.url(path),
        });
        let id = harness.register(&metadata).await["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let now = harness.clock.now();
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "jti": "1", "exp": now + 60 });
        let assertion = key.sign(TYPE, &claims).unwrap();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", KIND),
            ("client_assertion", &*assertion),
        ];
        let reply = harness.post("/token", &form).await;
        assert_eq!(reply.error() == "invalid_grant", works, "{reply:?}");
        assert_eq!(host.hits(path), 1);
        replies.push(reply);
    }
    let wrong = SigningKey::generate(Algorithm::Es256).unwrap();
    let assertion = wrong.sign(TYPE, &json!({ "sub": "nobody" })).unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_assertion_type", KIND),
        ("client_assertion", &*assertion),
    ];
    let unknown = harness.post("/token", &form).await;
    assert_eq!(unknown.text, replies[1].text, "no oracle");
}
