//! Sandbox for short scripts that call the tools of an MCP gateway.
//!
//! A [`Sandbox`] runs each script in a process of its own, which has no network, no files, no
//! environment, and limits of memory and time. Whatever a script does costs that process alone. It
//! implements the [`ScriptRunner`] of `mcp-gateway-core`, which gives scripts their tools.
//!
//! The process is any program that calls [`run_child`], such as the gateway itself. It talks to the
//! gateway in lines of JSON, and the gateway validates each of them: a script that takes over its
//! process can call the tools that it has been given, and nothing else.
//!
//! [`ScriptRunner`]: mcp_gateway_core::script::ScriptRunner

mod child;
mod limits;
mod message;
mod sandbox;

pub use self::child::run_child;
pub use self::limits::SandboxLimits;
pub use self::sandbox::Sandbox;
