//! Standard variables of OpenTelemetry.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::{Certificates, Protocol, SettingsError};

/// Variables of the environment.
pub(super) struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// Returns the value of `name`; `None` if it is empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Returns the value of the variable for traces, or otherwise of that for all signals, with its
    /// name.
    pub(super) fn exporter(&self, suffix: &str) -> Option<(String, String)> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"];
        names.iter().find_map(|prefix| {
            let name = format!("{prefix}{suffix}");
            self.get(&name).map(|value| (name, value))
        })
    }

    /// Returns `true` if spans are exported; `is_configured` if a configuration enables it.
    pub(super) fn are_exported(&self, is_configured: bool) -> Result<bool, SettingsError> {
        let is_true = |name| {
            self.get(name)
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let exporter = self.get("OTEL_TRACES_EXPORTER");
        let sampler = self.get("OTEL_TRACES_SAMPLER");
        if is_true("OTEL_SDK_DISABLED") || sampler.as_deref() == Some("always_off") {
            return Ok(false);
        }
        match exporter.as_deref() {
            Some("none") => Ok(false),
            Some("otlp") => Ok(true),
            Some(_) => Err(SettingsError::new(
                "OTEL_TRACES_EXPORTER",
                "only otlp and none are supported",
            )),
            None => Ok(is_configured || self.exporter("ENDPOINT").is_some()),
        }
    }

    /// Returns the protocol.
    pub(super) fn protocol(&self) -> Protocol {
        let Some((variable, protocol)) = self.exporter("PROTOCOL") else {
            return Protocol::default();
        };
        match &*protocol {
            "grpc" => Protocol::Grpc,
            "http/protobuf" => Protocol::HttpProtobuf,
            _ => {
                tracing::warn!(
                    variable,
                    "protocol of traces not supported; http/protobuf is used"
                );
                Protocol::HttpProtobuf
            }
        }
    }

    /// Returns the headers of each message.
    pub(super) fn headers(&self) -> Result<HeaderMap, SettingsError> {
        let mut headers = HeaderMap::new();
        let Some((variable, list)) = self.exporter("HEADERS") else {
            return Ok(headers);
        };
        let invalid = || SettingsError::new(&variable, "expected name=value, separated by commas");
        for (name, value) in pairs(&list).ok_or_else(invalid)? {
            let name = HeaderName::try_from(name).map_err(|_| invalid())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Returns the maximum time for one message.
    pub(super) fn timeout(&self) -> Result<Duration, SettingsError> {
        match self.exporter("TIMEOUT") {
            Some((variable, _)) => self.milliseconds(&variable, TIMEOUT),
            None => Ok(TIMEOUT),
        }
    }

    /// Returns the files with certificates.
    pub(super) fn certificates(&self) -> Result<Certificates, SettingsError> {
        let file = |suffix| self.exporter(suffix).map(|(_, path)| PathBuf::from(path));
        let identity = match (file("CLIENT_CERTIFICATE"), file("CLIENT_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let problem = "certificate and key are required together";
                return Err(SettingsError::new(
                    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                    problem,
                ));
            }
        };
        Ok(Certificates {
            authorities: file("CERTIFICATE"),
            identity,
        })
    }

    /// Returns the share of sampled calls, and the number of those that callers sample.
    pub(super) fn sampler(&self) -> Result<(f64, u32), SettingsError> {
        let sampler = self.get("OTEL_TRACES_SAMPLER");
        let sampler = sampler.as_deref().unwrap_or("parentbased_always_on");
        let (rate, kind) = match sampler.strip_prefix("parentbased_") {
            Some(kind) => (CALLER_RATE, kind),
            None => (0, sampler),
        };
        let ratio = match kind {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio()?,
            _ => {
                let problem =
                    "expected always_on, always_off or traceidratio, also with parentbased_";
                return Err(SettingsError::new("OTEL_TRACES_SAMPLER", problem));
            }
        };
        Ok((ratio, rate))
    }

    fn ratio(&self) -> Result<f64, SettingsError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.get(NAME) else {
            return Ok(1.0);
        };
        let ratio = text
            .parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.ok_or_else(|| SettingsError::new(NAME, "expected a number from 0 to 1"))
    }

    /// Returns a number within `range`.
    pub(super) fn number(
        &self,
        name: &str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, SettingsError> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| SettingsError::new(name, "number out of range"))
    }

    /// Returns a duration, which the variable has in milliseconds: up to one hour.
    pub(super) fn milliseconds(
        &self,
        name: &str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        let default = usize::try_from(default.as_millis()).unwrap_or(usize::MAX);
        let number = self.number(name, default, 1..=3_600_000)?;
        Ok(Duration::from_millis(number as u64))
    }

    /// Logs the variables that have no effect.
    pub(super) fn report_unsupported(&self) {
        let compression = self.exporter("COMPRESSION");
        if let Some((variable, _)) = compression.filter(|(_, value)| value != "none") {
            tracing::warn!(
                variable,
                "compression of traces not supported; they are sent as they are"
            );
        }
    }
}

/// Parses a list of `name=value`, with values that are percent-encoded.
pub(super) fn pairs(list: &str) -> Option<Vec<(&str, String)>> {
    let members = list.split(',').map(str::trim);
    let members = members.filter(|member| !member.is_empty());
    let pairs = members.map(|member| {
        let (name, value) = member.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name, value.into_owned()))
    });
    pairs.collect()
}

/// Default maximum time for one message.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Default number of calls a second that are sampled because their callers sample them.
const CALLER_RATE: u32 = 10;
