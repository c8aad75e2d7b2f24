//! Metrics of requests by the MCP semantic conventions: on the side of callers, and on that of servers.
//!
//! Names and labels are those of the conventions, with underscores instead of dots. The labels `gateway`
//! and `mcp_server_name` are those of the other metrics.

use std::sync::{PoisonError, RwLock};

use hashbrown::{Equivalent, HashMap};
use mcp_gateway_core::protocol::{Method, ProtocolVersion};
use mcp_gateway_core::reply::CallOutcome;
use mcp_gateway_core::trace::{Span, SpanKind, SpanTransport};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{OTHER, UNLISTED};

/// Metric families of requests.
///
/// They count notifications as well, as the conventions demand.
#[derive(Debug)]
pub(super) struct OperationMetrics {
    /// Requests of callers, by the time until the end of the response.
    server: Family<ServerLabels, Histogram, fn() -> Histogram>,
    /// Requests to servers, by the time until the end of the response.
    client: Family<ClientLabels, Histogram, fn() -> Histogram>,
    /// Series by what they count, so that a request requires a single lookup.
    known: RwLock<HashMap<Operation, Histogram>>,
}

/// Labels on the side of callers. An empty one is absent for Prometheus.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ServerLabels {
    /// Name of the gateway.
    gateway: String,
    /// Method; `_OTHER` if the protocol does not define it.
    mcp_method_name: String,
    /// `execute_tool` for calls of tools, otherwise empty.
    gen_ai_operation_name: &'static str,
    /// Name of the tool; `_unlisted` or `_other` for those without a series of their own.
    gen_ai_tool_name: String,
    /// Name of the prompt, with the same exceptions.
    gen_ai_prompt_name: String,
    /// Protocol version between sender and receiver.
    mcp_protocol_version: &'static str,
    /// `tcp` or `pipe`.
    network_transport: &'static str,
    /// Reason of the failure; empty if there is none.
    error_type: String,
    /// JSON-RPC code of the response; empty without an error.
    rpc_response_status_code: String,
}

/// Labels on the side of servers: those on the side of callers, and the server.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ClientLabels {
    /// Name of the gateway.
    gateway: String,
    /// Name of the server.
    mcp_server_name: String,
    /// Method; `_OTHER` if the protocol does not define it.
    mcp_method_name: String,
    /// `execute_tool` for calls of tools, otherwise empty.
    gen_ai_operation_name: &'static str,
    /// Name of the tool; `_unlisted` or `_other` for those without a series of their own.
    gen_ai_tool_name: String,
    /// Name of the prompt, with the same exceptions.
    gen_ai_prompt_name: String,
    /// Protocol version between sender and receiver.
    mcp_protocol_version: &'static str,
    /// `tcp` or `pipe`.
    network_transport: &'static str,
    /// Reason of the failure; empty if there is none.
    error_type: String,
    /// JSON-RPC code of the response; empty without an error.
    rpc_response_status_code: String,
}

/// Key of a series: what its labels are made of.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Operation {
    /// Side of the request, which decides about the family.
    kind: SpanKind,
    /// Name of the gateway.
    gateway: Box<str>,
    /// Name of the server; empty on the side of callers.
    server: Box<str>,
    /// Method, if the protocol defines it.
    method: Box<str>,
    /// Name of the tool or prompt; empty for other methods.
    name: Box<str>,
    /// Protocol version.
    version: ProtocolVersion,
    /// Transport.
    transport: SpanTransport,
    /// Reason of the failure; empty if there is none.
    error: Box<str>,
    /// JSON-RPC code of the response; 0 for one that the specification does not reserve.
    code: Option<i64>,
}

/// Borrowed key of a series, with the same hash as [`Operation`].
#[derive(Clone, Copy, Debug, Hash)]
struct OperationRef<'a> {
    kind: SpanKind,
    gateway: &'a str,
    server: &'a str,
    method: &'a str,
    name: &'a str,
    version: ProtocolVersion,
    transport: SpanTransport,
    error: &'a str,
    code: Option<i64>,
}

impl OperationMetrics {
    /// Registers the metrics. Their names are those of the documentation, and stay.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            server: Family::new_with_constructor(durations),
            client: Family::new_with_constructor(durations),
            known: RwLock::default(),
        };
        registry.register_with_unit(
            "mcp_server_operation_duration",
            "Duration of requests of callers, from arrival to the end of the response",
            Unit::Seconds,
            metrics.server.clone(),
        );
        registry.register_with_unit(
            "mcp_client_operation_duration",
            "Duration of requests to servers, from sending to the end of the response",
            Unit::Seconds,
            metrics.client.clone(),
        );
        metrics
    }

    /// Counts the request of `span`.
    ///
    /// A name becomes a label if a server lists it, or if the request has succeeded, which proves that it
    /// exists: clients can invent others.
    pub(super) fn observe(&self, span: &Span) {
        let error = span.error_type().unwrap_or_default();
        let code = span.status_code().map(bounded);
        let is_known = span.is_listed || span.outcome == CallOutcome::Success;
        let operation = OperationRef {
            kind: span.kind,
            gateway: &span.gateway,
            server: span.server.as_deref().unwrap_or_default(),
            method: method(&span.method),
            name: match &span.name {
                Some(name) if is_known => name,
                Some(_) => UNLISTED,
                None => "",
            },
            version: span.version,
            transport: span.transport,
            error: match code {
                Some(0) if !error.is_empty() => OTHER_ERROR,
                _ => &error,
            },
            code,
        };
        self.series(operation).observe(span.duration.as_secs_f64());
    }

    /// Returns the series of `operation`. Beyond [`MAX_SERIES`], names share one series.
    ///
    /// A known one needs the read lock only, and no allocation.
    fn series(&self, operation: OperationRef<'_>) -> Histogram {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(&operation) {
            return series.clone();
        }
        let is_full = known.len() >= MAX_SERIES;
        drop(known);
        let operation = match is_full && !operation.name.is_empty() {
            true => OperationRef {
                name: OTHER,
                ..operation
            },
            false => operation,
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let series = known.entry(operation.to_owned());
        series.or_insert_with(|| self.create(operation)).clone()
    }

    /// Creates the series of `operation` in its family.
    fn create(&self, operation: OperationRef<'_>) -> Histogram {
        let named = |method: &str| match operation.method == method {
            true => operation.name.to_owned(),
            false => String::new(),
        };
        let labels = ClientLabels {
            gateway: operation.gateway.to_owned(),
            mcp_server_name: operation.server.to_owned(),
            mcp_method_name: operation.method.to_owned(),
            gen_ai_operation_name: match operation.method == TOOLS_CALL {
                true => "execute_tool",
                false => "",
            },
            gen_ai_tool_name: named(TOOLS_CALL),
            gen_ai_prompt_name: named("prompts/get"),
            mcp_protocol_version: operation.version.as_str(),
            network_transport: operation.transport.as_str(),
            error_type: operation.error.to_owned(),
            rpc_response_status_code: match operation.code {
                Some(0) => OTHER_ERROR.to_owned(),
                Some(code) => code.to_string(),
                None => String::new(),
            },
        };
        match operation.kind {
            SpanKind::Client => self.client.get_or_create_owned(&labels),
            _ => self.server.get_or_create_owned(&labels.into()),
        }
    }
}

impl From<ClientLabels> for ServerLabels {
    fn from(labels: ClientLabels) -> Self {
        Self {
            gateway: labels.gateway,
            mcp_method_name: labels.mcp_method_name,
            gen_ai_operation_name: labels.gen_ai_operation_name,
            gen_ai_tool_name: labels.gen_ai_tool_name,
            gen_ai_prompt_name: labels.gen_ai_prompt_name,
            mcp_protocol_version: labels.mcp_protocol_version,
            network_transport: labels.network_transport,
            error_type: labels.error_type,
            rpc_response_status_code: labels.rpc_response_status_code,
        }
    }
}

impl Equivalent<Operation> for OperationRef<'_> {
    fn equivalent(&self, other: &Operation) -> bool {
        let texts = [
            (self.name, &other.name),
            (self.server, &other.server),
            (self.gateway, &other.gateway),
            (self.method, &other.method),
            (self.error, &other.error),
        ];
        texts.iter().all(|(one, two)| *one == &***two)
            && self.kind == other.kind
            && self.version == other.version
            && self.transport == other.transport
            && self.code == other.code
    }
}

impl OperationRef<'_> {
    fn to_owned(self) -> Operation {
        Operation {
            kind: self.kind,
            gateway: self.gateway.into(),
            server: self.server.into(),
            method: self.method.into(),
            name: self.name.into(),
            version: self.version,
            transport: self.transport,
            error: self.error.into(),
            code: self.code,
        }
    }
}

/// Returns the name of a method of the protocol. Clients can invent others.
fn method(method: &Method) -> &str {
    match method {
        Method::Other(_) => OTHER_ERROR,
        method => method.as_str(),
    }
}

/// Returns `code`, or 0 for a code that is not one of those that the specification reserves: servers can
/// invent others.
fn bounded(code: i64) -> i64 {
    match (-32_768..=-32_000).contains(&code) {
        true => code,
        false => 0,
    }
}

/// Method of calls of tools.
const TOOLS_CALL: &str = "tools/call";

/// Value of the conventions for what is not one of a known set.
const OTHER_ERROR: &str = "_OTHER";

/// Maximum number of series with names.
const MAX_SERIES: usize = 10_000;

/// Buckets of the conventions.
const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
