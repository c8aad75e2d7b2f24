//! Requests of the modern era, each of which carries its context in headers and in `_meta`.
//!
//! See [MCP 2026-07-28, request
//! metadata](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use super::Compatibility;
use crate::error::{RequestError, RouteError};
use crate::jsonrpc::{Notification, Request};
use crate::protocol::{
    Capabilities, Era, Method, ProtocolVersion,
    header::{self, MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION, MCP_SESSION_ID},
    meta,
};
use crate::{ClientInfo, Error};

/// Protocol version in the `MCP-Protocol-Version` header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HeaderVersion {
    Known(ProtocolVersion),
    Missing,
    Unknown(String),
}

impl HeaderVersion {
    /// Parses the header.
    pub(super) fn from_headers(headers: &HeaderMap, accepted: Compatibility) -> Self {
        match Self::parse(headers) {
            Self::Known(version)
                if accepted.version_header
                    && version.era() == Era::Modern
                    && headers.contains_key(MCP_SESSION_ID) =>
            {
                Self::Missing
            }
            version => version,
        }
    }

    fn parse(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(MCP_PROTOCOL_VERSION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            (Some(_), Some(_)) => Self::Unknown("several".to_owned()),
            (Some(value), None) => {
                let known = value.to_str().ok().map(str::trim);
                match known.and_then(ProtocolVersion::parse) {
                    Some(version) => Self::Known(version),
                    None => {
                        let text = String::from_utf8_lossy(value.as_bytes());
                        Self::Unknown(text.trim().to_owned())
                    }
                }
            }
        }
    }

    /// Returns the era of the protocol version, if it is a supported one.
    pub(super) fn era(&self) -> Option<Era> {
        match self {
            Self::Known(version) => Some(version.era()),
            Self::Missing | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for HeaderVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(version) => write!(f, "{:?}", version.as_str()),
            Self::Missing => f.write_str("missing"),
            Self::Unknown(text) => write!(f, "{text:?}"),
        }
    }
}

/// Validates an HTTP request as the specification requires, and returns the client that it
/// declares.
pub(super) fn validate(
    parts: &Parts,
    version: &HeaderVersion,
    request: &Request,
    accepted: Compatibility,
) -> Result<ClientInfo, Error> {
    let requested = match (version_in_body(request), version) {
        // A request of an unsupported revision need not have a version in its body.
        (Err(_), HeaderVersion::Unknown(requested)) => {
            let requested = requested.clone();
            return Err(RequestError::UnsupportedProtocolVersion { requested }.into());
        }
        (requested, _) => requested?,
    };
    let ignored = accepted.version_header && !matches!(version, HeaderVersion::Unknown(_));
    if !ignored {
        version_in_header(version, &requested)?;
    }
    let client = check_body(request);
    // An unknown method takes precedence over mismatched headers.
    if matches!(client, Ok(_) | Err(Error::Route(_))) {
        check_mirrored_headers(&parts.headers, request, !accepted.version_header)?;
    }
    client
}

/// Validates a notification, and returns the client that it declares.
///
/// The specification requires neither headers nor a context. Without a protocol version in the body
/// that of the header applies; what both name must agree.
pub(super) fn check_notification(
    version: &HeaderVersion,
    notification: &Notification,
    accepted: Compatibility,
) -> Result<ClientInfo, Error> {
    let in_body = notification.meta(meta::PROTOCOL_VERSION);
    let requested = match (in_body.and_then(crate::json::string), version) {
        (Some(in_body), HeaderVersion::Missing) => in_body,
        (Some(in_body), HeaderVersion::Known(_)) if accepted.version_header => in_body,
        (Some(in_body), header) => {
            version_in_header(header, &in_body)?;
            in_body
        }
        (None, HeaderVersion::Known(version)) => version.as_str().into(),
        (None, HeaderVersion::Unknown(text)) => text.as_str().into(),
        (None, HeaderVersion::Missing) => {
            return Err(const { missing_header(meta::PROTOCOL_VERSION) }.into());
        }
    };
    let version = supported(requested)?;
    let declared = notification.meta(meta::CLIENT_CAPABILITIES).unwrap_or("{}");
    let info = notification.meta(meta::CLIENT_INFO).map(Into::into);
    Ok(ClientInfo::new(version, parse_capabilities(declared)?).with_info(info))
}

/// Validates the body of a request, and returns the client that it declares.
pub(super) fn check_body(request: &Request) -> Result<ClientInfo, Error> {
    let version = supported(version_in_body(request)?)?;
    let capabilities = request
        .meta(meta::CLIENT_CAPABILITIES)
        .ok_or(const { missing_header(meta::CLIENT_CAPABILITIES) })?;
    let capabilities = parse_capabilities(capabilities)?;
    if let Some(level) = request.meta(meta::LOG_LEVEL) {
        check_level(level)?;
    }
    if request.method().is_removed() {
        let method = request.method().as_str().into();
        return Err(RouteError::UnknownMethod { method }.into());
    }
    let info = request.meta(meta::CLIENT_INFO).map(Into::into);
    let client = ClientInfo::new(version, capabilities).with_info(info);
    Ok(client.with_conversation(conversation(request)))
}

/// Returns the conversation that `request` names. A longer name than [`MAX_CONVERSATION`] is none.
fn conversation(request: &Request) -> Option<Arc<str>> {
    let named = request.meta(meta::CONVERSATION);
    let named = named.or_else(|| request.meta(meta::CONVERSATION_OF_OPENAI))?;
    let name = crate::json::string(named)?;
    (1..=MAX_CONVERSATION)
        .contains(&name.len())
        .then(|| name.into())
}

/// Returns the protocol version with the name `requested`, if it is a supported one of the modern
/// era.
fn supported(requested: Cow<'_, str>) -> Result<ProtocolVersion, RequestError> {
    let version = ProtocolVersion::parse(&requested).filter(|it| it.era() == Era::Modern);
    version.ok_or_else(|| RequestError::UnsupportedProtocolVersion {
        requested: requested.into_owned(),
    })
}

/// Parses the capabilities that a client declares.
fn parse_capabilities(declared: &str) -> Result<Capabilities, RequestError> {
    Capabilities::parse(declared).ok_or(RequestError::InvalidMeta {
        key: meta::CLIENT_CAPABILITIES,
        detail: "must be an object of up to 4096 bytes",
    })
}

/// Returns the error for a missing member of `_meta`.
const fn missing_header(key: &'static str) -> RequestError {
    RequestError::InvalidMeta {
        key,
        detail: "is missing",
    }
}

/// Returns the protocol version in the body.
fn version_in_body(request: &Request) -> Result<Cow<'_, str>, RequestError> {
    let version = request
        .meta(meta::PROTOCOL_VERSION)
        .and_then(crate::json::string);
    version.ok_or(const { missing_header(meta::PROTOCOL_VERSION) })
}

/// Validates that the header names the protocol version of the body.
fn version_in_header(version: &HeaderVersion, in_body: &str) -> Result<(), RequestError> {
    let detail = match version {
        HeaderVersion::Known(version) if version.as_str() == in_body => return Ok(()),
        HeaderVersion::Unknown(text) if text == in_body => return Ok(()),
        HeaderVersion::Missing => "MCP-Protocol-Version is missing".into(),
        other => format!("MCP-Protocol-Version is {other}, but the body says {in_body:?}").into(),
    };
    Err(RequestError::HeaderMismatch { detail })
}

/// Validates a log level.
pub(super) fn check_level(level: &str) -> Result<(), RequestError> {
    let known = crate::json::string(level).is_some_and(|level| LEVELS.contains(&&*level));
    match known {
        true => Ok(()),
        false => Err(RequestError::InvalidParams {
            detail: format!("{level} is not a log level").into(),
        }),
    }
}

/// Validates the headers that mirror parts of the body; they may be absent unless `required`.
fn check_mirrored_headers(
    headers: &HeaderMap,
    request: &Request,
    required: bool,
) -> Result<(), RequestError> {
    let method = request.method();
    let agree = |name: &http::HeaderName, body: &str, required: bool| {
        let mut values = headers.get_all(name).iter();
        let header = match (values.next(), values.next()) {
            (None, _) if required => return Err(format!("{name} is missing")),
            (None, _) => return Ok(()),
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Err(format!("duplicate {name}")),
        };
        match header::decode(header) {
            Some(text) if text == body => Ok(()),
            Some(text) => Err(format!("{name} is {text:?}, but the body says {body:?}")),
            None => Err(format!("{name} cannot be decoded")),
        }
    };
    let checked = agree(&MCP_METHOD, method.as_str(), required).and_then(|()| {
        let Some(name) = request.name() else {
            return Ok(());
        };
        let required = required
            && matches!(
                method,
                Method::PromptsGet | Method::ResourcesRead | Method::ToolsCall
            );
        agree(&MCP_NAME, &name, required)
    });
    checked.map_err(|detail| RequestError::HeaderMismatch {
        detail: detail.into(),
    })
}

/// Maximum length of the name of a conversation, in bytes.
const MAX_CONVERSATION: usize = 256;

/// Log levels of the specification, which are those of RFC 5424.
const LEVELS: [&str; 8] = [
    "alert",
    "critical",
    "debug",
    "emergency",
    "error",
    "info",
    "notice",
    "warning",
];
