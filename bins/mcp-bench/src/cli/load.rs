//! The arguments that say what is called.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde_json::{Map, Value, json};

use super::value;
use crate::endpoint::Endpoint;
use crate::wire::Call;

/// What is called, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArguments {
    /// The method to call
    #[arg(long, default_value = "tools/call")]
    pub(crate) method: String,

    /// The tool to call
    #[arg(long, default_value = "echo")]
    pub(crate) tool: String,

    /// The arguments of the tool [default: {"message":"hello"}]
    #[arg(long, value_name = "JSON", value_parser = value::json)]
    pub(crate) arguments: Option<Value>,

    /// The parameters of another method than tools/call
    #[arg(long, value_name = "JSON", value_parser = value::object)]
    pub(crate) params: Option<Map<String, Value>>,

    /// A bearer token to send with each request
    #[arg(long, env = "MCP_BENCH_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// A header to send with each request, such as 'Name: value'; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,

    /// A capability that clients declare, such as elicitation; may be repeated
    #[arg(long = "declare", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,

    /// How long one call may take
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) timeout: Duration,

    /// How many threads make the load; one is enough for some 100,000 calls per second
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,
}

impl LoadArguments {
    /// The call that they describe.
    ///
    /// # Errors
    ///
    /// Fails when arguments are given that the method does not have.
    pub(crate) fn call(&self) -> anyhow::Result<Call> {
        self.call_of(&self.tool)
    }

    /// The same call, of another tool.
    ///
    /// # Errors
    ///
    /// Fails when arguments are given that the method does not have.
    pub(crate) fn call_of(&self, tool: &str) -> anyhow::Result<Call> {
        if self.method != "tools/call" {
            ensure!(
                self.arguments.is_none(),
                "--arguments belongs to the method tools/call"
            );
            let params = self.params.clone().unwrap_or_default();
            return Ok(Call {
                method: self.method.clone(),
                params,
            });
        }
        ensure!(
            self.params.is_none(),
            "tools/call takes --tool and --arguments, not --params"
        );
        let arguments = self.arguments.clone();
        Ok(Call::tool(
            tool,
            arguments.unwrap_or_else(|| json!({ "message": "hello" })),
        ))
    }

    /// What the call is named in reports.
    pub(crate) fn title(&self) -> String {
        match self.method.as_str() {
            "tools/call" => format!("tools/call {}", self.tool),
            method => method.to_owned(),
        }
    }

    /// The endpoint at `url`, with what clients say to it about themselves.
    ///
    /// # Errors
    ///
    /// Fails when the URL or a header is not valid.
    pub(crate) fn endpoint(&self, url: &str) -> anyhow::Result<Endpoint> {
        let endpoint = Endpoint::new(url, &self.header_lines())?;
        Ok(endpoint.declaring(&self.capabilities))
    }

    /// The header lines of all requests.
    fn header_lines(&self) -> Vec<String> {
        let token = self
            .token
            .iter()
            .map(|token| format!("Authorization: Bearer {token}"));
        token.chain(self.headers.iter().cloned()).collect()
    }
}
