//! Calls of the tools that a search finds.

use std::sync::Arc;

use serde_json::Value;

use super::super::destination::Destination;
use super::super::lists::{list_request, parsed};
use super::super::{RoutedService, Shared, send};
use super::{failure, parameters};
use crate::call::{DerivedCall, Routed};
use crate::catalog::{CatalogEntry, ListKind};
use crate::error::{NameKind, RouteError};
use crate::json::{Fields, string_json};
use crate::jsonrpc::Request;
use crate::layer::trace;
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

impl Shared {
    /// Serves a call of `run_tool` as a call of its target.
    pub(super) async fn run_tool<S: RoutedService>(
        self: Arc<Self>,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let request = match target_request(call.request()) {
            Ok(request) => request,
            Err(message) => return Ok(failure(&call, message, None)),
        };
        let call = call.for_request(request, ());
        trace::rename(&call);
        trace::rename_observed(&call);
        self.call_listed(inner, call).await
    }

    /// Serves a call that the gateway has derived from that of a client, if its tool is listed.
    pub(super) async fn call_listed<S: RoutedService>(
        self: Arc<Self>,
        inner: S,
        mut call: Call,
    ) -> Result<Reply, Error> {
        call.extensions_mut().insert(DerivedCall);
        trace::rename(&call);
        let target = match self.destination(&call) {
            Destination::Server(target) => target,
            Destination::Unlisted => self.listed_target(&inner, &call).await?,
            Destination::Refused(error) => return Err(*error),
            Destination::Servers => {
                let name = call.request().name().unwrap_or_default();
                return Err(RouteError::unknown_name(NameKind::Tool, &name).into());
            }
        };
        if let Some(reply) = self.checked(&inner, &call, &target).await? {
            return Ok(reply);
        }
        self.call_target(inner, call, target).await
    }

    /// Rejects the call of a tool that is not listed, and answers one whose arguments do not match
    /// its schema. What hinders the list hinders the call: a tool that nobody has seen is not listed. A
    /// missing account is the answer of the call itself.
    async fn checked<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        target: &Target,
    ) -> Result<Option<Reply>, Error> {
        let Feature::Tool(name) = &target.feature else {
            return Ok(None);
        };
        let request = list_request(ListKind::Tools, call);
        let stage = Routed::to_server(&target.server, request.method());
        let answer = send(inner.clone(), call.for_request(request, stage)).await;
        let listing = match parsed(answer, &target.server, ListKind::Tools).await {
            Ok(listing) => listing,
            Err(Error::Credential { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Hosts keep tools for apps from the model, and cannot tell which tool this call concerns.
        let is_listed = |entry: &&CatalogEntry| {
            entry.app().is_for_models() && self.lists(call, &target.server, ListKind::Tools, entry)
        };
        match listing.get(name).filter(is_listed) {
            Some(entry) => Ok(mismatch(call, entry)),
            None if listing.next_cursor().is_some() => Ok(None),
            None => {
                let name = call.request().name().unwrap_or_default();
                Err(RouteError::unknown_name(NameKind::Tool, &name).into())
            }
        }
    }
}

/// Returns the answer to arguments that do not match the schema of a tool.
fn mismatch(call: &Call, entry: &CatalogEntry) -> Option<Reply> {
    let definition: Value = serde_json::from_str(entry.json()).ok()?;
    let arguments = call.request().param("arguments").unwrap_or("{}");
    let arguments = serde_json::from_str(arguments).ok()?;
    let schema = &definition["inputSchema"];
    let mismatch = parameters::mismatch(schema, &arguments)?;
    let name = call.request().name().unwrap_or_default();
    let message = format!("The tool {name} was not called: {mismatch}.");
    Some(failure(call, &message, Some(schema)))
}

/// Returns the request of the target of `run_tool`. Its other parameters are those of the target.
///
/// Models also write objects as text, and nothing as null.
///
/// # Errors
///
/// A message for the model, which states the arguments that are expected.
fn target_request(request: &Request) -> Result<Request, &'static str> {
    let arguments = request.param("arguments").ok_or(WRONG_TYPES)?;
    let fields = Fields::parse(arguments, 0..arguments.len()).map_err(|_| WRONG_TYPES)?;
    let mut keys = fields.iter(arguments).map(|(key, _)| key);
    if keys.any(|key| key != "tool_name" && key != "tool_args") {
        return Err(MISPLACED);
    }
    let name = fields.string(arguments, "tool_name").ok_or(WRONG_TYPES)?;
    let text = fields.string(arguments, "tool_args");
    let given = match text.as_deref() {
        Some(text) if serde_json::from_str::<Value>(text).is_ok() => text.trim(),
        Some(_) => return Err(WRONG_TYPES),
        None => fields.raw(arguments, "tool_args").unwrap_or("{}"),
    };
    let given = if given == "null" { "{}" } else { given };
    if !given.starts_with('{') {
        return Err(WRONG_TYPES);
    }
    Ok(request.with_params(
        request.id(),
        &[
            ("name", Some(&string_json(&name))),
            ("arguments", Some(given)),
        ],
    ))
}

const WRONG_TYPES: &str =
    "Invalid arguments: \"tool_name\" must be a string, and \"tool_args\" an object.";

const MISPLACED: &str = "Invalid arguments: only \"tool_name\" and \"tool_args\" are possible; the \
                         arguments of the tool belong in \"tool_args\".";
