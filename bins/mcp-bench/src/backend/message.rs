//! Parsing of messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Parts of a message that the backend reads.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Params<'a>,
}

/// Parameters of any request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Params<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    /// Arguments of a tool.
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    protocol_version: Option<Text<'a>>,
    /// Notifications that a client subscribes to.
    pub(super) notifications: Option<Filter>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

/// Required `_meta` fields of a modern request.
#[derive(Debug, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Text<'a>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
}

/// Notifications that a client subscribes to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    /// Subscription to changes of the tools.
    pub(super) tools_list_changed: bool,
}

/// String, borrowed if it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Message<'a> {
    /// Returns the ID of a request as JSON.
    pub(super) fn id(&self) -> Option<&'a str> {
        self.id.map(RawValue::get)
    }

    /// Returns the method and the ID of a request; `None` for notifications and responses.
    pub(super) fn request(&self) -> Option<(&str, &'a str)> {
        Some((self.method.as_ref()?.0.as_ref(), self.id()?))
    }

    /// Returns `true` if the message calls `method`.
    pub(super) fn is_call(&self, method: &str) -> bool {
        self.request().is_some_and(|(called, _)| called == method)
    }

    /// Returns the parameters.
    pub(super) fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// Returns the protocol version of a modern request.
    pub(super) fn version(&self) -> Option<&str> {
        Some(&self.params.meta.as_ref()?.version.as_ref()?.0)
    }

    /// Returns `true` if a modern request declares client capabilities.
    pub(super) fn has_capabilities(&self) -> bool {
        self.params
            .meta
            .as_ref()
            .is_some_and(|meta| meta.capabilities.is_some())
    }
}

impl Params<'_> {
    /// Returns the name of the called feature.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.0.as_ref())
    }

    /// Returns the protocol version that a client requests in `initialize`.
    pub(super) fn protocol_version(&self) -> Option<&str> {
        self.protocol_version
            .as_ref()
            .map(|version| version.0.as_ref())
    }
}
