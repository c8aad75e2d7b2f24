//! Lookups in the list cache of a server.
//!
//! The list of tools defines which arguments a client must mirror in headers, which is why a call
//! of a tool can fetch it. See [MCP 2026-07-28, custom headers][headers].
//!
//! [headers]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::View;
use crate::Call;
use crate::call::{DerivedCall, Prepared};
use crate::catalog::{CatalogEntry, ListKind, Listing, ParamMismatch};
use crate::error::UpstreamError;
use crate::protocol::{
    Era,
    header::{self, ParamHeaders},
};
use crate::route::Feature;

impl View {
    /// Returns `true` if a cached list contains `feature`.
    ///
    /// Templates are not expanded, and servers and tasks are not listed at all.
    pub(in crate::upstream) fn lists(&self, feature: &Feature) -> bool {
        self.known(feature, |_| ()).is_some()
    }

    /// Returns the entry of `feature` in the cached list, fresh or not.
    pub(in crate::upstream) fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        self.known(feature, CatalogEntry::clone)
    }

    /// Returns the entry of `feature` in a list that is at most [`MAX_AGE`](super::list_cache::MAX_AGE) old.
    pub(in crate::upstream) fn recent_entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        let (kind, name) = listed_in(feature)?;
        self.lists.of(kind).recent(name)
    }

    /// Applies `read` to the entry of `feature` in the cached list.
    fn known<T>(&self, feature: &Feature, read: impl FnOnce(&CatalogEntry) -> T) -> Option<T> {
        let (kind, name) = listed_in(feature)?;
        self.lists.of(kind).known(name, read)
    }

    /// Returns the headers that mirror the arguments of a tool call, after validating those of the
    /// client.
    ///
    /// `era` is that of the server: only a modern one requires them. On the side of the client,
    /// only a modern request over HTTP must have them; for all others they are derived from the
    /// arguments. If the schema of the tool is unavailable, or the client has sent no headers, those
    /// of the client are forwarded as they are.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::ParamMismatch`] if a header of the client differs from the argument that it
    /// mirrors.
    pub(super) async fn mirror_arguments(
        self: &Arc<Self>,
        call: &Call<Prepared>,
        era: Era,
    ) -> Result<ParamHeaders, UpstreamError> {
        let Feature::Tool(name) = &call.target().feature else {
            return Ok(ParamHeaders::new());
        };
        let sent = call.caller().headers();
        // Clients of the modern era are required to send them.
        let check = sends_param_headers(call).then_some(sent);
        let headers = |tool: &CatalogEntry| {
            tool.param_headers(call.request().param("arguments"), check)
                .map_err(|ParamMismatch { header }| UpstreamError::ParamMismatch { header })
        };
        let known = self.lists.of(ListKind::Tools).known(name, headers);
        if let Some(headers) = known {
            return headers;
        }
        if era == Era::Modern && self.needs_tools(call) {
            let tools = Box::pin(self.tools(call)).await;
            if let Some(tool) = tools.as_ref().and_then(|tools| tools.get(name)) {
                return headers(tool);
            }
        }
        Ok(sent_params(sent).collect())
    }

    /// Returns `true` if a call of an unknown tool of a modern server requires the list of tools.
    ///
    /// Headers of a modern client are validated; without any there is nothing to validate. For
    /// other clients they are derived from the arguments, which only HTTP servers require.
    fn needs_tools(&self, call: &Call<Prepared>) -> bool {
        let needed = match sends_param_headers(call) {
            true => sent_params(call.caller().headers()).next().is_some(),
            false => !self.connector.is_stdio(),
        };
        needed && self.lists.of(ListKind::Tools).unchanged().is_none()
    }

    /// Returns the tools of the server, or `None` if they cannot be listed.
    ///
    /// The error is logged, and the schema of the tool treated as unknown.
    async fn tools(self: &Arc<Self>, call: &Call<Prepared>) -> Option<Arc<Listing>> {
        let tools = self.listing(ListKind::Tools, call).await;
        if let Err(error) = &tools {
            tracing::warn!(server = %call.target().server, %error, "tool schema unavailable; parameter headers not validated");
        }
        tools.ok()
    }
}

/// Returns the list that contains `feature`, and its name there.
fn listed_in(feature: &Feature) -> Option<(ListKind, &Arc<str>)> {
    match feature {
        Feature::Prompt(name) => Some((ListKind::Prompts, name)),
        Feature::Resource(uri) => Some((ListKind::Resources, uri)),
        Feature::Tool(name) => Some((ListKind::Tools, name)),
        Feature::Discovery
        | Feature::List(_)
        | Feature::Server
        | Feature::Subscriptions
        | Feature::Task(_) => None,
    }
}

/// Returns the headers of the client that mirror arguments, for a tool whose schema is unavailable.
fn sent_params(sent: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    sent.iter()
        .filter(|(name, _)| name.as_str().starts_with(header::MCP_PARAM_PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()))
}

/// Returns `true` if the client of `call` is required to mirror arguments in headers itself.
fn sends_param_headers(call: &Call<Prepared>) -> bool {
    // The headers of a derived call are those of another tool.
    call.client().era() == Era::Modern
        && call.caller().is_http()
        && call.extensions().get::<DerivedCall>().is_none()
}
