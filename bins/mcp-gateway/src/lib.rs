//! One governed endpoint in front of many MCP servers: the program `mcp-gateway`.
//!
//! Everything that a gateway does is in the crate `mcp-gateway-core`, and can be embedded from
//! there. This crate knows files, the environment, signals and the command line, and puts the parts
//! together:
//!
//! | module | what it has |
//! |---|---|
//! | [`cli`] | the commands |
//!
//! The library is for the program and for what tests it; other programs should not depend on it.

mod admin_client;
mod administration;
mod banner;
mod builtins;
pub mod cli;
mod client;
mod cluster;
#[cfg(feature = "demo")]
mod demo;
mod files;
#[cfg(feature = "console")]
mod guides;
mod lock;
mod logging;
mod model;
mod objects;
mod output;
mod serve;
mod signals;
mod source;
mod system;
#[cfg_attr(not(feature = "traces"), path = "no_traces.rs")]
mod traces;
mod watch;
