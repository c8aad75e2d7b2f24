//! URL of the collector.

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use super::variables::Variables;
use super::{Protocol, SettingsError};

/// Returns the URL to which messages are sent.
///
/// | source | HTTP | gRPC |
/// |---|---|---|
/// | configuration, `OTEL_EXPORTER_OTLP_ENDPOINT` | `/v1/traces` is appended | host and port |
/// | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | as it is | host and port |
/// | none | `http://localhost:4318/v1/traces` | `http://localhost:4317` |
pub(super) fn resolve(
    configured: Option<&Uri>,
    protocol: Protocol,
    variables: &Variables<'_>,
) -> Result<Uri, SettingsError> {
    let (variable, base, is_base) = match (configured, variables.exporter("ENDPOINT")) {
        (Some(uri), _) => ("endpoint".to_owned(), uri.to_string(), true),
        (None, Some((variable, text))) => {
            let is_base = !variable.contains("TRACES");
            (variable, text, is_base)
        }
        (None, None) => {
            let port = match protocol {
                Protocol::Grpc => 4317,
                Protocol::HttpProtobuf => 4318,
            };
            (
                "default".to_owned(),
                format!("http://localhost:{port}"),
                true,
            )
        }
    };
    let base = match (protocol, base.contains("://")) {
        (Protocol::Grpc, false) => format!("{}://{base}", scheme(variables)),
        _ => base,
    };
    let invalid = || SettingsError::new(&variable, "expected an http or https URL");
    let uri: Uri = base.parse().map_err(|_| invalid())?;
    let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
    if !is_http || uri.authority().is_none_or(|it| it.as_str().contains('@')) {
        return Err(invalid());
    }
    let path = match (protocol, is_base) {
        (Protocol::Grpc, _) => GRPC_PATH.to_owned(),
        (Protocol::HttpProtobuf, true) => format!("{}/v1/traces", uri.path().trim_end_matches('/')),
        (Protocol::HttpProtobuf, false) => return Ok(uri),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| invalid())?);
    Uri::from_parts(parts).map_err(|_| invalid())
}

/// Returns the scheme of an address without one.
fn scheme(variables: &Variables<'_>) -> &'static str {
    let insecure = variables.exporter("INSECURE");
    match insecure.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
        true => "http",
        false => "https",
    }
}

/// Path of the method of gRPC that receives spans.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
