//! Servers in this process that answer with their names, and with what was requested.

use std::sync::Arc;

use mcp_gateway_core::BoxError;
use mcp_gateway_core::runtime::InProcess;
use mcp_gateway_core::upstream::RuntimeBackend;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, split};

/// Tools of each plain server.
pub(crate) const TOOLS: [&str; 3] = ["a", "b", "c"];

/// Prompt of each plain server.
pub(crate) const PROMPT: &str = "p";

/// Returns the URI of the resource of the plain server `name`.
pub(crate) fn uri(name: &str) -> String {
    format!("fake://{name}/r")
}

/// Returns the server `name`.
pub(crate) fn backend(name: &'static str) -> Arc<dyn RuntimeBackend> {
    answering(move |message| answer(name, message))
}

/// Returns a server that answers requests with what `answer` returns.
pub(crate) fn answering(
    answer: impl Fn(&Value) -> Value + Clone + Send + Sync + 'static,
) -> Arc<dyn RuntimeBackend> {
    Arc::new(InProcess::new(move |stream| serve(answer.clone(), stream)))
}

async fn serve(answer: impl Fn(&Value) -> Value, stream: DuplexStream) -> Result<(), BoxError> {
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line)?;
        if message.get("id").is_none() {
            continue;
        }
        let mut answer = answer(&message);
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = message["id"].clone();
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

fn answer(server: &str, message: &Value) -> Value {
    let params = &message["params"];
    let name = params["name"].as_str().unwrap_or_default();
    let me = |what: &str| format!("{server} {what}");
    let tools = TOOLS.map(|name| json!({ "name": name, "inputSchema": { "type": "object" } }));
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {}, "prompts": {}, "resources": {}, "completions": {} },
            "serverInfo": { "name": server, "version": "1" },
        }),
        "tools/list" => json!({ "tools": tools }),
        "prompts/list" => json!({ "prompts": [{ "name": PROMPT }] }),
        "resources/list" => json!({ "resources": [{ "uri": uri(server), "name": "r" }] }),
        "resources/templates/list" => json!({ "resourceTemplates": [] }),
        "tools/call" if TOOLS.contains(&name) => {
            json!({ "content": [{ "type": "text", "text": me(name) }] })
        }
        "prompts/get" if name == PROMPT => json!({ "description": me(name), "messages": [] }),
        "completion/complete" => json!({ "completion": { "values": [me(PROMPT)] } }),
        "resources/read" if params["uri"] == *uri(server) => {
            json!({ "contents": [{ "uri": uri(server), "text": me("r") }] })
        }
        _ => return json!({ "error": { "code": -32602, "message": "there is none" } }),
    };
    json!({ "result": result })
}
