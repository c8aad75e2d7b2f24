//! `mcp-gateway policy`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_config::policy_cases::PolicyCase;
use mcp_gateway_core::policy::Decision;
use mcp_gateway_policy::Rules;
use serde_json::{Map, Value, json};

use crate::files::ConfigFiles;
use crate::output::print_line;

#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decide a table of cases, and fail if the policy decides otherwise than expected
    Test {
        /// Table of cases
        file: PathBuf,
        /// Configuration file with the policy
        #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
        config: PathBuf,
    },
    /// Print the rules that concern a call, up to the one that decides
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// The tool, as its server names it
    #[arg(value_name = "SERVER/TOOL")]
    tool: String,
    /// Configuration file with the policy
    #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// Gateway that receives the call
    #[arg(long, value_name = "NAME", default_value = "default")]
    gateway: String,
    /// Caller
    #[arg(long, default_value = "somebody")]
    subject: String,
    /// OAuth client of the caller
    #[arg(long)]
    client: Option<String>,
    /// Team of the caller; may be repeated
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Role of the caller; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Arguments of the call
    #[arg(long, value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// Annotation of the tool that is true; may be repeated
    #[arg(long = "annotation", value_name = "NAME", value_parser = ANNOTATIONS)]
    annotations: Vec<String>,
}

/// Names of annotations in rules.
const ANNOTATIONS: [&str; 4] = ["destructive", "idempotent", "openWorld", "readOnly"];

/// Runs the command.
///
/// # Errors
///
/// Fails if a file cannot be read or the output is closed.
pub(super) fn run(args: &PolicyArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Test { file, config } => test(file, config),
        Command::Explain(args) => explain(args),
    }
}

/// Decides the cases of `file`, and prints those that are decided otherwise than expected.
fn test(file: &Path, config: &Path) -> anyhow::Result<ExitCode> {
    let rules = rules(config)?;
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let cases = PolicyCase::read_all(&text);
    let cases = cases.map_err(|problems| listed(problems.lines(&file.display().to_string())))?;
    let mut failed = 0;
    for case in &cases {
        if let Some(mismatch) = case.mismatch(&rules) {
            failed += 1;
            print_line(format_args!("{}: {mismatch}", case.name))?;
        }
    }
    print_line(format_args!(
        "{} of {} cases as expected",
        cases.len() - failed,
        cases.len()
    ))?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Prints the result of each rule that names the tool, and the decision.
fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let rules = rules(&args.config)?;
    let explanation = args.case()?.explain(&rules);
    for step in &explanation.steps {
        print_line(format_args!("{}: {}", step.rule, step.finding))?;
    }
    print_line(match &explanation.decision {
        Decision::Allow => "The call is permitted.".to_owned(),
        Decision::Ask { .. } => "The call requires approval.".to_owned(),
        Decision::Deny {
            reason: Some(reason),
            ..
        } => format!("The call is rejected: {reason}"),
        _ => "The call is rejected, and the tool is hidden.".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

impl ExplainArgs {
    /// Returns the call as a case; the expectation is not used.
    fn case(&self) -> anyhow::Result<PolicyCase> {
        let arguments: Map<String, Value> =
            serde_json::from_str(&self.arguments).context("--arguments")?;
        let annotations = self
            .annotations
            .iter()
            .map(|name| (name.clone(), json!(true)));
        let mut caller =
            json!({ "subject": self.subject, "teams": self.teams, "roles": self.roles });
        if let Some(client) = &self.client {
            caller["client"] = json!(client);
        }
        let case = json!({
            "name": "call",
            "tool": self.tool,
            "gateway": self.gateway,
            "caller": caller,
            "arguments": arguments,
            "annotations": annotations.collect::<Map<_, _>>(),
            "expect": "allow",
        });
        let cases = PolicyCase::read_all(&json!({ "cases": [case] }).to_string());
        let cases = cases.map_err(|problems| listed(problems.lines("arguments")))?;
        cases.into_iter().next().context("no call")
    }
}

/// Returns the rules of a configuration.
fn rules(config: &Path) -> anyhow::Result<Arc<Rules>> {
    let files = ConfigFiles::sorted(vec![config.to_owned()]).map_err(anyhow::Error::msg)?;
    let loaded = files.load(&NoEnvironment);
    let loaded = loaded.map_err(|problems| listed(problems.lines()))?;
    let rules = loaded.config.platform.dynamic.policy.rules();
    Ok(rules.unwrap_or_default())
}

/// Returns the lines of diagnostics as one error.
fn listed(lines: impl Iterator<Item = String>) -> anyhow::Error {
    anyhow::Error::msg(lines.collect::<Vec<_>>().join("\n"))
}
