//! Report what became of each call.
//!
//! [`ObserveLayer`] tells an [`Observer`] of every call of a server when its reply has ended, has
//! failed, or has been dropped by a client that went away.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::observe::{CallReport, Observer};
//!
//! #[derive(Debug)]
//! struct Printer;
//!
//! impl Observer for Printer {
//!     fn ended(&self, call: &CallReport<'_>) {
//!         println!("{} of {}: {:?} in {:?}", call.method, call.server, call.outcome, call.duration);
//!     }
//! }
//! ```
//!
//! [`ObserveLayer`]: crate::layer::observe::ObserveLayer

use std::fmt;
use std::time::Duration;

use crate::protocol::{Method, Version};
use crate::reply::Outcome;
use crate::route::Feature;

/// Hears what became of each call.
///
/// Called on the path of the reply, so it must be quick: count, or hand over to somebody else.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A call has ended.
    fn ended(&self, call: &CallReport<'_>);
}

/// What became of a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallReport<'a> {
    /// The gateway that the call came through.
    pub gateway: &'a str,
    /// The server that it went to.
    pub server: &'a str,
    /// The method.
    pub method: &'a Method,
    /// What of the server was meant, if the server is known to list it.
    ///
    /// Names that a client made up are not in here, so that they can become labels.
    pub feature: Option<&'a Feature>,
    /// The revision that the client speaks.
    pub version: Version,
    /// What came out.
    pub outcome: Outcome,
    /// Why the gateway has no reply, in one word.
    pub reason: Option<&'static str>,
    /// From the arrival of the call until the end of the reply.
    pub duration: Duration,
    /// The size of the request, in bytes.
    pub request_bytes: u64,
    /// The size of what the server sent, in bytes.
    pub response_bytes: u64,
}
