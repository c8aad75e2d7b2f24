//! Capabilities that a client declares.
//!
//! See `ClientCapabilities` in the [schema of MCP
//! 2026-07-28](https://modelcontextprotocol.io/specification/2026-07-28/schema).

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::json::canonical;

/// Capabilities of a client, as it declared them.
///
/// A server shows the same tools to clients with equal capabilities, so those clients can share
/// cached lists. The text is kept in a canonical form (sorted keys, no whitespace), so that
/// equality does not depend on the order of keys.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::protocol::Capabilities;
///
/// let one = Capabilities::parse(r#"{"sampling":{}, "elicitation":{}}"#);
/// let other = Capabilities::parse(r#"{"elicitation":{},"sampling":{}}"#);
/// assert_eq!(one, other);
/// // An empty `elicitation` means form mode only.
/// assert!(one.is_some_and(|one| one.elicitation_form()));
/// assert!(!Capabilities::default().can_be_asked());
/// ```
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Canonical JSON text.
    json: Arc<str>,
    /// Parsed form of the capabilities that the gateway interprets.
    features: AskFeatures,
    /// Copy without `roots`, computed on first use; `None` if there are no roots.
    rootless: Option<Arc<OnceLock<Self>>>,
}

/// Capabilities that determine the requests a server may send to the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct AskFeatures {
    elicitation_form: bool,
    elicitation_url: bool,
    roots: bool,
    sampling: bool,
    tasks: bool,
}

impl Capabilities {
    /// Parses the JSON text of a `ClientCapabilities` object.
    ///
    /// Returns `None` if the text is not an object or is larger than
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        if json.len() > Self::MAX_BYTES {
            return None;
        }
        if json == "{}" {
            return Some(Self::default());
        }
        let value: Value = serde_json::from_str(json).ok()?;
        let features = AskFeatures::of(value.as_object()?);
        Some(Self {
            json: canonical(&value).into(),
            features,
            rootless: features.roots.then(Arc::default),
        })
    }

    /// Maximum size of the text, in bytes.
    ///
    /// A client that declares every feature of the specification and ten extensions needs a quarter
    /// of it. The text becomes part of the session ID, which is a header.
    pub const MAX_BYTES: usize = 4096;

    /// Returns the JSON text in canonical form.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Returns `true` if a server may ask the user to fill in a form.
    #[must_use]
    pub fn elicitation_form(&self) -> bool {
        self.features.elicitation_form
    }

    /// Returns `true` if a server may ask the user to open a URL.
    #[must_use]
    pub fn elicitation_url(&self) -> bool {
        self.features.elicitation_url
    }

    /// Returns `true` if a server may request the roots of the client.
    #[must_use]
    pub fn roots(&self) -> bool {
        self.features.roots
    }

    /// Returns the same capabilities without `roots`.
    ///
    /// Computed once for all clones of a value.
    #[must_use]
    pub fn without_roots(&self) -> Self {
        let Some(rootless) = &self.rootless else {
            return self.clone();
        };
        let compute = || {
            let mut value: Value = serde_json::from_str(&self.json).unwrap_or_default();
            value.as_object_mut()?.remove("roots");
            Self::parse(&canonical(&value))
        };
        rootless
            .get_or_init(|| compute().unwrap_or_default())
            .clone()
    }

    /// Returns `true` if a server may request a completion of the client's model.
    #[must_use]
    pub fn sampling(&self) -> bool {
        self.features.sampling
    }

    /// Returns `true` if a server may send any request to the client.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        self.features != AskFeatures::default()
    }
}

impl AskFeatures {
    /// Parses the interpreted capabilities.
    fn of(capabilities: &serde_json::Map<String, Value>) -> Self {
        let elicitation = capabilities.get("elicitation").and_then(Value::as_object);
        let mode = |mode| elicitation.is_some_and(|modes| modes.contains_key(mode));
        Self {
            // "An empty capabilities object is equivalent to declaring support for form mode only."
            elicitation_form: mode("form") || elicitation.is_some_and(serde_json::Map::is_empty),
            elicitation_url: mode("url"),
            roots: capabilities.contains_key("roots"),
            sampling: capabilities.contains_key("sampling"),
            tasks: capabilities.contains_key("tasks"),
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            json: "{}".into(),
            features: AskFeatures::default(),
            rootless: None,
        }
    }
}

impl Eq for Capabilities {}

impl PartialEq for Capabilities {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Hash for Capabilities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.json.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = Capabilities::parse(r#"{"sampling":{},"roots":{"listChanged":true}}"#).unwrap();
        let other =
            Capabilities::parse(r#"{ "roots":{"listChanged":true}, "sampling":{}}"#).unwrap();
        assert_eq!(one, other);
        assert_eq!(
            one.as_json(),
            r#"{"roots":{"listChanged":true},"sampling":{}}"#
        );
        assert!(one.sampling() && one.roots() && one.can_be_asked());
        assert!(!one.elicitation_form());
    }

    #[test]
    fn elicitation_without_a_mode_is_the_form() {
        let form = Capabilities::parse(r#"{"elicitation":{}}"#).unwrap();
        assert!(form.elicitation_form() && !form.elicitation_url());
        let url = Capabilities::parse(r#"{"elicitation":{"url":{}}}"#).unwrap();
        assert!(!url.elicitation_form() && url.elicitation_url());
    }

    #[test]
    fn roots_are_removed_from_what_is_declared() {
        let table = [
            (r#"{"roots":{"listChanged":true}}"#, "{}"),
            (
                r#"{"sampling":{},"r\u006fots":null,"x":{"roots":{}}}"#,
                r#"{"sampling":{},"x":{"roots":{}}}"#,
            ),
            (r#"{"sampling":{}}"#, r#"{"sampling":{}}"#),
            ("{}", "{}"),
        ];
        for (declared, expected) in table {
            let rootless = Capabilities::parse(declared).unwrap().without_roots();
            assert_eq!(rootless.as_json(), expected, "{declared}");
            assert!(!rootless.roots());
        }
        let only_roots = Capabilities::parse(r#"{"roots":{}}"#).unwrap();
        assert!(only_roots.can_be_asked() && !only_roots.without_roots().can_be_asked());
    }

    #[test]
    fn only_objects_of_a_sane_size_are_taken() {
        assert!(Capabilities::parse("[]").is_none());
        assert!(Capabilities::parse("{").is_none());
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(Capabilities::MAX_BYTES));
        assert!(Capabilities::parse(&large).is_none());
        assert!(!Capabilities::parse("{}").unwrap().can_be_asked());
    }
}
