//! A full MCP server to put behind the gateway, for both eras of the protocol.
//!
//! It has every tool, resource and prompt that the official conformance suite asks a server for,
//! and more that tests of a gateway need:
//!
//! | tool | what it is for |
//! |---|---|
//! | `whoami`, `header_types`, `test_custom_header` | which headers reach the server |
//! | `vendor` | JSON that must pass byte for byte, see [`Fragment`] |
//! | `echo`, `add` | arguments and structured results |
//! | `slow`, `slow_counts` | deadlines, progress and cancellation |
//! | `big` | large results |
//! | `toggle`, `update_resource`, `test_trigger_*` | lists and resources that change |
//! | `test_reconnection`, `crash` | responses and servers that end too early |
//!
//! Tools that ask the client something do so in the way of the client's revision: with a request
//! of their own up to 2025-11-25, with an `input_required` result since 2026-07-28.

mod additions;
mod audience;
mod call;
mod completion;
mod counts;
mod cut;
mod era;
mod http;
mod inquiry;
mod logging;
mod media;
mod options;
mod page;
mod prompts;
mod resources;
mod server;
mod stdio;
mod tool;
mod toolbox;
mod tools;
mod vendor;

pub use self::{
    era::Era,
    http::{PATH, serve_http},
    options::Options,
    server::Fixture,
    stdio::serve_stdio,
    vendor::Fragment,
};
