//! Reading messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message, as far as the backend reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    params: Params<'a>,
}

/// The parameters of any request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Params<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    /// The arguments of a tool.
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    protocol_version: Option<Text<'a>>,
    /// The notifications that a client listens to.
    pub(super) notifications: Option<Filter>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

/// The part of `_meta` that each modern request has.
#[derive(Debug, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Text<'a>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
}

/// The notifications that a client listens to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    /// Whether these include changes of the tools.
    pub(super) tools_list_changed: bool,
}

/// A string, borrowed where it has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Message<'a> {
    /// The id of a request, as JSON.
    pub(super) fn id(&self) -> Option<&'a str> {
        self.id.map(RawValue::get)
    }

    /// The method, and the id of a request; nothing for notifications and for responses.
    pub(super) fn request(&self) -> Option<(&str, &'a str)> {
        Some((self.method.as_ref()?.0.as_ref(), self.id()?))
    }

    /// Whether this calls `method`.
    pub(super) fn is_call(&self, method: &str) -> bool {
        self.request().is_some_and(|(called, _)| called == method)
    }

    /// The parameters.
    pub(super) fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// The protocol version that a modern request names.
    pub(super) fn version(&self) -> Option<&str> {
        Some(&self.params.meta.as_ref()?.version.as_ref()?.0)
    }

    /// Whether a modern request says what the client is capable of.
    pub(super) fn has_capabilities(&self) -> bool {
        self.params
            .meta
            .as_ref()
            .is_some_and(|meta| meta.capabilities.is_some())
    }
}

impl Params<'_> {
    /// The name of what is called.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.0.as_ref())
    }

    /// The protocol version that a client wants to initialize.
    pub(super) fn protocol_version(&self) -> Option<&str> {
        self.protocol_version
            .as_ref()
            .map(|version| version.0.as_ref())
    }
}
