use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::UpstreamError;
use crate::protocol::{Method, Version};

/// What a server said about itself, in answer to `server/discover` or `initialize`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// The revision that is spoken with it.
    pub version: Version,
    /// Its capabilities.
    pub capabilities: Value,
    /// The JSON text of its name and version.
    pub server_info: Option<String>,
    /// How it wants to be used.
    pub instructions: Option<String>,
}

impl Facts {
    /// Reads the result of `server/discover`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] when it is not one.
    pub fn from_discover(result: &str) -> Result<Self, UpstreamError> {
        let discovered: Discovered<'_> =
            serde_json::from_str(result).map_err(UpstreamError::invalid)?;
        let raw = |value: Option<&RawValue>| value.map(|value| value.get().to_owned());
        Ok(Self {
            version: Version::V2026_07_28,
            capabilities: discovered.capabilities,
            server_info: raw(discovered.meta.server_info.or(discovered.server_info)),
            instructions: discovered.instructions,
        })
    }

    /// Reads the result of `initialize`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] when it is not one, or names a revision without `initialize`.
    pub fn from_initialize(result: &str) -> Result<Self, UpstreamError> {
        let initialized: Initialized<'_> =
            serde_json::from_str(result).map_err(UpstreamError::invalid)?;
        let version = initialized.protocol_version;
        let version = Version::parse(&version)
            .filter(|known| *known <= Version::LATEST_LEGACY)
            .ok_or_else(|| UpstreamError::invalid(format_args!("unknown revision {version:?}")))?;
        Ok(Self {
            version,
            capabilities: initialized.capabilities,
            server_info: initialized.server_info.map(|info| info.get().to_owned()),
            instructions: initialized.instructions,
        })
    }

    /// The JSON text of a result of `server/discover` that says the same.
    #[must_use]
    pub fn to_discover(&self) -> String {
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
        if let Some(info) = self
            .server_info
            .as_ref()
            .and_then(|info| serde_json::from_str(info).ok())
        {
            result["_meta"] = Value::Object(serde_json::Map::from_iter([(
                crate::protocol::meta::SERVER_INFO.to_owned(),
                info,
            )]));
        }
        result.to_string()
    }

    /// Whether the server declares the capability that `method` belongs to.
    #[must_use]
    pub fn supports(&self, method: &Method) -> bool {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others need no capability"
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

    /// Whether the server declares `feature` of `capability`, such as `listChanged` of `tools`.
    #[must_use]
    pub fn has(&self, capability: &str, feature: &str) -> bool {
        self.capabilities[capability][feature] == Value::Bool(true)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovered<'a> {
    #[serde(default)]
    capabilities: Value,
    instructions: Option<String>,
    #[serde(borrow, default, rename = "_meta")]
    meta: DiscoveredMeta<'a>,
    /// Where drafts of the revision had it.
    #[serde(borrow)]
    server_info: Option<&'a RawValue>,
    #[expect(
        dead_code,
        reason = "what has no versions is no answer to server/discover"
    )]
    supported_versions: Vec<String>,
}

#[derive(Default, Deserialize)]
struct DiscoveredMeta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized<'a> {
    #[serde(default)]
    capabilities: Value,
    instructions: Option<String>,
    protocol_version: String,
    #[serde(borrow)]
    server_info: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_eras_say_the_same() {
        let initialized = Facts::from_initialize(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},
                "serverInfo":{"name":"s","version":"1","vendor":1},"instructions":"be kind"}"#,
        )
        .unwrap();
        assert_eq!(initialized.version, Version::V2025_06_18);
        let discovered = Facts::from_discover(&initialized.to_discover()).unwrap();
        assert_eq!(discovered.capabilities, initialized.capabilities);
        assert_eq!(discovered.instructions.as_deref(), Some("be kind"));
        assert!(discovered.server_info.unwrap().contains("vendor"));
        assert!(
            initialized.supports(&Method::ToolsCall) && !initialized.supports(&Method::PromptsGet)
        );
        assert!(initialized.supports(&Method::Ping));
        assert!(initialized.has("tools", "listChanged") && !initialized.has("prompts", "x"));
    }

    #[test]
    fn anything_else_is_refused() {
        for result in [
            "{}",
            "[]",
            r#"{"protocolVersion":"2026-07-28"}"#,
            r#"{"protocolVersion":1}"#,
        ] {
            assert!(Facts::from_initialize(result).is_err(), "{result}");
        }
        for result in ["{}", "1", r#"{"capabilities":{}}"#] {
            assert!(Facts::from_discover(result).is_err(), "{result}");
        }
    }
}
