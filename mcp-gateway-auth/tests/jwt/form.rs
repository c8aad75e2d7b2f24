use mcp_gateway_auth::jose::{JwtError, MAX_TOKEN, UnverifiedJwt, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{
    AUDIENCE, Harness, ISSUER, NOW, access_token, b64, claims, header, outcome, with,
};

#[test]
fn j12_headers_that_would_have_to_be_understood_are_refused() {
    let bench = Harness::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("b64")),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = bench.pair.token(&with(header(), name, value), &claims());
        assert_eq!(bench.outcome(&token), format!("Header({name:?})"));
    }
    let null = bench
        .pair
        .raw(r#"{"alg":"ES256","typ":"at+jwt","crit":null}"#, "{}");
    assert_eq!(bench.outcome(&null), "Header(\"crit\")");
}

#[test]
fn j13_no_kind_of_token_passes_for_another() {
    let bench = Harness::new();
    let types = [
        json!("at+jwt"),
        json!("JWT"),
        json!("oauth-id-jag+jwt"),
        json!("client-authentication+jwt"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("secevent+jwt"),
        json!("text/at+jwt"),
        json!(""),
        Value::Null,
    ];
    let kinds = [
        (access_token(), claims(), vec![0]),
        (Validation::id_jag(ISSUER, AUDIENCE), claims(), vec![2]),
        (
            Validation::client_assertion("editor", AUDIENCE),
            with(
                with(claims(), "iss", json!("editor")),
                "sub",
                json!("editor"),
            ),
            vec![1, 3, 9],
        ),
        (Validation::id_token(ISSUER, AUDIENCE), claims(), vec![1, 9]),
        (Validation::new(ISSUER, AUDIENCE), claims(), vec![0]),
    ];
    for (expectation, claims, accepted) in kinds {
        let claims = with(claims, "exp", json!(NOW + 100));
        for (index, typ) in types.iter().enumerate() {
            let token = bench
                .pair
                .token(&with(header(), "typ", typ.clone()), &claims);
            let expected = if accepted.contains(&index) {
                "ok"
            } else {
                "Type"
            };
            let actual = outcome(bench.verify_as(&token, &expectation));
            assert_eq!(actual, expected, "{typ} as {expectation:?}");
        }
    }
    for typ in ["AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let token = bench
            .pair
            .token(&with(header(), "typ", json!(typ)), &claims());
        assert_eq!(bench.outcome(&token), "ok", "{typ}");
    }
}

#[test]
fn j15_a_key_identifier_is_looked_up_and_nothing_else() {
    let bench = Harness::new();
    for kid in [
        "../../etc/passwd",
        "' OR 1=1 --",
        "k1\0",
        "K1",
        " k1",
        "",
        "/dev/null",
        "http://127.0.0.1/",
    ] {
        let token = bench
            .pair
            .token(&with(header(), "kid", json!(kid)), &claims());
        assert_eq!(bench.outcome(&token), "Key", "{kid:?}");
    }
    for kid in [json!("k".repeat(257)), json!(["k1"]), json!(1), json!({})] {
        let token = bench.pair.token(&with(header(), "kid", kid), &claims());
        assert_eq!(bench.outcome(&token), "Header(\"kid\")");
    }
}

#[test]
fn j21_a_token_that_is_too_long_is_not_decoded() {
    let bench = Harness::new();
    let long = with(claims(), "padding", json!("x".repeat(MAX_TOKEN)));
    assert_eq!(bench.claims(&long), "TooLong");
    assert_eq!(bench.outcome(&"a".repeat(20 * 1024 * 1024)), "TooLong");
    let fits = with(claims(), "padding", json!("x".repeat(10_000)));
    assert_eq!(bench.claims(&fits), "ok");
}

#[test]
fn j22_json_that_is_nested_too_deep_is_refused() {
    let bench = Harness::new();
    for depth in [200, 2000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let claims = format!(r#"{{"a":{nested}}}"#);
        let token = bench.pair.raw(&header().to_string(), &claims);
        assert_eq!(bench.outcome(&token), "Malformed", "{depth}");
        let token = bench
            .pair
            .raw(&format!(r#"{{"alg":"ES256","a":{nested}}}"#), "{}");
        assert_eq!(bench.outcome(&token), "Malformed", "{depth}");
    }
}

#[test]
fn j23_a_name_twice_is_refused_everywhere() {
    let bench = Harness::new();
    let text = claims().to_string();
    for twice in [
        r#""exp":1"#,
        r#""sub":"bob""#,
        r#""iss":"https://evil.example""#,
        r#""aud":"https://evil.example""#,
        r#""client_id":"evil""#,
        r#""scope":"a","scope":"b""#,
        r#""groups":["a"],"groups":["b"]"#,
        r#""cnf":{"jkt":"a","jkt":"b"}"#,
        r#""a":[{"b":1,"b":1}]"#,
        r#""\u0073ub":"bob""#,
    ] {
        let claims = format!("{},{twice}}}", text.strip_suffix('}').unwrap());
        let token = bench.pair.raw(&header().to_string(), &claims);
        assert_eq!(bench.outcome(&token), "Malformed", "{twice}");
    }
    for header in [
        r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k2","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"JWT","typ":"at+jwt","kid":"k1"}"#,
    ] {
        let token = bench.pair.raw(header, &text);
        assert_eq!(bench.outcome(&token), "Malformed", "{header}");
    }
}

#[test]
fn j24_there_is_one_way_to_write_a_token() {
    let bench = Harness::new();
    let good = bench.token(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    // 64 bytes leave four unused bits in the last of 86 symbols.
    let last = signature.chars().last().unwrap();
    let other = ["AQgw", "BRhx"].iter().any(|set| set.contains(last));
    assert!(other, "a canonical signature ends in one of four symbols");
    let sloppy = char::from(u8::try_from(u32::from(last) + 1).unwrap());
    let sloppy = format!("{message}.{}{sloppy}", &signature[..signature.len() - 1]);
    let standard = message.replace('-', "+").replace('_', "/");
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        message.to_owned(),
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!("{good}\0"),
        format!(" {good}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        good.replace('.', ".."),
        format!("{message}=.{signature}"),
        format!("{standard}+.{signature}"),
        sloppy,
        format!("{}.é.", b64(header().to_string())),
    ] {
        assert_eq!(bench.outcome(&token), "Malformed", "{token:?}");
    }
}

#[test]
fn j25_what_is_encrypted_compressed_or_nested_is_refused() {
    let bench = Harness::new();
    let jwe = format!("{}.a.b.c.d", b64(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
    assert_eq!(bench.outcome(&jwe), "Malformed");
    for (name, value) in [
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("cty", json!("application/json")),
        ("enc", json!("A256GCM")),
    ] {
        let token = bench.pair.token(&with(header(), name, value), &claims());
        assert_eq!(bench.outcome(&token), format!("Header({name:?})"));
    }
    let inner = bench.token(&claims());
    let nested = bench.pair.raw(&header().to_string(), &format!("{inner:?}"));
    assert_eq!(bench.outcome(&nested), "Malformed");
}

proptest! {
    #[test]
    fn any_text_is_answered(token in "\\PC{0,200}") {
        prop_assert!(UnverifiedJwt::parse(&token).is_err());
    }

    #[test]
    fn any_parts_are_answered(header: Vec<u8>, claims: Vec<u8>, signature: Vec<u8>) {
        let token = format!("{}.{}.{}", b64(header), b64(claims), b64(signature));
        prop_assert!(UnverifiedJwt::parse(&token).is_err());
    }

    /// A valid token with any single byte replaced is invalid.
    #[test]
    fn no_byte_of_a_token_can_be_changed(at in any::<prop::sample::Index>(), to in 0x21_u8..0x7f) {
        let bench = Harness::new();
        let good = bench.token(&claims());
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let changed = String::from_utf8(bytes).unwrap();
        let result = bench.verify(&changed);
        prop_assert_eq!(result.is_ok(), changed == good, "{}", changed);
    }

    #[test]
    fn what_is_signed_is_what_is_read(sub in "[^\\p{Cc}]{1,255}", exp in NOW + 1..NOW + 1000) {
        let bench = Harness::new();
        let claims = with(with(claims(), "sub", json!(sub)), "exp", json!(exp));
        let verified = bench.verify(&bench.token(&claims));
        let verified = verified.map_err(|error: JwtError| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(verified.claims.sub, Some(sub));
        prop_assert_eq!(verified.claims.exp, Some(exp));
    }
}
