//! Traces of an MCP gateway: sampling, and export over OTLP.
//!
//! A [`TraceRecorder`] is the [`SpanObserver`](mcp_gateway_core::trace::SpanObserver) of a gateway. It
//! decides which calls are sampled, and queues their spans. A task sends them to a collector by the
//! OpenTelemetry protocol, over HTTP or gRPC.
//!
//! Nothing on the path of a call waits for the collector. The queue is bounded: what does not fit is
//! dropped and counted. Spans are encoded by the task, so that calls do not pay for it.
//!
//! [`Settings`] are read from the standard variables `OTEL_*` and from a configuration, which takes
//! precedence.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_telemetry::{Configured, Settings, TraceRecorder};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let variables = |name: &str| match name {
//!     "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:4318".to_owned()),
//!     _ => None,
//! };
//! let settings = Settings::read(&Configured::default(), variables)?.unwrap();
//! assert_eq!(settings.endpoint(), "http://127.0.0.1:4318/v1/traces");
//! let recorder = TraceRecorder::start(settings)?;
//! recorder.close().await;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod collector;
mod exporter;
mod otlp;
mod queue;
mod recorder;
mod sampler;
mod settings;
mod start_error;

pub use self::recorder::TraceRecorder;
pub use self::settings::{Configured, Protocol, Settings, SettingsError};
pub use self::start_error::StartError;
