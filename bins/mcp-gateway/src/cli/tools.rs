//! `mcp-gateway tools`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mcp_gateway_core::protocol::meta::PROBLEM;
use serde_json::{Value, json};

use super::target::TargetArgs;
use crate::client::{McpClient, ToolList};
use crate::output::{eprint_line, print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct ToolsArgs {
    /// Files whose servers to use; JSON files are client configurations, such as .mcp.json
    #[arg(value_name = "FILE", conflicts_with = "url")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Print complete tool definitions as JSON
    #[arg(long)]
    json: bool,
}

/// Lists the tools of `servers`.
///
/// # Errors
///
/// Fails if the output is closed.
pub(super) async fn run(args: &ToolsArgs, servers: &McpClient) -> anyhow::Result<ExitCode> {
    let tools = servers.tools().await;
    if args.json {
        print_json(format_args!("{:#}", Value::Array(documents(&tools))))?;
    } else {
        for line in lines(&tools) {
            print_line(line)?;
        }
    }
    for finding in name_findings(&tools, servers) {
        eprint_line(format_args!("warning: {finding}"));
    }
    let failures = tools.iter().filter_map(ToolList::failure);
    let failures: Vec<_> = failures.chain(missing_accounts(&tools)).collect();
    failures.iter().for_each(eprint_line);
    let mut listed = tools.iter().filter_map(|tools| tools.listed.as_ref().ok());
    if failures.is_empty() && listed.all(Vec::is_empty) {
        eprint_line("no tools are offered");
    }
    let errors = tools.iter().filter_map(|tools| tools.listed.as_ref().err());
    let hint = errors.filter_map(|error| args.target.hint(error)).next();
    hint.into_iter().for_each(eprint_line);
    Ok(match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Describes the configured names that no tool has, and the tools that names hide.
pub(super) fn name_findings(tools: &[ToolList], servers: &McpClient) -> Vec<String> {
    let unknown = tools.iter().flat_map(|tools| {
        let describe = |name| {
            format!(
                "no tool of {:?} has the configured name {name:?}",
                tools.server
            )
        };
        tools.unknown.iter().map(describe)
    });
    let hidden = servers.hidden().into_iter();
    unknown
        .chain(hidden.map(|collision| collision.to_string()))
        .collect()
}

/// Describes the servers of a gateway that have a placeholder, because the caller has no account.
fn missing_accounts(tools: &[ToolList]) -> impl Iterator<Item = String> {
    let listed = tools.iter().filter_map(|tools| tools.listed.as_ref().ok());
    listed.flatten().filter_map(|tool| {
        let server = tool["_meta"][PROBLEM]["server"].as_str()?;
        let name = tool["name"].as_str()?;
        Some(format!(
            "{server}: no account is connected; `mcp-gateway call {name}` prints the link, or the reason"
        ))
    })
}

fn documents(tools: &[ToolList]) -> Vec<Value> {
    let with_server = |tools: &ToolList| -> Vec<Value> {
        let listed = tools.listed.iter().flatten().cloned();
        let add = |mut tool: Value| {
            tool["server"] = json!(&*tools.server);
            tool
        };
        listed.map(add).collect()
    };
    tools.iter().flat_map(with_server).collect()
}

/// Formats one line for each tool: signature and summary.
fn lines(tools: &[ToolList]) -> Vec<String> {
    let listed = tools
        .iter()
        .filter_map(|tools| tools.listed.as_ref().ok())
        .flatten();
    let signatures: Vec<_> = listed
        .map(|tool| (signature(tool), summary(tool)))
        .collect();
    let widths = signatures
        .iter()
        .map(|(signature, _)| signature.chars().count());
    let width = widths
        .filter(|width| *width <= MAX_WIDTH)
        .max()
        .unwrap_or_default();
    let line = |(signature, summary): &(String, String)| {
        format!("{signature:width$}  {summary}")
            .trim_end()
            .to_owned()
    };
    signatures.iter().map(line).collect()
}

/// Formats the name of a tool and its arguments, optional ones in brackets.
fn signature(tool: &Value) -> String {
    let schema = &tool["inputSchema"];
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let argument = |(name, _): (&String, &Value)| match required.iter().any(|one| one == name) {
        true => name.clone(),
        false => format!("[{name}]"),
    };
    let mut arguments: Vec<_> = properties.map(argument).collect();
    arguments.sort_by_key(|argument| argument.starts_with('['));
    let name = tool["name"].as_str().unwrap_or_default();
    format!("{name}({})", arguments.join(", "))
}

/// Returns the first line of the description of a tool.
fn summary(tool: &Value) -> String {
    let description = tool["description"]
        .as_str()
        .or_else(|| tool["title"].as_str());
    let line = description
        .unwrap_or_default()
        .trim()
        .lines()
        .next()
        .unwrap_or_default();
    match line.char_indices().nth(MAX_SUMMARY) {
        Some((end, _)) => format!("{}...", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

/// Longest signature that the column of descriptions is aligned to.
const MAX_WIDTH: usize = 48;
const MAX_SUMMARY: usize = 100;

#[cfg(test)]
mod tests {
    use mcp_gateway_core::upstream::UpstreamError;

    use super::*;

    fn tools() -> Vec<ToolList> {
        let schema = |properties: &[&str], required: &[&str]| {
            let properties: serde_json::Map<_, _> = properties
                .iter()
                .map(|name| ((*name).to_owned(), json!({})))
                .collect();
            json!({ "type": "object", "properties": properties, "required": required })
        };
        vec![
            ToolList {
                server: "a".into(),
                listed: Ok(vec![
                    json!({ "name": "a__x", "inputSchema": schema(&["p", "q"], &["q"]), "description": "Does x.\nMore." }),
                    json!({ "name": "a__long", "inputSchema": {}, "title": "Long" }),
                ]),
                findings: Vec::new(),
                details: String::new(),
                unknown: Vec::new(),
            },
            ToolList {
                server: "b".into(),
                listed: Err(UpstreamError::Timeout),
                findings: Vec::new(),
                details: " (initialize: no answer)".to_owned(),
                unknown: Vec::new(),
            },
        ]
    }

    #[test]
    fn each_tool_has_a_line() {
        assert_eq!(
            lines(&tools()),
            ["a__x(q, [p])  Does x.", "a__long()     Long"]
        );
    }

    #[test]
    fn a_failure_names_the_server_and_its_answers() {
        let failures: Vec<_> = tools().iter().filter_map(ToolList::failure).collect();
        let error = UpstreamError::Timeout;
        assert_eq!(failures, [format!("b: {error} (initialize: no answer)")]);
    }

    #[test]
    fn a_placeholder_is_a_missing_account() {
        let mut tools = tools();
        assert_eq!(missing_accounts(&tools).count(), 0);
        let placeholder = json!({
            "name": "a__connect",
            "_meta": { PROBLEM: { "reason": "not_connected", "server": "a" } },
        });
        tools[0].listed.as_mut().unwrap().push(placeholder);
        let lines: Vec<_> = missing_accounts(&tools).collect();
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("a: ") && lines[0].contains("call a__connect"),
            "{lines:?}"
        );
    }

    #[test]
    fn each_tool_has_its_server() {
        let documents = documents(&tools());
        assert_eq!((documents.len(), &documents[1]["server"]), (2, &json!("a")));
    }
}
