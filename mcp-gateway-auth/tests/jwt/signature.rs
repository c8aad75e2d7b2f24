use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair;
use jsonwebtoken::crypto::{CryptoProvider, KeyUtils};
use mcp_gateway_auth::jose::{Algorithm, JwtVerifier, KeySet, SigningKey};
use serde_json::{Value, json};

use crate::harness::{Harness, Pair, access_token, b64, claims, header, key_set, outcome, with};
use crate::server::{Server, reply};

#[test]
fn j1_no_algorithm_and_unknown_ones_are_refused() {
    let bench = Harness::new();
    let good = bench.token(&claims());
    assert_eq!(bench.outcome(&good), "ok");
    for name in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES256K", "HS256", "XX1",
    ] {
        let header = with(header(), "alg", json!(name));
        let token = bench.pair.token(&header, &claims());
        assert_eq!(bench.outcome(&token), "Algorithm", "{name:?}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(
            bench.outcome(&format!("{message}.")),
            "Algorithm",
            "{name:?}"
        );
    }
    let without = with(header(), "alg", Value::Null);
    assert_eq!(
        bench.outcome(&bench.pair.token(&without, &claims())),
        "Algorithm"
    );
    for alg in [json!(null), json!(7), json!(["ES256"])] {
        let header = json!({"alg": alg, "typ": "at+jwt"});
        let token = bench.pair.token(&header, &claims());
        assert_eq!(bench.outcome(&token), "Header(\"alg\")", "{header}");
    }
}

#[test]
fn j2_a_public_key_is_no_secret_to_sign_with() {
    let Pair::Rsa(rsa) = Pair::rsa() else {
        unreachable!();
    };
    let public = rsa.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n", b64(public.as_ref()));
    let bench = Harness {
        keys: key_set(&[Pair::rsa().jwk(Some("k1"))]),
        ..Harness::new()
    };
    for secret in [public.as_ref(), modulus, pem.as_bytes()] {
        for (name, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let header = with(header(), "alg", json!(name));
            let message = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
            let key = hmac::Key::new(algorithm, secret);
            let tag = hmac::sign(&key, message.as_bytes());
            assert_eq!(
                bench.outcome(&format!("{message}.{}", b64(tag))),
                "Algorithm"
            );
        }
    }
}

#[test]
fn j3_only_the_algorithm_that_is_wanted_is_accepted() {
    let rsa = Pair::rsa();
    let token = |name| rsa.token(&with(header(), "alg", json!(name)), &claims());
    let bench = Harness {
        keys: key_set(&[rsa.jwk(Some("k1"))]),
        ..Harness::new()
    };
    let only = access_token().with_algorithms([Algorithm::Rs256]);
    for (name, expected) in [
        ("RS256", "ok"),
        ("PS256", "Algorithm"),
        ("RS512", "Algorithm"),
    ] {
        assert_eq!(
            outcome(bench.verify_as(&token(name), &only)),
            expected,
            "{name}"
        );
        assert_eq!(bench.outcome(&token(name)), "ok", "{name}");
    }
    // The key itself states its algorithm.
    let bench = Harness {
        keys: key_set(&[with(rsa.jwk(Some("k1")), "alg", json!("RS256"))]),
        ..bench
    };
    for (name, expected) in [("RS256", "ok"), ("PS256", "Key"), ("RS512", "Key")] {
        assert_eq!(bench.outcome(&token(name)), expected, "{name}");
    }
}

#[tokio::test]
async fn j14_keys_that_a_token_brings_are_neither_used_nor_fetched() {
    let server = Server::start().await;
    let bench = Harness::new();
    let attacker = Pair::p256();
    let set = json!({"keys": [attacker.jwk(Some("k1"))]});
    server.answer("/jwks", reply(200, "application/json", set.to_string()));
    let extras = [
        ("jwk", attacker.jwk(Some("k1"))),
        ("jku", json!(server.url("/jwks"))),
        ("x5u", json!(server.url("/jwks"))),
        ("x5c", json!([b64("a certificate")])),
    ];
    for (name, value) in extras {
        let header = with(header(), name, value);
        let forged = attacker.token(&header, &claims());
        assert_eq!(bench.outcome(&forged), "Signature", "{name}");
        let own = bench.pair.token(&header, &claims());
        assert_eq!(bench.outcome(&own), "ok", "{name}");
    }
    assert_eq!(server.hits("/jwks"), 0);
}

#[test]
fn j20_signatures_that_are_none_are_refused() {
    let bench = Harness::new();
    let token = bench.token(&claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let der = {
        let half = |bytes: u8| [vec![2, 32], vec![bytes; 32]].concat();
        [vec![0x30, 68], half(1), half(2)].concat()
    };
    let order = [0xff; 32];
    for (what, signature) in [
        ("empty", vec![]),
        ("r = s = 0", vec![0; 64]),
        ("r = 0", [vec![0; 32], vec![1; 32]].concat()),
        ("above the order", [order, order].concat()),
        ("one byte", vec![1]),
        ("63 bytes", vec![1; 63]),
        ("65 bytes", vec![1; 65]),
        ("DER", der),
    ] {
        let forged = format!("{message}.{}", b64(signature));
        assert_eq!(bench.outcome(&forged), "Signature", "{what}");
    }
    // Another curve, and another message.
    let p384 = Pair::p384();
    let other = Harness {
        keys: key_set(&[p384.jwk(Some("k1"))]),
        ..Harness::new()
    };
    assert_eq!(other.outcome(&p384.token(&header(), &claims())), "Key");
    let swapped = bench.token(&with(claims(), "sub", json!("bob")));
    let (message, _) = swapped.rsplit_once('.').unwrap();
    assert_eq!(
        bench.outcome(&format!("{message}.{signature}")),
        "Signature"
    );
}

#[test]
fn every_algorithm_verifies_what_it_signed() {
    let (p256, p384, ed25519) = (Pair::p256(), Pair::p384(), Pair::ed25519());
    let bench = Harness {
        keys: key_set(&[
            p256.jwk(None),
            p384.jwk(None),
            ed25519.jwk(None),
            Pair::rsa().jwk(None),
        ]),
        ..Harness::new()
    };
    for (pair, name) in [
        (&p256, "ES256"),
        (&p384, "ES384"),
        (&ed25519, "EdDSA"),
        (Pair::rsa(), "RS256"),
        (Pair::rsa(), "RS512"),
        (Pair::rsa(), "PS256"),
    ] {
        let header = json!({"alg": name, "typ": "at+jwt"});
        let token = pair.token(&header, &claims());
        assert_eq!(bench.outcome(&token), "ok", "{name}");
        let other = Pair::p256().token(&header, &claims());
        assert_eq!(bench.outcome(&other), "Signature", "{name}");
    }
}

#[test]
fn a_signing_key_is_the_same_after_it_was_stored() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let stored = key.to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &stored).unwrap();
        let public = serde_json::to_value(key.public()).unwrap();
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(public.get(private).is_none(), "{private}");
        }
        let keys = KeySet::from_value(&json!({"keys": [public]})).unwrap();
        let token = again.sign("at+jwt", &claims()).unwrap();
        let bench = Harness {
            keys,
            ..Harness::new()
        };
        let verified = bench.verify(&token).unwrap();
        assert_eq!(verified.header.kid.as_deref(), Some(key.kid()));
        assert!(!format!("{key:?}").contains(&b64(&stored)));
    }
    assert!(SigningKey::generate(Algorithm::EdDsa).is_err());
    assert!(SigningKey::from_pkcs8(Algorithm::Rs256, b"not a key").is_err());
}

#[test]
fn j35_what_other_crates_install_does_not_matter() {
    static BROKEN: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| panic!("this provider is not to be used"),
        verifier_factory: |_, _| panic!("this provider is not to be used"),
        key_utils: KeyUtils::new_unimplemented(),
    };
    BROKEN.install_default().unwrap();
    let bench = Harness::new();
    let token = bench.token(&claims());
    let verifier = JwtVerifier::new(bench.clock.clone());
    assert!(
        verifier
            .verify(&token, &bench.keys, &access_token())
            .is_ok()
    );
}
