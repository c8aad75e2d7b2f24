//! Configuration files of an MCP gateway.
//!
//! | module | content |
//! |---|---|
//! | [`document`] | YAML and JSON as trees with positions, and the diagnostics of reading them |
//! | [`file`](mod@file) | the configuration file |
//! | [`edit`] | changes of the configuration file |
//! | [`library`] | ready entries |
//! | [`stored`] | entries of servers in a store |
//! | [`import`] | the server lists of MCP clients |
//! | [`connect`] | the settings by which MCP clients connect to a gateway |
//! | [`lint`] | checks of tool definitions against the limits of MCP clients |
//! | [`policy_cases`] | tables of cases for a policy |
//! | [`system`] | the environment and the files of this process |
//!
//! Only [`system`] accesses files and the environment: references are resolved through the trait
//! [`Environment`](document::Environment).
//!
//! # Example
//!
//! ```
//! use mcp_gateway_config::file::parse;
//!
//! let config = parse("servers:\n  - { name: time, process: { command: uvx, args: [mcp-server-time] } }\n");
//! assert_eq!(config.unwrap().platform.dynamic.servers.len(), 1);
//!
//! let error = parse("servers:\n  - { name: time, process: { commands: uvx } }\n").unwrap_err();
//! assert!(error.to_string().contains("did you mean \"command\"?"));
//! ```

pub mod connect;
pub mod document;
pub mod edit;
pub mod file;
pub mod import;
pub mod library;
pub mod lint;
pub mod policy_cases;
pub mod stored;
pub mod system;
