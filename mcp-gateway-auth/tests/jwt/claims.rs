use std::time::Duration;

use mcp_gateway_auth::jose::Validation;
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, Harness, ISSUER, NOW, access_token, claims, header, outcome, with};

#[test]
fn j4_a_token_without_what_is_needed_is_refused() {
    let bench = Harness::new();
    for name in ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"] {
        let without = with(claims(), name, Value::Null);
        assert_eq!(bench.claims(&without), format!("Missing({name:?})"));
    }
    assert_eq!(bench.claims(&json!({})), "Missing(\"iss\")");
    assert_eq!(
        bench.claims(&with(claims(), "aud", json!([]))),
        "Missing(\"aud\")"
    );
    // Also without additional requirements.
    let least = Validation::new(ISSUER, AUDIENCE);
    for name in ["iss", "aud", "exp"] {
        let token = bench.token(&with(claims(), name, Value::Null));
        let expected = format!("Missing({name:?})");
        assert_eq!(outcome(bench.verify_as(&token, &least)), expected);
    }
}

#[test]
fn j5_claims_of_another_type_are_refused() {
    let bench = Harness::new();
    for name in ["iss", "aud", "sub", "client_id", "jti"] {
        for value in [json!(1), json!(true), json!({"a": 1}), json!("")] {
            let token = bench.claims(&with(claims(), name, value.clone()));
            assert_eq!(token, format!("Claim({name:?})"), "{value}");
        }
        let text = claims()
            .to_string()
            .replacen('{', &format!("{{\"{name}\":null,"), 1);
        let token = bench.pair.raw(&header().to_string(), &text);
        assert_ne!(bench.outcome(&token), "ok", "{name}: null");
    }
    for aud in [
        json!([1]),
        json!([AUDIENCE, 1]),
        json!([[AUDIENCE]]),
        json!([null]),
    ] {
        assert_eq!(bench.claims(&with(claims(), "aud", aud)), "Claim(\"aud\")");
    }
    for scope in [
        json!(["a"]),
        json!("a\nb"),
        json!("ä"),
        json!("x".repeat(5000)),
    ] {
        assert_eq!(
            bench.claims(&with(claims(), "scope", scope)),
            "Claim(\"scope\")"
        );
    }
}

#[test]
fn j6_an_issuer_is_one_string() {
    let bench = Harness::new();
    for iss in [
        json!([ISSUER]),
        json!(["https://evil.example", ISSUER]),
        json!({}),
    ] {
        assert_eq!(bench.claims(&with(claims(), "iss", iss)), "Claim(\"iss\")");
    }
}

#[test]
fn j7_a_token_that_has_not_begun_is_refused() {
    let bench = Harness::new();
    for (nbf, expected) in [(NOW - 1, "ok"), (NOW + 60, "ok"), (NOW + 61, "NotYet")] {
        assert_eq!(
            bench.claims(&with(claims(), "nbf", json!(nbf))),
            expected,
            "{nbf}"
        );
    }
    for nbf in [json!("1"), json!(-1), json!(1e30), json!([])] {
        assert_eq!(bench.claims(&with(claims(), "nbf", nbf)), "Claim(\"nbf\")");
    }
}

#[test]
fn j8_a_token_from_the_future_or_for_ever_is_refused() {
    let bench = Harness::new();
    for (iat, expected) in [(NOW, "ok"), (NOW + 60, "ok"), (NOW + 61, "NotYet")] {
        assert_eq!(
            bench.claims(&with(claims(), "iat", json!(iat))),
            expected,
            "{iat}"
        );
    }
    let hour = access_token().with_max_lifetime(Duration::from_secs(3600));
    for (iat, exp, expected) in [
        (NOW, NOW + 3600, "ok"),
        (NOW, NOW + 3601, "Lifetime"),
        (NOW - 3500, NOW + 101, "Lifetime"),
        (NOW, NOW + 100 * 365 * 86_400, "Lifetime"),
        (0, NOW + 10, "Lifetime"),
    ] {
        let claims = with(with(claims(), "iat", json!(iat)), "exp", json!(exp));
        let actual = outcome(bench.verify_as(&bench.token(&claims), &hour));
        assert_eq!(actual, expected, "{iat} {exp}");
    }
    let without = Validation::new(ISSUER, AUDIENCE).with_max_lifetime(Duration::from_secs(60));
    let claims = with(claims(), "iat", Value::Null);
    let token = bench.token(&claims);
    assert_eq!(outcome(bench.verify_as(&token, &without)), "Lifetime");
}

#[test]
fn j9_an_expired_token_is_refused() {
    let bench = Harness::new();
    let strict = access_token().with_leeway(Duration::ZERO);
    for (exp, lenient, exact) in [
        (NOW + 1, "ok", "ok"),
        (NOW, "ok", "Expired"),
        (NOW - 59, "ok", "Expired"),
        (NOW - 60, "Expired", "Expired"),
        (0, "Expired", "Expired"),
    ] {
        let token = bench.token(&with(claims(), "exp", json!(exp)));
        assert_eq!(bench.outcome(&token), lenient, "{exp}");
        assert_eq!(outcome(bench.verify_as(&token, &strict)), exact, "{exp}");
    }
}

#[test]
fn j10_an_expiry_that_is_none_is_refused() {
    let bench = Harness::new();
    for exp in [
        json!("1900000000"),
        json!(-1),
        json!(-0.5),
        json!(1e30),
        json!(u64::MAX),
        json!(true),
        json!([NOW + 300]),
    ] {
        let actual = bench.claims(&with(claims(), "exp", exp.clone()));
        assert_eq!(actual, "Claim(\"exp\")", "{exp}");
    }
    for exp in ["1e400", "-1e400", "NaN", "Infinity", "0x7fffffff", "01"] {
        let claims = claims().to_string().replace(&(NOW + 300).to_string(), exp);
        let token = bench.pair.raw(&header().to_string(), &claims);
        assert_eq!(bench.outcome(&token), "Malformed", "{exp}");
    }
    assert_eq!(
        bench.claims(&with(claims(), "exp", Value::Null)),
        "Missing(\"exp\")"
    );
}

#[test]
fn j11_a_fraction_of_a_second_is_left_out() {
    let bench = Harness::new();
    let exp = NOW as f64 + 300.9;
    let verified = bench.verify(&bench.token(&with(claims(), "exp", json!(exp))));
    assert_eq!(verified.unwrap().claims.exp, Some(NOW + 300));
    assert_eq!(bench.claims(&with(claims(), "exp", json!(0.1))), "Expired");
    assert_eq!(bench.claims(&with(claims(), "exp", json!(1.9e9))), "ok");
}

#[test]
fn j29_an_issuer_is_compared_byte_by_byte() {
    let bench = Harness::new();
    for iss in [
        "https://idp.example.com/",
        "https://IDP.example.com",
        "HTTPS://idp.example.com",
        "https://idp.example.com:443",
        "http://idp.example.com",
        "https://idp.example.com.",
        " https://idp.example.com",
        "https://idp.example.com/tenant",
        "https://idp.example.co",
        "https://idp.example.com.evil.example",
        "https://evil.example/https://idp.example.com",
    ] {
        assert_eq!(
            bench.claims(&with(claims(), "iss", json!(iss))),
            "Issuer",
            "{iss}"
        );
    }
}

#[test]
fn j30_an_audience_is_compared_byte_by_byte() {
    let bench = Harness::new();
    for aud in [
        "https://gw.example.com/mcp-evil",
        "https://gw.example.com/mcp/",
        "https://gw.example.com/mcp/other",
        "https://gw.example.com/mc",
        "https://gw.example.com",
        "https://gw.example.com/MCP",
        "https://GW.example.com/mcp",
        "https://gw.example.com:443/mcp",
        "https://gw.example.com%2Fmcp",
        "https://gw.example.com/x/../mcp",
        "https://gw.example.com/mcp?a=b",
        "https://gw.example.com/mcp#a",
        "https://gw.example.com.evil.example/mcp",
        "https://evil.example/https://gw.example.com/mcp",
        "*",
    ] {
        assert_eq!(
            bench.claims(&with(claims(), "aud", json!(aud))),
            "Audience",
            "{aud}"
        );
        let many = json!([aud, "https://other.example"]);
        assert_eq!(
            bench.claims(&with(claims(), "aud", many)),
            "Audience",
            "{aud}"
        );
        let ours = json!([aud, AUDIENCE]);
        assert_eq!(bench.claims(&with(claims(), "aud", ours)), "ok", "{aud}");
    }
    let many = json!(vec![AUDIENCE; 33]);
    assert_eq!(bench.claims(&with(claims(), "aud", many)), "Claim(\"aud\")");
    let second = access_token().with_audience("https://gw.example.com/other");
    let token = bench.token(&with(
        claims(),
        "aud",
        json!("https://gw.example.com/other"),
    ));
    assert!(bench.verify_as(&token, &second).is_ok());
}

#[test]
fn j33_a_subject_is_short_and_harmless() {
    let bench = Harness::new();
    for sub in [
        "",
        "a\r\nx-user: root",
        "a\nb",
        "a\0",
        "\u{7f}",
        "a\u{85}b",
        "\t",
    ] {
        let actual = bench.claims(&with(claims(), "sub", json!(sub)));
        assert_eq!(actual, "Claim(\"sub\")", "{sub:?}");
    }
    let long = "x".repeat(256);
    assert_eq!(
        bench.claims(&with(claims(), "sub", json!(long))),
        "Claim(\"sub\")"
    );
    for sub in ["a", &"x".repeat(255), "Jörg", "auth0|123", "a b"] {
        assert_eq!(
            bench.claims(&with(claims(), "sub", json!(sub))),
            "ok",
            "{sub:?}"
        );
    }
}

#[test]
fn j34_a_minute_is_the_most_that_clocks_may_differ() {
    let bench = Harness::new();
    let hour = access_token().with_leeway(Duration::from_secs(3600));
    for (name, value, expected) in [
        ("exp", NOW - 59, "ok"),
        ("exp", NOW - 60, "Expired"),
        ("iat", NOW + 60, "ok"),
        ("iat", NOW + 61, "NotYet"),
        ("nbf", NOW + 60, "ok"),
        ("nbf", NOW + 61, "NotYet"),
    ] {
        let token = bench.token(&with(claims(), name, json!(value)));
        assert_eq!(
            outcome(bench.verify_as(&token, &hour)),
            expected,
            "{name} {value}"
        );
    }
    // The configured clock is used.
    let token = bench.token(&claims());
    assert_eq!(bench.outcome(&token), "ok");
    bench.clock.advance(Duration::from_secs(360));
    assert_eq!(bench.outcome(&token), "Expired");
}

#[test]
fn an_assertion_of_a_client_is_its_own_and_short() {
    let bench = Harness::new();
    let own = json!({
        "iss": "editor", "sub": "editor", "aud": ISSUER, "jti": "1", "exp": NOW + 300,
    });
    let expectation = Validation::client_assertion("editor", ISSUER);
    for (name, value, expected) in [
        ("x", json!(1), "ok"),
        ("sub", json!("other"), "Claim(\"sub\")"),
        ("iss", json!("other"), "Issuer"),
        ("aud", json!("https://as.example.com/token"), "Audience"),
        ("jti", Value::Null, "Missing(\"jti\")"),
        ("exp", json!(NOW + 301), "Lifetime"),
        ("exp", Value::Null, "Missing(\"exp\")"),
    ] {
        let header = with(header(), "typ", json!("client-authentication+jwt"));
        let token = bench.pair.token(&header, &with(own.clone(), name, value));
        assert_eq!(
            outcome(bench.verify_as(&token, &expectation)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn an_id_jag_is_for_one_audience_and_short() {
    let bench = Harness::new();
    let header = with(header(), "typ", json!("oauth-id-jag+jwt"));
    let expectation = Validation::id_jag(ISSUER, AUDIENCE);
    for (name, value, expected) in [
        ("x", json!(1), "ok"),
        ("aud", json!([AUDIENCE]), "ok"),
        (
            "aud",
            json!([AUDIENCE, "https://other.example"]),
            "Audience",
        ),
        ("client_id", Value::Null, "Missing(\"client_id\")"),
        ("jti", Value::Null, "Missing(\"jti\")"),
        ("exp", json!(NOW + 400), "Lifetime"),
    ] {
        let claims = with(with(claims(), "exp", json!(NOW + 200)), name, value);
        let token = bench.pair.token(&header, &claims);
        assert_eq!(
            outcome(bench.verify_as(&token, &expectation)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn o42_an_id_token_is_for_the_client_that_asked() {
    let bench = Harness::new();
    let header = with(header(), "typ", json!("JWT"));
    let expectation = Validation::id_token(ISSUER, "gateway");
    let many = json!(["gateway", "other"]);
    for (aud, azp, expected) in [
        (json!("gateway"), Value::Null, "ok"),
        (json!("gateway"), json!("gateway"), "ok"),
        (json!("gateway"), json!("other"), "Claim(\"azp\")"),
        (json!("other"), json!("gateway"), "Audience"),
        (many.clone(), json!("gateway"), "ok"),
        (many.clone(), json!("other"), "Claim(\"azp\")"),
        (many, Value::Null, "Claim(\"azp\")"),
    ] {
        let claims = with(with(claims(), "aud", aud.clone()), "azp", azp.clone());
        let token = bench.pair.token(&header, &claims);
        let actual = outcome(bench.verify_as(&token, &expectation));
        assert_eq!(actual, expected, "{aud} {azp}");
    }
}
