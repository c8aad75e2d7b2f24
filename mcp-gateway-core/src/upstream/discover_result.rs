//! Discover result: the self-description of a server, from either era.
//!
//! Legacy servers describe themselves in the result of `initialize`, modern ones in that of
//! `server/discover`. Both become one type, so that the rest of the gateway does not distinguish
//! them.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::UpstreamError;
use crate::protocol::{Method, ProtocolVersion, meta};

/// Self-description of a server, from its response to `server/discover` or `initialize`.
///
/// See [MCP 2025-11-25,
/// lifecycle](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle) and [MCP
/// 2026-07-28,
/// versioning](https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#terminology).
///
/// # Example
///
/// ```
/// use mcp_gateway_core::protocol::{Method, ProtocolVersion};
/// use mcp_gateway_core::upstream::DiscoverResult;
///
/// let info = DiscoverResult::from_initialize(
///     r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}"#,
/// )?;
/// assert_eq!(info.version, ProtocolVersion::V2025_06_18);
/// assert!(info.supports(&Method::ToolsCall));
/// assert!(!info.supports(&Method::PromptsList));
/// assert!(info.declares("tools", "listChanged"));
/// # Ok::<_, mcp_gateway_core::upstream::UpstreamError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoverResult {
    /// Negotiated protocol version.
    pub version: ProtocolVersion,
    /// Capabilities: a `ServerCapabilities` object, or `null` if the server declares none.
    pub capabilities: Value,
    /// JSON text of the server's `Implementation`: its name, its version and members that the
    /// gateway does not interpret.
    pub server_info: Option<String>,
    /// Instructions for the model, in natural language.
    pub instructions: Option<String>,
    /// Members of `_meta` whose keys the protocol does not reserve.
    pub meta: Map<String, Value>,
}

impl DiscoverResult {
    /// Parses the result of `server/discover`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if `result` is not a `DiscoverResult`.
    pub fn from_discover(result: &str) -> Result<Self, UpstreamError> {
        let discovered: RawDiscoverResult<'_> =
            serde_json::from_str(result).map_err(UpstreamError::invalid)?;
        match discovered.supported_versions {
            Some(_) => Ok(discovered.into_result()),
            None => Err(UpstreamError::invalid("missing field `supportedVersions`")),
        }
    }

    /// Parses a result of `server/discover` that may lack `supportedVersions`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if `result` has no capabilities.
    pub(super) fn from_incomplete(result: &str) -> Result<Self, UpstreamError> {
        let discovered: RawDiscoverResult<'_> =
            serde_json::from_str(result).map_err(UpstreamError::invalid)?;
        match discovered.capabilities.is_object() {
            true => Ok(discovered.into_result()),
            false => Err(UpstreamError::invalid(
                "discover result without capabilities",
            )),
        }
    }

    /// Parses the result of `initialize`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if `result` is not an `InitializeResult`, or names an unknown
    /// protocol version or one without `initialize`.
    pub fn from_initialize(result: &str) -> Result<Self, UpstreamError> {
        let initialized: RawInitializeResult<'_> =
            serde_json::from_str(result).map_err(UpstreamError::invalid)?;
        let version = initialized.protocol_version;
        let version = ProtocolVersion::parse(&version)
            .filter(|known| *known <= ProtocolVersion::LATEST_LEGACY)
            .ok_or_else(|| {
                UpstreamError::invalid(format_args!("unsupported protocol version {version:?}"))
            })?;
        Ok(Self {
            version,
            capabilities: initialized.capabilities,
            server_info: initialized.server_info.map(|info| info.get().to_owned()),
            instructions: initialized.instructions,
            meta: unreserved(initialized.meta),
        })
    }

    /// Returns the JSON text of an equivalent `DiscoverResult`.
    ///
    /// It must not be cached: its lifetime is 0 and its scope private, because another caller may
    /// see another server.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut result = serde_json::json!({
            "resultType": "complete",
            "supportedVersions": [self.version.as_str()],
            "capabilities": self.capabilities,
            "ttlMs": 0,
            "cacheScope": "private",
        });
        if let Some(instructions) = &self.instructions {
            result["instructions"] = Value::from(instructions.as_str());
        }
        let mut members = self.meta.clone();
        let info = self.server_info.as_ref();
        if let Some(info) = info.and_then(|info| serde_json::from_str(info).ok()) {
            members.insert(meta::SERVER_INFO.to_owned(), info);
        }
        if !members.is_empty() {
            result["_meta"] = Value::Object(members);
        }
        result.to_string()
    }

    /// Returns `true` if the server declares the capability that `method` requires.
    ///
    /// Methods that require none, such as `ping`, are supported by every server.
    #[must_use]
    pub fn supports(&self, method: &Method) -> bool {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "other methods require no capability"
        )]
        let capability = match method {
            Method::CompletionComplete => "completions",
            Method::LoggingSetLevel => "logging",
            Method::PromptsGet | Method::PromptsList => "prompts",
            Method::ResourcesList
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesTemplatesList
            | Method::ResourcesUnsubscribe => "resources",
            Method::ToolsCall | Method::ToolsList => "tools",
            _ => return true,
        };
        self.capabilities
            .get(capability)
            .is_some_and(Value::is_object)
    }

    /// Returns `true` if the server declares `feature` of `capability`, such as `listChanged` of
    /// `tools`.
    #[must_use]
    pub fn declares(&self, capability: &str, feature: &str) -> bool {
        self.capabilities[capability][feature] == Value::Bool(true)
    }
}

/// JSON shape of a `DiscoverResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDiscoverResult<'a> {
    #[serde(default)]
    capabilities: Value,
    instructions: Option<String>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    /// Location in drafts of MCP 2026-07-28.
    #[serde(borrow)]
    server_info: Option<&'a RawValue>,
    supported_versions: Option<Vec<String>>,
}

impl RawDiscoverResult<'_> {
    /// Converts the shape into the result.
    fn into_result(self) -> DiscoverResult {
        let raw = |value: Option<&RawValue>| value.map(|value| value.get().to_owned());
        let meta = self.meta.map_or("{}", RawValue::get);
        let reserved: RawMeta<'_> = serde_json::from_str(meta).unwrap_or_default();
        DiscoverResult {
            version: ProtocolVersion::V2026_07_28,
            capabilities: self.capabilities,
            server_info: raw(reserved.server_info.or(self.server_info)),
            instructions: self.instructions,
            meta: unreserved(self.meta),
        }
    }
}

/// Returns the members of `_meta` whose keys the protocol does not reserve; none if it is invalid.
fn unreserved(meta: Option<&RawValue>) -> Map<String, Value> {
    let parsed = meta.and_then(|meta| serde_json::from_str(meta.get()).ok());
    let mut members: Map<_, _> = parsed.unwrap_or_default();
    members.retain(|key, _| !key.starts_with(meta::RESERVED_PREFIX));
    members
}

/// JSON shape of the reserved members of its `_meta`.
#[derive(Default, Deserialize)]
struct RawMeta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<&'a RawValue>,
}

/// JSON shape of an `InitializeResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInitializeResult<'a> {
    #[serde(default)]
    capabilities: Value,
    instructions: Option<String>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    protocol_version: String,
    #[serde(borrow)]
    server_info: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_eras_say_the_same() {
        let initialized = DiscoverResult::from_initialize(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},
                "serverInfo":{"name":"s","version":"1","vendor":1},"instructions":"be kind",
                "_meta":{"vendor":[1],"io.modelcontextprotocol/protocolVersion":"forged"}}"#,
        )
        .unwrap();
        assert_eq!(initialized.version, ProtocolVersion::V2025_06_18);
        let discovered = DiscoverResult::from_discover(&initialized.to_json()).unwrap();
        assert_eq!(discovered.capabilities, initialized.capabilities);
        assert_eq!(discovered.instructions.as_deref(), Some("be kind"));
        assert!(discovered.server_info.unwrap().contains("vendor"));
        let meta = serde_json::json!({ "vendor": [1] });
        assert_eq!(Value::Object(discovered.meta), meta);
        assert_eq!(Value::Object(initialized.meta.clone()), meta);
        assert!(
            initialized.supports(&Method::ToolsCall) && !initialized.supports(&Method::PromptsGet)
        );
        assert!(initialized.supports(&Method::Ping));
        assert!(
            initialized.declares("tools", "listChanged") && !initialized.declares("prompts", "x")
        );
    }

    #[test]
    fn an_invalid_meta_is_ignored() {
        for meta in ["null", "1", "[]"] {
            let text = format!(r#"{{"protocolVersion":"2025-06-18","_meta":{meta}}}"#);
            let info = DiscoverResult::from_initialize(&text).unwrap();
            assert!(info.meta.is_empty(), "{meta}");
            let text = format!(r#"{{"supportedVersions":[],"_meta":{meta}}}"#);
            let info = DiscoverResult::from_discover(&text).unwrap();
            assert!(info.meta.is_empty() && info.server_info.is_none(), "{meta}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for result in [
            "{}",
            "[]",
            r#"{"protocolVersion":"2026-07-28"}"#,
            r#"{"protocolVersion":1}"#,
        ] {
            assert!(DiscoverResult::from_initialize(result).is_err(), "{result}");
        }
        for result in ["{}", "1", r#"{"capabilities":{}}"#] {
            assert!(DiscoverResult::from_discover(result).is_err(), "{result}");
        }
    }
}
