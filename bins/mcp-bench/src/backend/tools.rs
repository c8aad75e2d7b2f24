//! Tools of the backend.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Tool that returns its arguments. All other tools do the same.
const ECHO: &str = "echo";

/// Tools of the backend.
#[derive(Debug)]
pub(super) struct Tools {
    /// Number of tools.
    count: u32,
    /// Members of a fixed result, instead of the arguments.
    fixed: Option<String>,
    /// Tool list, as JSON.
    list: String,
}

/// Arguments of a tool.
#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

impl Tools {
    /// Creates `count` tools, which return a text of `result_bytes` if given.
    pub(super) fn new(count: u32, result_bytes: Option<usize>) -> Self {
        let names = (0..count).map(|number| match number {
            0 => ECHO.to_owned(),
            number => format!("tool_{number}"),
        });
        let list: Vec<Value> = names.map(|name| describe(&name)).collect();
        Self {
            count,
            fixed: result_bytes.map(|length| members(&format!("\"{}\"", "x".repeat(length)))),
            list: Value::from(list).to_string(),
        }
    }

    /// Returns the tool list, as JSON.
    pub(super) fn list(&self) -> &str {
        &self.list
    }

    /// Returns `true` if the tool `name` exists.
    pub(super) fn has(&self, name: &str) -> bool {
        let number = || name.strip_prefix("tool_")?.parse::<u32>().ok();
        name == ECHO || number().is_some_and(|number| (1..self.count).contains(&number))
    }

    /// Returns the members of the result of a call, as JSON without the braces.
    pub(super) fn call(&self, arguments: Option<&RawValue>) -> Cow<'_, str> {
        match &self.fixed {
            Some(fixed) => Cow::Borrowed(fixed),
            None => Cow::Owned(members(&told_text(arguments))),
        }
    }
}

/// Returns the members of a result with `text`, which is JSON.
fn members(text: &str) -> String {
    [
        r#""content":[{"type":"text","text":"#,
        text,
        r#"}],"isError":false"#,
    ]
    .concat()
}

/// Returns the message in `arguments`, otherwise all arguments, as a JSON string.
fn told_text(arguments: Option<&RawValue>) -> String {
    let Some(arguments) = arguments else {
        return "\"\"".to_owned();
    };
    let message = serde_json::from_str::<Arguments<'_>>(arguments.get()).ok();
    match message.and_then(|arguments| arguments.message) {
        // A string can go back as it came, with its escapes.
        Some(message) if message.get().starts_with('"') => message.get().to_owned(),
        _ => Value::from(arguments.get()).to_string(),
    }
}

fn describe(name: &str) -> Value {
    json!({
        "name": name,
        "description": "Returns the message",
        "inputSchema": {
            "type": "object",
            "properties": { "message": { "type": "string", "description": "Message to return" } },
            "required": ["message"],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_return_what_they_are_told() {
        let tools = Tools::new(3, None);
        let call = |arguments: &str| {
            let arguments: Box<RawValue> = serde_json::from_str(arguments).unwrap();
            let result = format!("{{{}}}", tools.call(Some(&arguments)));
            let result: Value = serde_json::from_str(&result).unwrap();
            result["content"][0]["text"].as_str().unwrap().to_owned()
        };
        assert_eq!(call(r#"{"message":"a\"b"}"#), "a\"b");
        assert_eq!(call(r#"{"other":1}"#), r#"{"other":1}"#);
        assert!(
            Tools::new(1, Some(10))
                .call(None)
                .contains(r#""xxxxxxxxxx""#)
        );
    }

    #[test]
    fn tools_are_numbered() {
        let tools = Tools::new(3, None);
        assert!(tools.has("echo") && tools.has("tool_1") && tools.has("tool_2"));
        assert!(!tools.has("tool_0") && !tools.has("tool_3") && !tools.has("other"));
        assert_eq!(
            serde_json::from_str::<Vec<Value>>(tools.list())
                .unwrap()
                .len(),
            3
        );
    }
}
