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
mod hint;
pub mod result;
mod rule;
mod rules;
mod sample_call;
mod scope;

pub use self::candidates::{Candidates, Named};
pub use self::explanation::{Explanation, Finding, Step};
pub use self::hint::Hint;
pub use self::rule::{Effect, Rule};
pub use self::rules::Rules;
pub use self::sample_call::SampleCall;
pub use self::scope::Scope;
