//! Arguments of a tool.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::definition;
use super::table::Tool;

/// Arguments of a call: an object whose members the tool knows.
#[derive(Clone, Debug)]
pub(super) struct Arguments(pub(super) Map<String, Value>);

impl Arguments {
    /// Reads the JSON text of arguments of `tool`.
    ///
    /// # Errors
    ///
    /// The answer that tells all mistakes which the schema shows at the top level; the API finds the
    /// others.
    pub(super) fn read(text: Option<&str>, tool: &Tool) -> Result<Self, Answer> {
        let read = serde_json::from_str(text.unwrap_or("{}")).unwrap_or_default();
        let Value::Object(members) = read else {
            return Err(Answer::error(format!(
                "{}: the arguments must be an object.",
                tool.name
            )));
        };
        let schema = definition::input_of(tool);
        let known = schema["properties"].as_object();
        let is_known = |key: &String| known.is_some_and(|known| known.contains_key(key));
        let mut mistakes: Vec<_> = members
            .keys()
            .filter(|key| !is_known(key))
            .map(|key| format!("- {key}: there is no such argument"))
            .collect();
        let required = schema["required"].as_array().into_iter().flatten();
        let missing = required
            .filter_map(Value::as_str)
            .filter(|name| members.get(*name).is_none_or(Value::is_null));
        mistakes.extend(missing.map(|name| format!("- {name}: this argument is required")));
        if mistakes.is_empty() {
            return Ok(Self(members));
        }
        let names = known.into_iter().flat_map(Map::keys).cloned();
        let names: Vec<_> = names.collect();
        Err(Answer::error(format!(
            "{}: the arguments are invalid.\n{}\nThe arguments are: {}. Nothing was changed; correct \
             them and call again.",
            tool.name,
            mistakes.join("\n"),
            names.join(", ")
        )))
    }

    /// Returns the text of an argument; an empty one without it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Removes and returns an argument, unless it is `null`.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }
}

/// Returns the text of a scalar argument, as it stands in a URL.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
