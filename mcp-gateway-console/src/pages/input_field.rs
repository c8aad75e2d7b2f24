//! Fields for the inputs of an entry of the registry.

use serde_json::{Map, Value};

use crate::form::Fields;
use crate::json::Members as _;
use crate::view::{Choice, Field, Kind};

/// Returns the fields of `inputs` that are supplied when a server is installed, with the values in
/// `sent`. Secrets are asked for again.
pub(super) fn fields(inputs: &[Value], sent: &Fields) -> Vec<Field> {
    inputs.iter().map(|input| field(input, sent)).collect()
}

fn field(input: &Value, sent: &Fields) -> Field {
    let name = input.text("/name");
    let is_secret = input.is("/secret");
    let choices = input.texts("/choices");
    let kind = if !choices.is_empty() {
        let mut offered = vec![Choice::new("", "–")];
        offered.extend(choices.iter().map(|choice| Choice::new(choice, choice)));
        Kind::Select(offered)
    } else if input.text("/format") == "boolean" {
        Kind::Select(Choice::plain(&["", "true", "false"]))
    } else if is_secret {
        Kind::Secret
    } else {
        Kind::Text
    };
    let is_of_connection = input.text("/suppliedBy") == "connection";
    let mut hint = input.text("/description").to_owned();
    if is_of_connection {
        hint.push_str(" Leave it empty to let the owner of each connection supply it.");
    }
    if let Some(example) = input.some_text("/placeholder") {
        hint.push_str(&format!(" Example: {example}"));
    }
    let key = format!("value.{name}");
    let value = match sent.raw(&key) {
        _ if is_secret => "",
        "" => input.text("/default"),
        value => value,
    };
    let field = Field::new(&key, name, kind)
        .at(&format!("values.{name}"))
        .value(value)
        .hint(hint.trim());
    match input.is("/required") && !is_of_connection && input.some_text("/default").is_none() {
        true => field.required(),
        false => field,
    }
}

/// Returns the values that have been sent, by the names of their inputs.
pub(super) fn values(sent: &Fields) -> Map<String, Value> {
    let values = sent.below("value.").filter(|(_, value)| !value.is_empty());
    values
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}
