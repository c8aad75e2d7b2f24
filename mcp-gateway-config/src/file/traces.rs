//! Section `traces`: export of the spans of calls.
//!
//! | Key | Type |
//! |---|---|
//! | `endpoint` | URL of a collector, without the path of the protocol |
//! | `protocol` | `http/protobuf` or `grpc` |
//! | `headers` | map of header names to secrets |
//! | `ratio` | share of the calls that are sampled, from 0 to 1 |
//! | `fromCallers` | number of calls a second that are sampled because their callers sample them |
//! | `content` | size: longest text of arguments and results in spans |

use http::{HeaderName, HeaderValue};
use mcp_gateway_platform::spec::Secret;
use url::Url;

use super::network::web_url;
use super::remote::read_value;
use crate::document::{Bytes, Field, FromField};

/// Export of the spans of calls. Settings that are absent are those of the standard variables `OTEL_*`.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::parse;
///
/// let config = parse("traces: { endpoint: \"http://127.0.0.1:4318\", ratio: 0.1 }\n").unwrap();
/// let traces = config.serving.traces.unwrap();
/// assert_eq!(traces.ratio, Some(0.1));
/// assert!(parse("traces: { ratio: 2 }\n").is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Traces {
    /// URL of the collector, without the path of the protocol.
    pub endpoint: Option<Url>,
    /// Protocol of the export.
    pub protocol: Option<TraceProtocol>,
    /// Headers of each message to the collector.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Share of the calls that are sampled.
    pub ratio: Option<f64>,
    /// Number of calls a second that are sampled because their callers sample them.
    pub from_callers: Option<u32>,
    /// Longest text of arguments and results in spans, in bytes; none without it.
    pub content: Option<usize>,
}

/// Protocol of the export of spans.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TraceProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl FromField for Traces {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let traces = Self {
            endpoint: table.get_with("endpoint", |field| field.parse("a URL", web_url)),
            protocol: table.get("protocol"),
            headers: table.get_with("headers", headers).unwrap_or_default(),
            ratio: table.get_with("ratio", |field| field.parse("a share", share)),
            from_callers: table.get_with("fromCallers", |field| field.parse("a number", number)),
            content: table.get_with("content", content),
        };
        table.finish();
        Some(traces)
    }
}

impl FromField for TraceProtocol {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.choice(&[("http/protobuf", Self::HttpProtobuf), ("grpc", Self::Grpc)])
    }
}

/// Reads the headers of each message. All of their values are secrets.
fn headers(field: &Field<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = Vec::new();
    for (name, field) in field.entries()? {
        let Ok(name) = HeaderName::try_from(name) else {
            field.error("not a valid header name");
            continue;
        };
        let value = field.read::<Secret>();
        if let Some(value) = value.and_then(|value| read_value(value.expose(), &field)) {
            headers.push((name, value));
        }
    }
    Some(headers)
}

/// Reads the longest text of arguments and results: up to 64 KiB, because many spans wait for a
/// collector that is gone.
fn content(field: &Field<'_>) -> Option<usize> {
    let Bytes(size) = field.read()?;
    if size > MAX_CONTENT {
        field.error("at most 64KiB");
        return None;
    }
    Some(size)
}

/// Parses a share of calls.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Parses a number of calls a second.
fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= 10_000);
    number.ok_or_else(|| "expected a number from 0 to 10000".to_owned())
}

/// Maximum length of arguments and results in spans, in bytes.
const MAX_CONTENT: usize = 64 * 1024;
