//! Values that scripts get for the results of tools.

use serde_json::Value;

use crate::jsonrpc::Response;

/// Returns the JSON text of the value for a response, or the text of the exception.
///
/// The value is the structured content, otherwise the text, parsed if it is an object or an array
/// in JSON. Content that is not text alone remains a list of content blocks.
pub(super) fn of_response(response: &Response) -> Result<String, String> {
    let result = response.result().map_err(|error| {
        let error: Value = serde_json::from_str(error).unwrap_or_default();
        let message = error["message"].as_str();
        message.unwrap_or("the call has failed").to_owned()
    })?;
    if result.len() > LARGEST {
        return Err(format!("the result has more than {LARGEST} bytes"));
    }
    let mut result: Value =
        serde_json::from_str(result).map_err(|_| "the result is nested too deeply".to_owned())?;
    if result["resultType"] == "input_required" {
        return Err(
            "the tool asks the user a question, which a script cannot answer. Call the tool itself"
                .to_owned(),
        );
    }
    if result["isError"] == true {
        let text = texts(&result["content"]).unwrap_or_default();
        return Err(match text.is_empty() {
            true => "the tool has failed".to_owned(),
            false => text,
        });
    }
    if !result["structuredContent"].is_null() {
        return Ok(result["structuredContent"].take().to_string());
    }
    // A task, or another result that is not content.
    let Value::Array(_) = result["content"] else {
        return Ok(result.to_string());
    };
    Ok(match texts(&result["content"]) {
        Some(text) => parsed(text),
        None => result["content"].take().to_string(),
    })
}

/// Returns the text of content; `None` if it has other parts.
fn texts(content: &Value) -> Option<String> {
    let parts = content.as_array()?.iter().map(|part| part["text"].as_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("\n"))
}

/// Returns a text in JSON: as it is if it is an object or an array, otherwise as a string.
fn parsed(text: String) -> String {
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    match is_json {
        true => text,
        false => Value::from(text).to_string(),
    }
}

/// Maximum size of a result in bytes.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jsonrpc::{ErrorObject, Id};

    fn value(result: &Value) -> Result<String, String> {
        of_response(&Response::new(&Id::from(1), &result.to_string()))
    }

    #[test]
    fn a_script_gets_the_data_of_a_result() {
        let text = |text: &str| json!({ "content": [{ "type": "text", "text": text }] });
        assert_eq!(value(&text("[1]")), Ok("[1]".to_owned()));
        assert_eq!(value(&text("12")), Ok("\"12\"".to_owned()));
        assert_eq!(value(&text("{no json}")), Ok("\"{no json}\"".to_owned()));
        let mut both = text("three");
        both["structuredContent"] = json!({ "sum": 3 });
        assert_eq!(value(&both), Ok("{\"sum\":3}".to_owned()));
        let image = json!({ "content": [{ "type": "image", "data": "" }] });
        assert_eq!(value(&image), Ok(image["content"].to_string()));
        assert_eq!(
            value(&json!({ "taskId": "1" })),
            Ok("{\"taskId\":\"1\"}".to_owned())
        );
    }

    #[test]
    fn failures_are_exceptions() {
        let failed =
            json!({ "content": [{ "type": "text", "text": "no such file" }], "isError": true });
        assert_eq!(value(&failed), Err("no such file".to_owned()));
        let asks = value(&json!({ "resultType": "input_required" })).unwrap_err();
        assert!(asks.contains("asks the user"), "{asks}");
        let error = ErrorObject::new(-32602, "unknown tool");
        let response = Response::from_error(&Id::from(1), &error);
        assert_eq!(of_response(&response), Err("unknown tool".to_owned()));
    }
}
