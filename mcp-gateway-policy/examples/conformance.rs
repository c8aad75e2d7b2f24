//! Evaluates conditions from standard input, for `tests/cel/run`.
//!
//! Each line is `{ "condition": TEXT, "arguments": TEXT }`; the answer has one line for each: `true`,
//! `false`, `failed: ERROR` or `rejected: MISTAKE`.

use std::io::{self, BufRead as _, Write as _};
use std::time::SystemTime;

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::policy::PolicyRequest;
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo};
use mcp_gateway_policy::condition::Condition;
use mcp_gateway_policy::{Effect, Finding, Rule, Rules};

#[derive(serde::Deserialize)]
struct Case {
    condition: String,
    #[serde(default = "Case::none")]
    arguments: String,
}

impl Case {
    fn none() -> String {
        "{}".to_owned()
    }

    /// Returns the result of the condition, as a rule has it.
    fn result(&self) -> String {
        let condition = match Condition::parse(&self.condition) {
            Ok(condition) => condition,
            Err(mistake) => return format!("rejected: {mistake}").replace('\n', " "),
        };
        let rules = Rules::new([Rule::new("case", Effect::Allow).with_condition(condition)]);
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Caller::new(Principal::new("tester"), "main", client);
        let target = Target::new("server", Feature::Tool("tool".into()));
        let request = PolicyRequest::listing(&caller, &target).with_arguments(&self.arguments);
        let explanation = rules.explain(&request, SystemTime::now());
        match explanation.steps.first().map(|step| step.finding) {
            Some(Finding::Decided) => "true".to_owned(),
            Some(Finding::ConditionFalse) => "false".to_owned(),
            Some(Finding::Failed(error)) => format!("failed: {error}"),
            other => format!("rejected: {other:?}"),
        }
    }
}

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        writeln!(output, "{}", case.result())?;
    }
    Ok(())
}
