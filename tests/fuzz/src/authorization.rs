use http::{StatusCode, header};
use serde_json::Value;

use crate::authority::{self, CALLBACK, ISSUER};

/// A request to the authorization server, the login or the forward-auth endpoint, as text.
pub fn authorization(data: &[u8]) {
    let Some(answered) = authority::answer(data) else {
        return;
    };
    assert!(!answered.status.is_server_error(), "{}", answered.status);
    if let Some(location) = authority::location(&answered) {
        let own = location.origin().ascii_serialization() == ISSUER;
        let github = location
            .as_str()
            .starts_with("https://github.com/login/oauth/authorize?");
        let back = location.as_str().starts_with(&format!("{CALLBACK}?"));
        assert!(own || github || back, "a browser is sent to {location}");
    }
    let kind = answered.headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or("", |kind| kind.to_str().expect("a type that is no text"));
    if kind == "application/json" {
        let body: Value =
            serde_json::from_slice(&answered.body).expect("an answer that is no JSON");
        let refused = answered.status != StatusCode::OK && answered.status != StatusCode::CREATED;
        assert_eq!(
            refused,
            body.get("error").is_some(),
            "{}: {body}",
            answered.status
        );
        let kept = answered.headers.get(header::CACHE_CONTROL);
        let is_secret = ["access_token", "refresh_token", "client_secret"];
        if is_secret.iter().any(|name| body.get(name).is_some()) {
            assert_eq!(kept.map(|value| value.as_bytes()), Some(&b"no-store"[..]));
        }
    }
    if kind.starts_with("text/html") {
        assert!(
            answered
                .headers
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
        let page = String::from_utf8(answered.body.to_vec()).expect("a page that is no text");
        assert!(!page.contains(MARK), "markup of somebody else's: {page}");
    }
}

/// Returns the markup that `text` contains, unless it is escaped.
const MARK: &str = "<x-mark";

pub(crate) const REQUESTS: &[&[u8]] = &[
    b"GET /authorize?response_type=code&client_id=editor&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcallback&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&resource=https%3A%2F%2Fgw.example.com%2Fmcp&scope=mcp&state=%3Cx-mark%3E\ncookie: user=alice\n\n",
    b"GET /api/auth/oauth2/authorize?response_type=code&client_id=%3Cx-mark%3E&redirect_uri=javascript:1&prompt=none&request=x&max_age=1\n\n",
    b"POST /token\ncontent-type: application/x-www-form-urlencoded\nauthorization: Basic YnVpbGQ6czNjcmV0\n\ngrant_type=client_credentials&resource=https%3A%2F%2Fgw.example.com%2Fmcp&scope=mcp",
    b"POST /api/auth/oauth2/token\ncontent-type: application/x-www-form-urlencoded\n\ngrant_type=authorization_code&client_id=editor&code=mcpc_AA.0.AAAA&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcallback",
    b"POST /token\ncontent-type: application/x-www-form-urlencoded\n\ngrant_type=refresh_token&client_id=editor&refresh_token=mcpr_AA.1.AAAA&scope=mcp",
    b"POST /token\ncontent-type: application/x-www-form-urlencoded\n\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&client_id=build&client_secret=s3cret&assertion=eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJhbGciOiJFUzI1NiJ9.e30.AA",
    b"POST /register\ncontent-type: application/json\n\n{\"redirect_uris\":[\"http://127.0.0.1:7/cb\",\"cursor://x/cb\"],\"client_name\":\"<x-mark>\",\"token_endpoint_auth_method\":\"private_key_jwt\",\"grant_types\":[\"authorization_code\",\"refresh_token\"],\"response_types\":[\"code\"],\"scope\":\"mcp\",\"client_uri\":\"https://c.example/\",\"jwks\":{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}}",
    b"PUT /api/auth/oauth2/register/c_x\ncontent-type: application/json\nauthorization: Bearer mcpreg_x\n\n{\"client_id\":\"c_x\",\"redirect_uris\":[\"https://c.example/cb\"],\"contacts\":[\"a\"]}",
    b"POST /api/auth/oauth2/introspect\ncontent-type: application/x-www-form-urlencoded\nauthorization: Basic YnVpbGQ6czNjcmV0\n\ntoken=eyJhbGciOiJFUzI1NiJ9.e30.AA&token_type_hint=access_token",
    b"POST /api/auth/oauth2/revoke\ncontent-type: application/x-www-form-urlencoded\n\nclient_id=editor&token=mcpr_AA.1.AAAA",
    b"POST /api/auth/oauth2/consent\ncontent-type: application/x-www-form-urlencoded\norigin: https://gw.example.com\nsec-fetch-site: same-origin\ncookie: user=alice\n\nrequest=AA.AA&decision=allow",
    b"GET /.well-known/oauth-protected-resource/v1/mcp/ops\nhost: gw.example.com\n\n",
    b"GET /.well-known/openid-configuration\nx-forwarded-host: evil.example\n\n",
    b"GET /api/auth/login?return_to=%2F%5Cevil.example%2F%3Cx-mark%3E\ncookie: __Host-mcp-browser=x\n\n",
    b"POST /api/auth/login\ncontent-type: application/x-www-form-urlencoded\norigin: https://gw.example.com\n\ncsrf=a.0.b&name=%3Cx-mark%3E&password=b&return_to=/",
    b"GET /api/auth/login/github?return_to=/authorize\n\n",
    b"GET /api/auth/callback/github?code=x&state=y&iss=z&error=%3Cx-mark%3E&error_description=w\n\n",
    b"GET /api/auth/account\ncookie: __Host-mcp-session=x\n\n",
    b"GET /verify\nhost: gw.example.com\nx-forwarded-proto: https\nx-forwarded-host: gw.example.com\nx-forwarded-uri: /mcp/x?y\nauthorization: Bearer t\n\n",
];
