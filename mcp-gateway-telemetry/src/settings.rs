//! Settings of the export, from a configuration and the standard variables.
//!
//! A value of the configuration takes precedence over the variable. Variables that are empty count as
//! absent. Spans are exported if there is a configuration, or an endpoint or `otlp` in the variables;
//! `OTEL_SDK_DISABLED=true`, `OTEL_TRACES_EXPORTER=none` and `OTEL_TRACES_SAMPLER=always_off` disable
//! the export in any case.

mod endpoint;
mod resource;
mod variables;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, Uri};

use self::variables::Variables;

/// Settings of the export of traces.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// URL to which messages are sent.
    pub(crate) endpoint: Uri,
    pub(crate) protocol: Protocol,
    pub(crate) headers: HeaderMap,
    /// Maximum time for one message.
    pub(crate) timeout: Duration,
    pub(crate) certificates: Certificates,
    /// Attributes of the process.
    pub(crate) resource: Vec<(String, String)>,
    /// Share of the calls that are sampled.
    pub(crate) ratio: f64,
    /// Number of calls a second that are sampled because their callers sample them.
    pub(crate) caller_rate: u32,
    pub(crate) content_limit: Option<usize>,
    /// Maximum number of waiting spans.
    pub(crate) max_queue: usize,
    /// Maximum number of spans in a message.
    pub(crate) max_batch: usize,
    /// Time to wait for a full message.
    pub(crate) delay: Duration,
}

/// Protocol of the export.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    #[default]
    HttpProtobuf,
}

/// Files with certificates and keys, in the PEM format.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Certificates {
    /// Certificate authorities of the collector; those of the system if `None`.
    pub(crate) authorities: Option<PathBuf>,
    /// Certificate and key of the gateway.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// Settings of a configuration. Those that are `None` are read from the variables.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Configured {
    /// `true` if the configuration enables the export.
    pub is_enabled: bool,
    /// URL of the collector, without the path of the protocol.
    pub endpoint: Option<Uri>,
    /// Protocol of the export.
    pub protocol: Option<Protocol>,
    /// Headers of each message, in addition to those of the variables.
    pub headers: HeaderMap,
    /// Share of the calls that are sampled, from 0 to 1.
    pub ratio: Option<f64>,
    /// Number of calls a second that are sampled because their callers sample them.
    pub caller_rate: Option<u32>,
    /// Longest text of arguments and results in spans; `None` without any.
    pub content_limit: Option<usize>,
}

/// Invalid value of a variable.
#[derive(Debug, thiserror::Error)]
#[error("invalid {variable}: {problem}")]
pub struct SettingsError {
    /// Name of the variable.
    variable: String,
    /// Description of the defect, without the value.
    problem: &'static str,
}

impl Settings {
    /// Reads the settings of `configured`, and of the variables that `lookup` finds.
    ///
    /// Returns `None` if spans are not exported. Values that are not supported, but harmless, are
    /// logged.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a variable is invalid.
    pub fn read(
        configured: &Configured,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let variables = Variables::new(&lookup);
        if !variables.are_exported(configured.is_enabled)? {
            return Ok(None);
        }
        let protocol = match configured.protocol {
            Some(protocol) => protocol,
            None => variables.protocol(),
        };
        let mut headers = variables.headers()?;
        for (name, value) in &configured.headers {
            headers.insert(name, value.clone());
        }
        variables.report_unsupported();
        let (ratio, caller_rate) = variables.sampler()?;
        let max_queue = variables.number("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUE, 1..=65_536)?;
        let max_batch = variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MAX_BATCH, 1..=8_192)?;
        Ok(Some(Self {
            endpoint: endpoint::resolve(configured.endpoint.as_ref(), protocol, &variables)?,
            protocol,
            headers,
            timeout: variables.timeout()?,
            certificates: variables.certificates()?,
            resource: resource::read(&variables)?,
            ratio: configured.ratio.unwrap_or(ratio),
            caller_rate: configured.caller_rate.unwrap_or(caller_rate),
            content_limit: configured.content_limit,
            max_queue,
            max_batch,
            delay: variables.milliseconds("OTEL_BSP_SCHEDULE_DELAY", DELAY)?,
        }))
    }

    /// Returns the URL to which messages are sent.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// Returns the protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the share of the calls that are sampled.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ratio
    }
}

impl SettingsError {
    fn new(variable: &str, problem: &'static str) -> Self {
        Self {
            variable: variable.to_owned(),
            problem,
        }
    }
}

/// Without the headers, which contain credentials.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("protocol", &self.protocol)
            .field("ratio", &self.ratio)
            .field("caller_rate", &self.caller_rate)
            .finish_non_exhaustive()
    }
}

/// Without the headers, which contain credentials.
impl std::fmt::Debug for Configured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configured")
            .field("is_enabled", &self.is_enabled)
            .finish_non_exhaustive()
    }
}

/// Default maximum number of waiting spans, about 2 MB.
const MAX_QUEUE: usize = 2_048;

/// Default maximum number of spans in a message.
const MAX_BATCH: usize = 512;

/// Default time to wait for a full message.
const DELAY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
