//! Rules that decide about the calls of an MCP gateway.
//!
//! [`Rules`] implement the [`Policy`](mcp_gateway_core::policy::Policy) of `mcp-gateway-core`. A
//! [`Rule`] concerns gateways, servers, tools, teams, roles, clients and annotations of tools, and
//! calls for which a [`Condition`](condition::Condition) in CEL holds. Its [`Effect`] permits them,
//! rejects them, or requires approval.

mod attributes;
mod candidates;
pub mod condition;
mod explanation;
mod rule;
mod rules;

pub use self::explanation::{Explanation, Finding, Step};
pub use self::rule::{Effect, Hint, Rule};
pub use self::rules::Rules;
