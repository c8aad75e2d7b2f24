//! One governed endpoint in front of many MCP servers.
#![expect(dead_code, reason = "the commands that use it come next")]

pub mod config;
mod document;
mod import;
