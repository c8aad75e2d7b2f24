//! `mcp-gateway call`.

use std::io::{self, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use mcp_gateway_core::jsonrpc::Notification;
use mcp_gateway_core::protocol::Method;
use serde_json::{Map, Value};

use super::target::TargetArgs;
use crate::client::McpClient;
use crate::output::{eprint_line, print_content, print_json};

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// Name of the tool, as printed by `tools`
    tool: String,
    /// Arguments as a JSON object; `-` reads standard input
    #[arg(value_name = "JSON")]
    arguments: Option<String>,
    /// A single argument; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = named)]
    named: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Print the result as JSON, unchanged
    #[arg(long)]
    json: bool,
}

/// Calls a tool of `servers`.
///
/// # Errors
///
/// Fails if the tool is unknown or the call fails.
pub(super) async fn run(args: &CallArgs, servers: &McpClient) -> anyhow::Result<ExitCode> {
    let (tool, unknown) = match servers.tool(&args.tool).await? {
        Ok(tool) => (tool, None),
        // A gateway does not wait for servers that are starting when it lists tools.
        Err(unknown) if args.target.is_url() => (Value::Null, Some(unknown)),
        Err(unknown) => bail!(unknown),
    };
    let arguments = args.arguments(&tool)?;
    let (result, parsed) =
        completed(args, servers, &arguments)
            .await
            .map_err(|error| match unknown {
                Some(unknown) => anyhow!("{error:#}\n{unknown}"),
                None => error,
            })?;
    if args.json {
        print_json(&result)?;
    } else if let Some(kind) = parsed["resultType"]
        .as_str()
        .filter(|kind| *kind != "complete")
    {
        bail!("the tool requires input ({kind}), which the command line cannot provide");
    } else {
        for line in lines(&parsed) {
            print_content(&line)?;
        }
    }
    Ok(match parsed["isError"].as_bool() {
        Some(true) => ExitCode::FAILURE,
        Some(false) | None => ExitCode::SUCCESS,
    })
}

/// Calls the tool, again for as long as the call waits for somebody else, and returns the text and
/// the value of the result.
async fn completed(
    args: &CallArgs,
    servers: &McpClient,
    arguments: &Map<String, Value>,
) -> anyhow::Result<(String, Value)> {
    let mut state = None;
    for _ in 0..MOST_ROUNDS {
        let called = servers.call(&args.tool, arguments, state, show_progress);
        let result = called.await?;
        let parsed: Value = serde_json::from_str(&result).context("the result is not JSON")?;
        state = continuation(&parsed);
        if state.is_none() {
            return Ok((result, parsed));
        }
    }
    bail!("the call does not end")
}

/// Returns the state to send with the call again, if its result asks for that and for no input.
fn continuation(result: &Value) -> Option<Value> {
    let inputs = result["inputRequests"].as_object();
    let waits = result["resultType"] == "input_required" && inputs.is_none_or(Map::is_empty);
    result.get("requestState").filter(|_| waits).cloned()
}

impl CallArgs {
    /// Merges the arguments of the command line for `tool`.
    fn arguments(&self, tool: &Value) -> anyhow::Result<Map<String, Value>> {
        let text = match self.arguments.as_deref() {
            None => "{}".to_owned(),
            Some("-") => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                text
            }
            Some(text) => text.to_owned(),
        };
        let mut arguments: Map<String, Value> = serde_json::from_str(&text)
            .context("the arguments are not a JSON object; use --arg NAME=VALUE for single ones")?;
        let properties = &tool["inputSchema"]["properties"];
        for (name, value) in &self.named {
            arguments.insert(name.clone(), typed(value, &properties[name]));
        }
        Ok(arguments)
    }
}

/// Converts `text` to a value of the schema: JSON, unless the schema requires a string.
fn typed(text: &str, schema: &Value) -> Value {
    if schema["type"] == "string" {
        return text.into();
    }
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

fn show_progress(notification: &Notification) {
    if notification.method() != &Method::Progress {
        return;
    }
    let number = |key| notification.param(key).unwrap_or_default();
    let message: Option<String> = serde_json::from_str(number("message")).ok();
    eprint_line(match (message, number("total")) {
        (Some(message), _) => message,
        (None, "") => number("progress").to_owned(),
        (None, total) => format!("{} of {total}", number("progress")),
    });
}

/// Formats a result as text.
fn lines(result: &Value) -> Vec<String> {
    let blocks = result["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    match (blocks, &result["structuredContent"]) {
        ([], Value::Null) => Vec::new(),
        ([], structured) => vec![format!("{structured:#}")],
        (blocks, _) => blocks.iter().map(block).collect(),
    }
}

fn block(block: &Value) -> String {
    let text = |key: &str| block[key].as_str().unwrap_or_default();
    let resource = &block["resource"];
    match text("type") {
        "text" => text("text").to_owned(),
        "resource_link" => format!("[resource {}]", text("uri")),
        "resource" => match resource["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!(
                "[resource {}]",
                resource["uri"].as_str().unwrap_or_default()
            ),
        },
        // Four characters of base64 are three bytes.
        kind => format!(
            "[{kind}, {}, {} bytes]",
            text("mimeType"),
            text("data").len() / 4 * 3
        ),
    }
}

/// Most times that a call is sent. A gateway lets one wait for an approval eight times.
const MOST_ROUNDS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_have_the_type_that_the_tool_wants() {
        let text = json!({ "type": "string" });
        assert_eq!(typed("12", &text), json!("12"));
        assert_eq!(typed("12", &json!({ "type": "integer" })), json!(12));
        assert_eq!(typed("[1]", &Value::Null), json!([1]));
        assert_eq!(typed("a b", &Value::Null), json!("a b"));
        assert_eq!(named("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(named("a").is_err() && named("=b").is_err());
    }

    #[test]
    fn results_are_written_for_people() {
        let result = json!({ "content": [
            { "type": "text", "text": "hello" },
            { "type": "image", "mimeType": "image/png", "data": "AAAABBBB" },
            { "type": "resource_link", "uri": "a:b" },
            { "type": "resource", "resource": { "uri": "a:c", "text": "content" } },
        ], "structuredContent": { "a": 1 } });
        let expected = [
            "hello",
            "[image, image/png, 6 bytes]",
            "[resource a:b]",
            "content",
        ];
        assert_eq!(lines(&result), expected);
        assert_eq!(
            lines(&json!({ "structuredContent": { "a": 1 } })),
            ["{\n  \"a\": 1\n}"]
        );
        assert!(lines(&json!({})).is_empty());
    }
}
