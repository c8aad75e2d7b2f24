//! Rules about results: what clients receive of the replies of servers.
//!
//! All rules that concern a result apply, in their order. Conditions see the result as its server
//! sent it. A [`ResultRules`] makes the [filter](mcp_gateway_core::reply::ReplyFilter) of a call, or
//! none if no rule concerns its target.

mod echo;
mod encoded;
mod facts;
mod filter;
mod mask;
mod masker;
mod rule;
mod rules;
mod subscription;
mod taint;

pub use self::mask::{MaskError, ResultMask};
pub use self::rule::{ResultEffect, ResultRule};
pub use self::rules::{MAX_BYTES, ResultRules};
pub use self::taint::{Taint, TaintRecorder};

#[cfg(test)]
mod tests;
