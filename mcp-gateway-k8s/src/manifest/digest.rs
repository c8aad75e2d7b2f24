//! Digests of manifests.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use serde_json::Value;

use crate::names::hex;

/// Returns the digest of `values`, which does not depend on the order of the members of objects.
pub(crate) fn of_values(values: &[&Value]) -> String {
    let mut context = Context::new(&SHA256);
    for value in values {
        update(&mut context, value);
    }
    hex(&context.finish().as_ref()[..16])
}

/// Returns the digest of `texts` under `key`.
///
/// Whoever reads it cannot try texts, since the key is as secret as they are.
pub(crate) fn of_texts<'a>(
    key: &[u8],
    texts: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for (name, text) in texts {
        for part in [name, text] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    hex(&context.sign().as_ref()[..16])
}

fn update(context: &mut Context, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            context.update(b"{");
            for (name, member) in members {
                context.update(&name.len().to_be_bytes());
                context.update(name.as_bytes());
                update(context, member);
            }
            context.update(b"}");
        }
        Value::Array(elements) => {
            context.update(b"[");
            for element in elements {
                update(context, element);
            }
            context.update(b"]");
        }
        Value::String(text) => {
            context.update(b"s");
            context.update(&text.len().to_be_bytes());
            context.update(text.as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            context.update(b"v");
            context.update(value.to_string().as_bytes());
            context.update(b";");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_tell_values_apart() {
        let values = [
            json!({"a": "b", "c": ["d"]}),
            json!({"a": "b", "c": "d"}),
            json!({"a": ["b", "c"]}),
            json!({"a": ["bc"]}),
            json!({"a": 1}),
            json!({"a": "1"}),
        ];
        let digests: std::collections::BTreeSet<_> =
            values.iter().map(|value| of_values(&[value])).collect();
        assert_eq!(digests.len(), values.len());
    }

    #[test]
    fn digests_of_texts_depend_on_the_key() {
        let texts = [("A".to_owned(), "secret".to_owned())];
        let digest = |key: &[u8]| of_texts(key, texts.iter().map(|(name, text)| (name, text)));
        assert_eq!(digest(b"1"), digest(b"1"));
        assert_ne!(digest(b"1"), digest(b"2"));
    }
}
