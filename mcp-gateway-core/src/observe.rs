//! Observation of calls: an [`Observer`] receives a report of each.
//!
//! [`ObserveLayer`] notifies it when the reply of a server has ended, has failed, or has been
//! dropped because the client disconnected. Metrics and audit logs build on it.
//!
//! # Example
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

/// Receiver of a report of each call.
///
/// Called on the path of the reply, once per call, concurrently. It must not block: it should
/// count, or hand the report to another task.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Called at the end of each call.
    fn ended(&self, call: &CallReport<'_>);
}

/// Report of a completed call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallReport<'a> {
    /// Name of the gateway that received the call.
    pub gateway: &'a str,
    /// Name of the server that the call was routed to.
    pub server: &'a str,
    /// Method of the request.
    pub method: &'a Method,
    /// Feature of the server that the call targets, if the server is known to list it.
    ///
    /// `None` for names that a client invented, so that the values are bounded and can be metric
    /// labels.
    pub feature: Option<&'a Feature>,
    /// Protocol version of the client.
    pub version: Version,
    /// Outcome of the call.
    pub outcome: Outcome,
    /// Reason in one word if the gateway produced no reply; `None` otherwise.
    pub reason: Option<&'static str>,
    /// Time from the arrival of the call to the end of the reply.
    pub duration: Duration,
    /// Size of the request in bytes.
    pub request_bytes: u64,
    /// Size of the server's messages in bytes.
    pub response_bytes: u64,
}
