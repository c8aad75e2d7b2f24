//! Arguments of the load.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde_json::{Map, Value, json};

use super::value;
use crate::endpoint::Endpoint;
use crate::wire::Call;

/// Arguments of the load.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArguments {
    /// Method to call
    #[arg(long, default_value = "tools/call")]
    pub(crate) method: String,

    /// Tool to call
    #[arg(long, default_value = "echo")]
    pub(crate) tool: String,

    /// Arguments of the tool [default: {"message":"hello"}]
    #[arg(long, value_name = "JSON", value_parser = value::json)]
    pub(crate) arguments: Option<Value>,

    /// Parameters of a method other than tools/call
    #[arg(long, value_name = "JSON", value_parser = value::object)]
    pub(crate) params: Option<Map<String, Value>>,

    /// Bearer token of each request
    #[arg(long, env = "MCP_BENCH_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// Header of each request, such as 'Name: value'; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,

    /// Client capability to declare, such as elicitation; may be repeated
    #[arg(long = "declare", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,

    /// Time limit of a call
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = value::duration)]
    pub(crate) timeout: Duration,

    /// Threads of the load generator; one is sufficient for about 100,000 calls per second
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,
}

impl LoadArguments {
    /// Returns the call to make.
    ///
    /// # Errors
    ///
    /// Fails when arguments are given that the method does not have.
    pub(crate) fn call(&self) -> anyhow::Result<Call> {
        self.call_of(&self.tool)
    }

    /// Returns the call with another tool.
    ///
    /// # Errors
    ///
    /// Fails when arguments are given that the method does not have.
    pub(crate) fn call_of(&self, tool: &str) -> anyhow::Result<Call> {
        if self.method != "tools/call" {
            ensure!(
                self.arguments.is_none(),
                "--arguments requires the method tools/call"
            );
            let params = self.params.clone().unwrap_or_default();
            return Ok(Call {
                method: self.method.clone(),
                params,
            });
        }
        ensure!(
            self.params.is_none(),
            "tools/call requires --tool and --arguments instead of --params"
        );
        let arguments = self.arguments.clone();
        Ok(Call::tool(
            tool,
            arguments.unwrap_or_else(|| json!({ "message": "hello" })),
        ))
    }

    /// Returns the name of the call for reports.
    pub(crate) fn title(&self) -> String {
        match self.method.as_str() {
            "tools/call" => format!("tools/call {}", self.tool),
            method => method.to_owned(),
        }
    }

    /// Returns the endpoint at `url`, with headers and client capabilities.
    ///
    /// # Errors
    ///
    /// Fails when the URL or a header is not valid.
    pub(crate) fn endpoint(&self, url: &str) -> anyhow::Result<Endpoint> {
        let endpoint = Endpoint::new(url, &self.header_lines())?;
        Ok(endpoint.declaring(&self.capabilities))
    }

    /// Returns the header lines of all requests.
    fn header_lines(&self) -> Vec<String> {
        let token = self
            .token
            .iter()
            .map(|token| format!("Authorization: Bearer {token}"));
        token.chain(self.headers.iter().cloned()).collect()
    }
}
