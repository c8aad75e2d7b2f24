//! Tool that requests input.

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams,
    ElicitationAction, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

/// Requests a name in the era of the client, and greets the user.
pub(super) async fn greet(
    answers: Option<InputResponses>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let modern = context
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    let answer = match (modern, answers) {
        (true, Some(answers)) => answers.get(QUESTION).cloned().unwrap_or_default(),
        (true, None) => {
            let question = ElicitRequest::new(form()?);
            let questions =
                InputRequests::from([(QUESTION.to_owned(), InputRequest::Elicitation(question))]);
            return Ok(InputRequiredResult::from_input_requests(questions).into());
        }
        (false, _) => match context.peer.create_elicitation(form()?).await {
            Ok(answer) if answer.action == ElicitationAction::Accept => {
                json!({ "action": "accept", "content": answer.content })
            }
            Ok(_) => Value::Null,
            Err(error) => {
                let text = format!("Elicitation failed: {error}");
                return Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into());
            }
        },
    };
    let text = match answer["content"]["name"].as_str() {
        Some(name) => format!("Hello, {name}!"),
        None => "Hello!".to_owned(),
    };
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

fn form() -> Result<ElicitRequestParams, ErrorData> {
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "title": "Your name" } },
        "required": ["name"],
    });
    let requested_schema = serde_json::from_value(schema)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "What is your name?".to_owned(),
        requested_schema,
    })
}

/// Key of the only input request.
const QUESTION: &str = "name";
