use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::json::canonical;

/// What a client says that it can do, as it said it.
///
/// Two clients with equal capabilities are shown the same tools by a server, so they can share what
/// was listed. The text is kept in a canonical form (sorted keys, no spaces), so that the order in
/// which a client writes them does not matter.
#[derive(Clone, Debug)]
pub struct Capabilities {
    json: Arc<str>,
    features: Features,
    /// The same without `roots`, once that was needed; `None` where there are none.
    rootless: Option<Arc<OnceLock<Self>>>,
}

/// The capabilities that decide how a client can be asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Features {
    elicitation_form: bool,
    elicitation_url: bool,
    roots: bool,
    sampling: bool,
    tasks: bool,
}

impl Capabilities {
    /// Reads the JSON text of a `ClientCapabilities` object.
    ///
    /// `None` when it is no object, or larger than [`MAX_BYTES`](Self::MAX_BYTES).
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        if json.len() > Self::MAX_BYTES {
            return None;
        }
        if json == "{}" {
            return Some(Self::default());
        }
        let value: Value = serde_json::from_str(json).ok()?;
        let features = Features::of(value.as_object()?);
        Some(Self {
            json: canonical(&value).into(),
            features,
            rootless: features.roots.then(Arc::default),
        })
    }

    /// The largest text that is taken.
    ///
    /// A client that declares every feature of the specification and ten extensions needs a
    /// quarter of it. The text becomes part of the session identifier, which is a header.
    pub const MAX_BYTES: usize = 4096;

    /// The JSON text, in canonical form.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Whether a server may ask the client to fill in a form.
    #[must_use]
    pub fn elicitation_form(&self) -> bool {
        self.features.elicitation_form
    }

    /// Whether a server may ask the client to open an address.
    #[must_use]
    pub fn elicitation_url(&self) -> bool {
        self.features.elicitation_url
    }

    /// Whether a server may ask the client for its roots.
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

    /// Whether a server may ask the client for a completion of its model.
    #[must_use]
    pub fn sampling(&self) -> bool {
        self.features.sampling
    }

    /// Whether a server may ask the client for anything.
    #[must_use]
    pub fn interactive(&self) -> bool {
        self.features != Features::default()
    }
}

impl Features {
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
            features: Features::default(),
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
        assert!(one.sampling() && one.roots() && one.interactive());
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
        assert!(only_roots.interactive() && !only_roots.without_roots().interactive());
    }

    #[test]
    fn only_objects_of_a_sane_size_are_taken() {
        assert!(Capabilities::parse("[]").is_none());
        assert!(Capabilities::parse("{").is_none());
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(Capabilities::MAX_BYTES));
        assert!(Capabilities::parse(&large).is_none());
        assert!(!Capabilities::parse("{}").unwrap().interactive());
    }
}
