//! Results of calls, and those that are expected.

use serde_json::Value;

use super::rules::Verdict;
use super::world::{Expected, FAR, Tool};

/// Result of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The server has answered.
    Called(String),
    Rejected {
        reason: String,
        message: String,
    },
}

impl Outcome {
    pub(crate) fn of(answer: &Value) -> Self {
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str();
        if let Some(text) = text.filter(|_| result["isError"] != true) {
            return Self::Called(text.to_owned());
        }
        let problem = &result["_meta"]["mcp-gateway/problem"];
        let reason = problem["reason"].as_str();
        let reason = reason.or_else(|| answer["error"]["data"]["reason"].as_str());
        let message = text.or_else(|| answer["error"]["message"].as_str());
        Self::Rejected {
            reason: reason.unwrap_or_default().to_owned(),
            message: message.unwrap_or_default().to_owned(),
        }
    }

    /// Returns `true` if a server has answered.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self, Self::Called(_))
    }

    /// Returns `true` if the gateway has been replacing its servers.
    pub(crate) fn is_to_repeat(&self) -> bool {
        self.has_reason("server_replaced")
    }

    fn has_reason(&self, expected: &str) -> bool {
        matches!(self, Self::Rejected { reason, .. } if reason == expected)
    }

    fn is_unknown(&self) -> bool {
        self.has_reason("unknown_tool")
    }

    /// Returns `true` if this is the result of a call that is expected, by either route.
    ///
    /// A tool that is not listed is not called. The answer may have the reason of a rule about the server,
    /// because its list is requested before a tool is resolved.
    pub(crate) fn is_expected(&self, tool: &Tool, expected: &Expected) -> bool {
        match expected.is_listed {
            // Rules on annotations require a list of the server, which tells that the account is
            // missing.
            true if tool.server == FAR && self.has_reason("not_connected") => true,
            true => self.is_decided(tool, expected),
            false => !self.is_call(),
        }
    }

    /// Returns `true` if this is what the rules make of the call of a listed tool.
    fn is_decided(&self, tool: &Tool, expected: &Expected) -> bool {
        match &expected.verdict {
            Verdict::Hidden => self.is_unknown(),
            Verdict::NeedsApproval => {
                self.has_reason("approval_required") || self.has_reason("too_many_approvals")
            }
            Verdict::Refused(text) => match self {
                Self::Called(_) => false,
                Self::Rejected { reason, message } => reason == "denied" && message.contains(text),
            },
            Verdict::Permitted => *self == Self::Called(tool.text()),
        }
    }
}
