use mcp_gateway_auth::jose::KeySet;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{Harness, Pair, b64, claims, header, key_set, with};

#[test]
fn j17_a_token_without_a_key_identifier_is_tried_with_few_keys() {
    let header = with(header(), "kid", Value::Null);
    let decoys: Vec<Value> = (0..9).map(|_| Pair::p256().jwk(None)).collect();
    let others = [
        Pair::p384().jwk(None),
        Pair::ed25519().jwk(None),
        Pair::rsa().jwk(None),
    ];
    let bench = Harness::new();
    let own = bench.pair.jwk(Some("k1"));
    let token = bench.pair.token(&header, &claims());
    // Keys of other types are not candidates.
    let ten = [&decoys[..], &others[..], &[own.clone()][..]].concat();
    let bench = Harness {
        keys: key_set(&ten),
        ..bench
    };
    assert_eq!(bench.outcome(&token), "ok");
    let eleven = [&decoys[..], &[Pair::p256().jwk(None), own][..]].concat();
    let bench = Harness {
        keys: key_set(&eleven),
        ..bench
    };
    assert_eq!(bench.outcome(&token), "Signature");
    let none = Harness {
        keys: key_set(&others),
        ..bench
    };
    assert_eq!(none.outcome(&token), "Key");
}

#[test]
fn j18_keys_that_cannot_verify_are_left_out_and_the_others_kept() {
    let bench = Harness::new();
    let own = bench.pair.jwk(Some("k1"));
    let rsa = Pair::rsa().jwk(Some("k1"));
    let bad = [
        json!({"kty": "oct", "k": b64([0; 32]), "kid": "k1"}),
        json!({"kty": "oct", "k": b64([0; 32]), "kid": "k1", "alg": "ES256"}),
        with(own.clone(), "d", json!(b64([1; 32]))),
        with(rsa.clone(), "p", json!("AQAB")),
        with(rsa.clone(), "d", json!(1)),
        with(own.clone(), "k", json!("AAAA")),
        with(own.clone(), "use", json!("enc")),
        with(own.clone(), "use", json!(["sig"])),
        with(own.clone(), "key_ops", json!(["encrypt"])),
        with(own.clone(), "key_ops", json!([])),
        with(own.clone(), "key_ops", json!("verify")),
        with(own.clone(), "alg", json!("ES384")),
        with(own.clone(), "alg", json!("HS256")),
        with(own.clone(), "alg", json!("RSA-OAEP")),
        with(own.clone(), "alg", json!(1)),
        with(own.clone(), "kty", json!("XX")),
        with(own.clone(), "kty", Value::Null),
        with(own.clone(), "crv", json!("P-521")),
        with(own.clone(), "crv", json!("secp256k1")),
        with(own.clone(), "x", json!("AAAA")),
        with(own.clone(), "x", json!("!")),
        with(own.clone(), "y", Value::Null),
        with(own.clone(), "kid", json!(1)),
        with(own.clone(), "kid", json!("k".repeat(257))),
        with(rsa.clone(), "e", json!("AQ")),
        with(rsa.clone(), "e", json!("Ag")),
        with(rsa.clone(), "e", json!("")),
        with(rsa.clone(), "e", json!(b64([1; 5]))),
        with(rsa, "n", json!("")),
        json!("k1"),
        json!(null),
        json!([]),
        json!({}),
    ];
    for key in &bad {
        assert!(key_set(std::slice::from_ref(key)).is_empty(), "{key}");
    }
    let mut mixed = bad.to_vec();
    mixed.insert(3, own.clone());
    let bench = Harness {
        keys: key_set(&mixed),
        ..bench
    };
    assert_eq!(bench.keys.len(), 1);
    assert_eq!(bench.outcome(&bench.token(&claims())), "ok");
    for good in [
        with(own.clone(), "use", json!("sig")),
        with(own.clone(), "key_ops", json!(["sign", "verify"])),
        with(own, "alg", json!("ES256")),
    ] {
        assert_eq!(key_set(&[good]).len(), 1);
    }
}

#[test]
fn j18_what_is_no_key_set_and_no_point_is_refused() {
    let bench = Harness::new();
    let point = with(bench.pair.jwk(Some("k1")), "x", json!(b64([1; 32])));
    let off_curve = Harness {
        keys: key_set(&[point]),
        ..bench
    };
    assert_eq!(off_curve.outcome(&off_curve.token(&claims())), "Signature");
    for set in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys": {}}"#,
        r#"{"keys": "a"}"#,
        "<html>",
    ] {
        assert!(KeySet::parse(set.as_bytes()).is_err(), "{set}");
    }
}

#[test]
fn j19_short_rsa_keys_are_left_out() {
    let modulus = |bits: usize| {
        let mut n = vec![0xff_u8; bits.div_ceil(8)];
        n[0] = match bits % 8 {
            0 => 0x80,
            rest => 1 << (rest - 1),
        };
        n
    };
    for (bits, expected) in [
        (512, 0),
        (1024, 0),
        (2040, 0),
        (2047, 0),
        (2048, 1),
        (4096, 1),
        (8192, 1),
        (8193, 0),
    ] {
        let plain = modulus(bits);
        // Leading zeros do not count as length.
        let padded = [vec![0; 256], plain.clone()].concat();
        for n in [plain, padded] {
            let key = json!({"kty": "RSA", "n": b64(n), "e": "AQAB"});
            assert_eq!(key_set(&[key]).len(), expected, "{bits}");
        }
    }
}

proptest! {
    #[test]
    fn any_document_is_answered(json: Vec<u8>) {
        prop_assert!(KeySet::parse(&json).is_err());
    }

    #[test]
    fn any_member_may_be_anything(
        name in prop::sample::select(vec!["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"]),
        value in prop_oneof![
            any::<i64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ],
    ) {
        for key in [Pair::rsa().jwk(Some("k1")), Pair::p256().jwk(Some("k1"))] {
            prop_assert!(key_set(&[with(key, name, value.clone())]).len() <= 1);
        }
    }
}
