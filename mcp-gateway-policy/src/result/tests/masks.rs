//! Tests of masks: escapes, numbers, and values in any place.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::ResultMask;
use super::super::masker::{MaskFailure, mask};

#[test]
fn category_masked_value_is_found_behind_escapes() {
    let mask_of = ResultMask::new(&["$.key"], &["secret"]).unwrap();
    let text = r#"{"structuredContent":{"k\u0065y":"\u0073esame-1","n":12345678901234567890.50},
        "content":[{"type":"text","t\u0065xt":"\u0073ecret {\"a\":\"\\u0073esame-1\"}"},
                   {"type":"text","text":"{\"a\":\"\\u0073esame-1 s\\u0065cret\"}"}]}"#;
    let masked = mask(text, &[&mask_of]).unwrap();
    let value: Value = serde_json::from_str(&masked).unwrap();
    assert!(masked.contains("12345678901234567890.50"), "{masked}");
    assert!(!value.to_string().contains("sesame-1") && !value.to_string().contains("secret"));
    assert_eq!(value["structuredContent"]["key"], "***");
    assert_eq!(value["content"][1]["text"], r#"{"a":"*** ***"}"#);
}

#[test]
fn numbers_are_matched_by_patterns() {
    let mask_of = ResultMask::new(&[], &[r"^\d{16}$"]).unwrap();
    let text = r#"{"structuredContent":{"card":4111111111111111,"id":7.10}}"#;
    let expected = r#"{"structuredContent":{"card":"***","id":7.10}}"#;
    assert_eq!(mask(text, &[&mask_of]).unwrap(), expected);
}

/// Any JSON value, whose strings may have the value of the masked member.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\]:é😀\n ]{0,12}".prop_map(Value::from),
        Just(json!("before pass\"w0rd-ä1 after")),
        Just(json!({ "secret": "pass\"w0rd-ä1" }).to_string().into()),
        Just(
            json!({ "x": json!(["pass\"w0rd-ä1"]).to_string() })
                .to_string()
                .into()
        ),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            "[a-z]{1,4}",
            Just("secret".to_owned()),
            Just("pass\"w0rd-ä1".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn category_masked_value_is_in_no_byte_of_a_reply(
        structured in values(),
        texts in prop::collection::vec(values(), 0..3),
        meta in values(),
    ) {
        let text = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!({ "type": "text", "text": text })
        };
        let content: Vec<_> = texts.iter().map(text).collect();
        let result = json!({
            "content": content,
            "structuredContent": { "secret": "pass\"w0rd-ä1", "other": structured },
            "_meta": { "m": meta },
        });
        let mask_of = ResultMask::new(&["$..secret"], &[]).unwrap();
        match mask(&result.to_string(), &[&mask_of]) {
            Ok(masked) => {
                prop_assert!(!masked.contains("w0rd-ä1"), "{masked}");
                prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
            }
            // What only looks like JSON is withheld.
            Err(failure) => prop_assert_eq!(failure, MaskFailure::Unreadable),
        }
    }
}
