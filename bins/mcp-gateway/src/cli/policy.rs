//! `mcp-gateway policy`.

mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_config::policy_cases::PolicyCase;
use mcp_gateway_core::policy::Decision;
use mcp_gateway_policy::Rules;
use serde_json::{Map, Value, json};

use self::rules::{AddArgs, ExportArgs, ListArgs, MoveArgs, NamedArgs, annotation};
use super::admin::AdminArgs;
use crate::files::ConfigFiles;
use crate::output::print_line;

#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a rule to the store
    Add(Box<AddArgs>),
    /// Print the rules of the store as a section of a configuration file
    Export(ExportArgs),
    /// List rules in their order, of the configuration and of the store
    List(ListArgs),
    /// Move a rule of the store
    Move(MoveArgs),
    /// Remove a rule from the store
    Remove(NamedArgs),
    /// Print a rule
    Show(NamedArgs),
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
    /// Configuration file with the policy, instead of a running gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    running: AdminArgs,
    /// Gateway that receives the call; the default one otherwise
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
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
    /// Annotation of the tool, as NAME or NAME=false; may be repeated. Without any, a running gateway
    /// takes those that the server lists
    #[arg(long = "annotation", value_name = "NAME", value_parser = annotation)]
    annotations: Vec<(String, bool)>,
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
        Command::Add(args) => rules::add(args),
        Command::Export(args) => rules::export(args),
        Command::List(args) => rules::list(args),
        Command::Move(args) => rules::move_to(args),
        Command::Remove(args) => rules::remove(args),
        Command::Show(args) => rules::show(args),
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
    let Some(config) = &args.config else {
        return explain_running(args);
    };
    let rules = rules(config)?;
    let explanation = args.case()?.explain(&rules);
    for step in &explanation.steps {
        print_line(format_args!("{}: {}", step.rule, step.finding))?;
    }
    print_line(match &explanation.decision {
        Decision::Allow => "The call is permitted.".to_owned(),
        Decision::Ask { terms, .. } => {
            format!("The call requires approval by {}.", terms.approvers())
        }
        Decision::Deny {
            reason: Some(reason),
            ..
        } => format!("The call is rejected: {reason}"),
        _ => HIDDEN.to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the explanation of a running gateway.
fn explain_running(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let call = args.call()?;
    args.running.with(async |client| {
        let path = ["policy", "explain"];
        let explanation = client.send(Method::POST, &path, Some(&call)).await?;
        for step in explanation["steps"].as_array().into_iter().flatten() {
            let (rule, finding) = (step["rule"].as_str(), step["finding"].as_str());
            let (rule, finding) = (rule.unwrap_or_default(), finding.unwrap_or_default());
            print_line(format_args!("{rule}: {finding}"))?;
        }
        let reason = explanation["reason"].as_str();
        let decision = (
            explanation["effect"].as_str(),
            explanation["decidedBy"].as_str(),
        );
        print_line(match (decision, reason) {
            ((Some("allow"), _), _) => "The call is permitted.".to_owned(),
            ((Some("approve"), _), _) => "The call requires approval.".to_owned(),
            ((_, Some("gateway")), _) => "The gateway does not offer the tool.".to_owned(),
            (_, Some(reason)) => format!("The call is rejected: {reason}"),
            (_, None) => HIDDEN.to_owned(),
        })?;
        Ok(())
    })
}

impl ExplainArgs {
    /// Returns the call as the admin API reads it. Annotations are those of the server if none is set.
    fn call(&self) -> anyhow::Result<Value> {
        let arguments: Map<String, Value> =
            serde_json::from_str(&self.arguments).context("--arguments")?;
        let mut caller =
            json!({ "subject": self.subject, "teams": self.teams, "roles": self.roles });
        if let Some(client) = &self.client {
            caller["client"] = json!(client);
        }
        let mut call = json!({
            "tool": self.tool,
            "caller": caller,
            "arguments": arguments,
        });
        if let Some(gateway) = &self.gateway {
            call["gateway"] = gateway.as_str().into();
        }
        for (name, value) in &self.annotations {
            call["annotations"][name] = (*value).into();
        }
        Ok(call)
    }

    /// Returns the call as a case of a listed tool; the expectation is not used.
    fn case(&self) -> anyhow::Result<PolicyCase> {
        let mut case = self.call()?;
        case["name"] = "call".into();
        if self.gateway.is_none() {
            case["gateway"] = "default".into();
        }
        case["expect"] = "allow".into();
        if self.annotations.is_empty() {
            case["annotations"] = json!({});
        }
        let cases = PolicyCase::read_all(&json!({ "cases": [case] }).to_string());
        let cases = cases.map_err(|problems| listed(problems.lines("arguments")))?;
        cases.into_iter().next().context("no call")
    }
}

/// Text for a call that is rejected without a reason.
const HIDDEN: &str = "The call is rejected, and the tool is hidden.";

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
