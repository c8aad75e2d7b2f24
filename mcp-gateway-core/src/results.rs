//! Budgets for the results of tools.
//!
//! A result fills the context of a model, however large it is. [`ResultBudgets`] limit the results of a
//! server, or of one of its tools, in three ways:
//!
//! | part of a [`ResultBudget`] | effect |
//! |---|---|
//! | maximum size | a larger result is cut, kept for its caller behind a resource link, or replaced by an error; see [`Overflow`] |
#![cfg_attr(
    feature = "json-path",
    doc = "| [`Projection`] | only the parts that JSON paths select remain |"
)]
//! | neither | results are forwarded as they are, without being read |
//!
//! Results of tools that failed (`isError`) are cut as well. A result of a task has the budget of its
//! server. Whatever else is larger than the budget, such as a result without content or a JSON-RPC
//! error, is replaced by the error [`TooLarge`](crate::error::UpstreamError::TooLarge). Requests for
//! input keep their requests and lose other large members. Progress notifications are not touched.
//!
//! A result that is cut or projected may contradict the `outputSchema` of its tool, so clients do not
//! see the schema of a tool for which either can happen. Then `structuredContent` may be left out; see
//! [MCP 2026-07-28, output
//! schema](https://modelcontextprotocol.io/specification/2026-07-28/server/tools#output-schema).
//!
//! # Kept results
//!
//! With [`Overflow::Link`] the whole result becomes a document in [`KeptResults`]: the text of a
//! result that is one text, otherwise the JSON text of the result. Its URI is
//! `mcp-gateway://results/SERVER/ID`; `resources/read` returns as much of it as the budget allows,
//! from the byte `?offset=N` on. A further item of `contents` and the member `mcp-gateway/piece` of
//! `_meta` name the URI of the next piece. No server receives a URI with the scheme `mcp-gateway`.

mod budget;
mod capped;
mod cut;
mod document;
mod kept;
#[cfg(feature = "json-path")]
mod projection;
mod shaper;
mod tool_result;
mod values;

pub use self::budget::{Overflow, ResultBudget, ResultBudgets};
pub use self::capped::capped;
pub(crate) use self::document::PieceUri;
pub use self::document::is_reserved;
pub use self::kept::{KeptResultLimits, KeptResults};
#[cfg(feature = "json-path")]
pub use self::projection::{Projection, ProjectionError, ReplacementError};
pub(crate) use self::shaper::{ResultShaper, unknown_result};
