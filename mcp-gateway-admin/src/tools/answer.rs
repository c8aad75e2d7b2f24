//! Results of tools, written for models.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::request::ApiResponse;

/// Answer to a call of a tool.
#[derive(Debug)]
pub(super) enum Answer {
    /// Content of a successful result.
    Content(Value),
    /// Text of an error, which tells what to do next.
    Error(String),
    /// Text, such as a log.
    Text(String),
}

impl Answer {
    /// Creates an error.
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    /// Creates the answer with an object and its version.
    pub(super) fn object(response: ApiResponse) -> Self {
        match response.body {
            Value::Null => Self::Content(json!({ "done": true })),
            object => Self::Content(json!({ "object": object, "version": response.version })),
        }
    }

    /// Creates the error of a rejected request about `subject`. The paths of fields begin with
    /// `below`.
    pub(super) fn rejection(response: &ApiResponse, subject: &str, below: &str) -> Self {
        let detail = response.body["detail"].as_str().unwrap_or_default();
        let mut text = format!("{subject}: {detail} (status {}).", response.status.as_u16());
        let errors = response.body["errors"].as_array();
        for error in errors.into_iter().flatten() {
            let path = error["path"].as_str().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            let path = match (below, path) {
                ("", "") => "arguments".to_owned(),
                (below, "") => below.to_owned(),
                ("", path) => path.to_owned(),
                (below, path) => format!("{below}.{path}"),
            };
            text.push_str(&format!("\n- {path}: {message}"));
        }
        text.push('\n');
        text.push_str(next_step(response.status));
        Self::Error(text)
    }

    /// Returns the result of `tools/call`.
    pub(super) fn into_result(self) -> Value {
        let (text, content, is_error) = match self {
            Self::Content(content) => (content.to_string(), Some(content), false),
            Self::Error(text) => (text, None, true),
            Self::Text(text) => {
                let content = json!({ "text": text });
                (text, Some(content), false)
            }
        };
        let mut result = json!({
            "resultType": "complete",
            "content": [{ "type": "text", "text": text }],
        });
        if let Some(content) = content {
            result["structuredContent"] = content;
        }
        if is_error {
            result["isError"] = true.into();
        }
        result
    }
}

/// Returns what to do after a request with `status`.
fn next_step(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "The role of the user does not permit this, and repeating it has no effect. whoami tells \
             what it permits; ask the user to turn to an administrator."
        }
        StatusCode::NOT_FOUND => {
            "Nothing the user can see has this name or id, or the gateway has no such feature. Find \
             the right one with list_objects or search_objects."
        }
        StatusCode::CONFLICT => {
            "Nothing was changed. Read the object with get_object, resolve the conflict, and call \
             again."
        }
        StatusCode::PRECONDITION_FAILED => {
            "Somebody has changed it in the meantime, and nothing was changed now. Read it again with \
             get_object, check that the change still makes sense, and call again with the new \
             version."
        }
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            "Nothing was changed. Correct these arguments and call again."
        }
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE => {
            "This is temporary. Call again in a few seconds, at most three times."
        }
        _ => "Tell the user about this error.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_arguments_and_the_next_step() {
        let response = ApiResponse {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            version: None,
            body: json!({
                "detail": "the request has invalid fields",
                "errors": [{ "path": "remote.url", "message": "expected a URL" }],
            }),
        };
        let answer = Answer::rejection(&response, "create_server", "").into_result();
        assert_eq!(answer["isError"], true);
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("- remote.url: expected a URL"), "{text}");
        assert!(text.contains("call again"), "{text}");
        let below = Answer::rejection(&response, "update_object", "changes").into_result();
        assert!(below.to_string().contains("changes.remote.url"), "{below}");
    }
}
