//! Workload identity.

use super::*;

/// Returns a file with an issuer whose rules are `rules`, and further keys.
fn issuer(keys: &str, rules: &str) -> String {
    format!(
        "auth: {{ oauth: {{ workloads: [{{ issuer: https://ci.example, {keys} rules: [{rules}] }}] }} }}"
    )
}

#[test]
fn mistakes_of_rules_are_found() {
    let app = "{ name: app, claims: { repo: acme/app } }";
    for (rules, expected) in [
        (
            "{ name: a, claims: { repo: acme/*, env: prod } }, { name: b, claims: { repo: '*/app' } }",
            "the rules \"a\" and \"b\" could admit the same workload; give them different values of a \
             common claim",
        ),
        (
            "{ name: a, claims: { repo: a } }, { name: a, claims: { repo: b } }",
            "duplicate rule \"a\"",
        ),
        (
            "{ name: a, claims: { repo: '*', env: [prod, '**'] } }",
            "at least one claim must have a value other than *",
        ),
        (
            "{ name: a, claims: {} }",
            "at least one claim must have a value other than *",
        ),
        (
            "{ name: a, claims: { a: b }, principal: '${x}${y}' }",
            "claims must be separated by a text",
        ),
        (
            "{ name: a:b, claims: { a: b } }",
            "expected letters, digits, '-', '_' and '.', up to 64 characters",
        ),
        (
            "{ name: a, claims: { a: b }, gateways: [defaults] }",
            "rule \"a\": unknown gateway \"defaults\"; did you mean \"default\"?",
        ),
    ] {
        let lines = problems(&issuer("", rules));
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{rules}: {lines:#?}"
        );
    }
    let distinct = format!("{app}, {{ name: other, claims: {{ repo: [acme/other, 'evil/*'] }} }}");
    assert_eq!(problems(&issuer("", &distinct)), [""; 0]);
}

#[test]
fn mistakes_of_issuers_are_found() {
    let app = "{ name: app, claims: { repo: acme/app } }";
    for (keys, expected) in [
        ("ca: { env: X },", "expected certificates in PEM"),
        ("tokenFile: /token,", "ca and tokenFile require jwksUrl"),
        (
            "jwks: { env: X },",
            "expected a JSON Web Key Set with a public key",
        ),
        (
            "jwks: { env: X }, jwksUrl: https://ci.example/keys,",
            "jwks and jwksUrl are mutually exclusive",
        ),
    ] {
        let lines = problems(&issuer(keys, app));
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{keys}: {lines:#?}"
        );
    }
    let spiffe = issuer("", app).replace("https://ci.example", "spiffe://acme.example");
    let lines = problems(&spiffe);
    let expected = "the keys of an issuer without a URL require jwks or jwksUrl";
    assert!(lines[0].ends_with(expected), "{lines:?}");
}
