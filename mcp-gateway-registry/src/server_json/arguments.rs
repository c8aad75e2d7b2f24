//! Arguments of packages.

use serde_json::Value;

use super::fields::{field, flag, scalar, text};
use super::inputs::{Defaults, Inputs};

/// Returns the templates of `arguments`: texts, and groups of a name and its value.
pub(super) fn read(arguments: &[Value], inputs: &mut Inputs) -> Vec<Value> {
    let read = arguments.iter().map(|argument| one(argument, inputs));
    read.collect()
}

/// Returns the template of one argument. Some files have plain texts instead of objects.
fn one(argument: &Value, inputs: &mut Inputs) -> Value {
    if argument.is_string() {
        return argument.clone();
    }
    let name = text(argument, "name");
    let hint = text(argument, "valueHint").or(name).unwrap_or("argument");
    let value = value(argument, hint, inputs);
    match (text(argument, "type"), name) {
        // The name alone is a flag.
        (Some("named") | None, Some(name)) if value.is_empty() => name.into(),
        (Some("named") | None, Some(name)) => vec![name.to_owned(), value].into(),
        _ => value.into(),
    }
}

/// Returns the template of the value of an argument.
fn value(argument: &Value, hint: &str, inputs: &mut Inputs) -> String {
    let defaults = Defaults {
        secret: flag(argument, "isSecret"),
        undeclared_secret: false,
        required: flag(argument, "isRequired"),
    };
    match scalar(argument, "value") {
        Some(value) => inputs.template(&value, field(argument, "variables"), defaults),
        None => inputs.add(hint, argument, false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_texts_and_groups() {
        let mut inputs = Inputs::default();
        let arguments = json!([
            "serve",
            { "type": "named", "name": "--silent", "value": "" },
            { "type": "named", "name": "--unit", "default": "c" },
            { "type": "positional", "valueHint": "folder", "isRequired": true },
            { "type": "positional", "value": "{region}", "variables": { "region": { "default": "eu" } } },
            { "name": "--port", "value": 8080 },
            {},
        ]);
        let read = read(arguments.as_array().unwrap(), &mut inputs);
        let expected = json!([
            "serve",
            "--silent",
            ["--unit", "{unit}"],
            "{folder}",
            "{region}",
            ["--port", "8080"],
            "{argument}",
        ]);
        assert_eq!(Value::from(read), expected);
        let required: Vec<_> = inputs
            .0
            .iter()
            .filter(|it| it.required)
            .map(|it| &*it.name)
            .collect();
        assert_eq!(required, ["folder"]);
    }
}
