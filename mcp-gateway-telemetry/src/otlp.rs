//! Encoding of spans as OTLP messages, with the attributes of the MCP semantic conventions.
//!
//! They are in development: this is `model/mcp` of
//! [semantic-conventions-genai](https://github.com/open-telemetry/semantic-conventions-genai), as of
//! version 0.1.0 and autumn 2026. Attributes of the gateway's own begin with `mcp_gateway`.

mod attributes;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mcp_gateway_core::trace::{Span, SpanKind, TraceContext};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind as OtlpKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use prost::Message as _;

use self::attributes::{attributes, text};

/// Encoder of the spans of one process.
#[derive(Debug)]
pub(crate) struct Encoder(Resource);

impl Encoder {
    /// Creates an encoder for a process with the attributes `resource`.
    pub(crate) fn new(resource: Vec<(String, String)>) -> Self {
        let attributes = resource.into_iter().map(|(key, value)| text(key, value));
        Self(Resource {
            attributes: attributes.collect(),
            ..Resource::default()
        })
    }

    /// Returns the message with `spans`.
    pub(crate) fn encode(&self, spans: &[Span]) -> Bytes {
        let scope = InstrumentationScope {
            name: "mcp-gateway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = spans.iter().filter_map(span).collect();
        let message = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.0.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope),
                    spans,
                    schema_url: String::new(),
                }],
                schema_url: String::new(),
            }],
        };
        message.encode_to_vec().into()
    }
}

/// Returns the number of spans that the collector has rejected. A response that cannot be read rejects
/// none.
pub(crate) fn rejected(response: &[u8]) -> usize {
    let response = ExportTraceServiceResponse::decode(response).unwrap_or_default();
    let rejected = response.partial_success.map_or(0, |it| it.rejected_spans);
    usize::try_from(rejected).unwrap_or(0)
}

/// Returns `span` in the form of the protocol; `None` without identifiers.
fn span(span: &Span) -> Option<OtlpSpan> {
    let context = span.context.as_ref()?;
    let parent = span.parent.map(|parent| parent.bytes().to_vec());
    let status = span.is_error().then(|| Status {
        code: StatusCode::Error.into(),
        ..Status::default()
    });
    Some(OtlpSpan {
        trace_id: context.trace_id().bytes().to_vec(),
        span_id: context.span_id().bytes().to_vec(),
        trace_state: context.state().unwrap_or_default().to_owned(),
        parent_span_id: parent.unwrap_or_default(),
        flags: flags(context),
        name: span.title(),
        kind: match span.kind {
            SpanKind::Client => OtlpKind::Client.into(),
            _ => OtlpKind::Server.into(),
        },
        start_time_unix_nano: nanoseconds(span.started),
        end_time_unix_nano: nanoseconds(span.started + span.duration),
        attributes: attributes(span),
        links: span.link.iter().map(link).collect(),
        status,
        ..OtlpSpan::default()
    })
}

/// Returns the link to the span with `context`.
fn link(context: &TraceContext) -> Link {
    Link {
        trace_id: context.trace_id().bytes().to_vec(),
        span_id: context.span_id().bytes().to_vec(),
        trace_state: context.state().unwrap_or_default().to_owned(),
        flags: flags(context),
        ..Link::default()
    }
}

fn flags(context: &TraceContext) -> u32 {
    u32::from(context.is_sampled())
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX)
}
