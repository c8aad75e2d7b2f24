//! Values of a file as JSON.

use serde_json::Value as Json;

use super::node::{Node, Scalar, Value};

/// Returns `node` as JSON. Unquoted scalars that are numbers or booleans become such.
pub(crate) fn value(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(value).collect(),
        Value::Map(members) => {
            let members = members.iter();
            members
                .map(|(key, node)| (key.text.clone(), value(node)))
                .collect()
        }
        Value::Null => Json::Null,
        Value::Scalar(Scalar { text, quoted: true }) => text.as_str().into(),
        Value::Scalar(Scalar { text, .. }) => match serde_json::from_str(text) {
            Ok(scalar @ (Json::Bool(_) | Json::Number(_))) => scalar,
            _ => text.as_str().into(),
        },
    }
}
