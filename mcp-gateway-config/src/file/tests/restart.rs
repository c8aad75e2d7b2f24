//! Keys that require a restart.

use super::*;

fn fixed_keys(before: &str, after: &str) -> Vec<&'static str> {
    let config = |text: &str| parse(&format!("log: {{ level: info }}\n{text}\n")).unwrap();
    config(before).restart_keys(&config(after))
}

#[test]
fn what_cannot_change_in_a_process_is_known() {
    let issuer = "auth: { issuers: [{ issuer: https://a.example }] }";
    for (before, after, expected) in [
        (
            "auth: { oauth: {} }",
            "auth: { oauth: { registration: off } }",
            &[][..],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: {}, forward: [{ name: a, url: https://a.example }] }",
            &[],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: { accessTokenLifetime: 5m, rateLimits: { register: 1 } } }",
            &["auth.oauth.accessTokenLifetime", "auth.oauth.rateLimits"],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { login: { local: true } }",
            &["auth.login"],
        ),
        (
            "auth: { anonymous: true }",
            "auth: { oauth: {} }",
            &["auth.oauth"],
        ),
        ("auth: { anonymous: true }", issuer, &["auth.issuers"]),
        (
            issuer,
            "auth: { issuers: [{ issuer: https://b.example }] }",
            &[],
        ),
        (
            issuer,
            "auth: { issuers: [{ issuer: https://a.example }], allowedNetworks: [10.0.0.0/8] }",
            &["auth.allowedNetworks"],
        ),
        // Servers for which the gateway obtains tokens use these networks, too.
        (
            "auth: { anonymous: true }",
            "auth: { anonymous: true, allowedNetworks: [10.0.0.0/8] }",
            &["auth.allowedNetworks"],
        ),
        ("", "publicUrl: https://gw.example", &[]),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: {}, trustedProxies: [10.0.0.0/8] }\npublicUrl: https://gw.example",
            &["auth.trustedProxies", "publicUrl"],
        ),
    ] {
        assert_eq!(fixed_keys(before, after), expected, "{before} -> {after}");
    }
}
