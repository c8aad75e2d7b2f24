//! Budgets of a server, applied to its calls.

use std::ops::Range;
use std::sync::Arc;

use http_body::Body;

use super::cut::cut;
use super::document::{Document, Link, PieceUri, document_uri};
use super::tool_result::ToolResult;
use super::{KeptResults, Overflow, ResultBudget, ResultBudgets};
use crate::call::Prepared;
use crate::catalog::{ListKind, Listing};
use crate::error::{NameKind, RouteError, UpstreamError};
use crate::json::{Fields, object_json};
use crate::jsonrpc::{Id, Response, code};
use crate::protocol::{Era, Method, ProtocolVersion};
use crate::replica::{ResultOwner, ResultPart};
use crate::route::Feature;
use crate::{Call, Error, Problem, Reply};

/// Budgets of a server that has any, with the store of kept results.
#[derive(Debug)]
pub(crate) struct ResultShaper {
    budgets: Arc<ResultBudgets>,
    kept: KeptResults,
}

/// Change of the reply to a call.
#[derive(Debug)]
pub(crate) enum Shaping {
    /// Declares the resources capability, because results become resources.
    Discovery,
    /// Replaces the rejection of a list that clients request because resources are declared.
    Resources(ListKind, Id),
    /// Applies a budget.
    Result(Box<BudgetedResult>),
    /// Hides output schemas that results may contradict.
    Schemas(Arc<ResultBudgets>),
}

/// Request of a client for a part of a kept result.
#[derive(Debug)]
pub(crate) struct ResultRead {
    request: Id,
    kept: KeptResults,
    id: Box<str>,
    part: ResultPart,
}

/// Budget of one result, and what its link needs.
#[derive(Debug)]
pub(crate) struct BudgetedResult {
    budget: Arc<ResultBudget>,
    owner: ResultOwner,
    kept: KeptResults,
    /// `true` if the client accepts resource links.
    has_links: bool,
}

impl ResultShaper {
    /// Creates the budgets of a server; `None` if it has none.
    pub(crate) fn new(budgets: ResultBudgets, kept: KeptResults) -> Option<Self> {
        let budgets = Arc::new(budgets);
        (!budgets.is_empty()).then_some(Self { budgets, kept })
    }

    /// Returns the request of a call that reads a kept result; `None` for any other call.
    pub(crate) fn read(&self, call: &Call<Prepared>) -> Option<ResultRead> {
        let (request, owner) = (call.request(), ResultOwner::of(call));
        if request.method() != &Method::ResourcesRead {
            return None;
        }
        let piece = PieceUri::parse(call.target().feature.name()?)?;
        let PieceUri { server, id, offset } = piece;
        if server != *owner.server {
            return None;
        }
        let part = ResultPart {
            uri: document_uri(&server, &id),
            owner,
            offset,
            is_modern: call.client().era() == Era::Modern,
        };
        Some(ResultRead {
            request: request.id().clone(),
            kept: self.kept.clone(),
            id: id.into(),
            part,
        })
    }

    /// Returns the change of the reply to `call`, if it may need one.
    pub(crate) fn shaping(&self, call: &Call<Prepared>) -> Option<Shaping> {
        let request = call.request();
        let resources = |kind| Some(Shaping::Resources(kind, request.id().clone()));
        let links = self.budgets.may_link();
        match (request.method(), &call.target().feature) {
            (Method::ToolsCall, Feature::Tool(name)) => self.budgeted(self.budgets.of(name), call),
            (Method::TasksGet | Method::TasksResult, _) => {
                self.budgeted(self.budgets.server(), call)
            }
            (Method::ToolsList, _) => Some(Shaping::Schemas(Arc::clone(&self.budgets))),
            (Method::ServerDiscover, _) if links => Some(Shaping::Discovery),
            (Method::ResourcesList, _) if links => resources(ListKind::Resources),
            (Method::ResourcesTemplatesList, _) if links => resources(ListKind::Templates),
            _ => None,
        }
    }

    /// Returns the application of `budget` to the result of `call`.
    fn budgeted(&self, budget: &Arc<ResultBudget>, call: &Call<Prepared>) -> Option<Shaping> {
        (!budget.is_empty()).then(|| {
            Shaping::Result(Box::new(BudgetedResult {
                budget: Arc::clone(budget),
                owner: ResultOwner::of(call),
                kept: self.kept.clone(),
                has_links: call.client().version() >= ProtocolVersion::V2025_06_18,
            }))
        })
    }
}

impl ResultRead {
    /// Returns the reply: a part of the result, or the error of an unknown resource.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::ReplicaUnavailable`] if another replica keeps the result and is unreachable.
    pub(crate) async fn reply(self) -> Result<Reply, UpstreamError> {
        let (uri, era) = (self.part.uri.clone(), self.part.era());
        let read = self.kept.read(&self.id, self.part).await?;
        if let Some(text) = read {
            let text = std::str::from_utf8(&text).map_err(UpstreamError::invalid)?;
            return Ok(Reply::result(&self.request, text));
        }
        Ok(unknown(&self.request, &uri, era))
    }
}

impl Shaping {
    /// Applies the change to `reply`.
    ///
    /// A stream stays a stream. A document is read completely, unless it is within its budget.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the reply cannot be read, [`UpstreamError::TooLarge`] if it exceeds its
    /// budget and cannot be cut.
    pub(crate) async fn apply(self, reply: Reply) -> Result<Reply, UpstreamError> {
        let empty = |kind| Arc::new(Listing::empty(kind));
        match self {
            Self::Discovery => reply.map_response(|response| Ok(declared(&response))).await,
            Self::Resources(kind, id) if reply.error_code() == Some(code::METHOD_NOT_FOUND) => {
                Ok(Reply::listing(&id, empty(kind)))
            }
            Self::Resources(kind, _) => Ok(reply.map_listing(|listing| {
                let is_supported = listing.is_supported();
                if is_supported { listing } else { empty(kind) }
            })),
            Self::Result(result) if result.covers(&reply) => Ok(reply),
            Self::Result(result) => {
                reply
                    .map_response(move |response| result.shaped(&response))
                    .await
            }
            Self::Schemas(budgets) => Ok(reply.map_listing(|listing| {
                let hides = |name: &str| budgets.of(name).may_contradict_schema();
                Arc::new(listing.without_output_schemas(hides))
            })),
        }
    }
}

impl BudgetedResult {
    /// Returns `true` if `reply` needs no change, which its size tells without reading it.
    fn covers(&self, reply: &Reply) -> bool {
        let fits = |size| self.budget.max_bytes().is_none_or(|max| size <= max as u64);
        match reply {
            Reply::Json { body, .. } => {
                !self.budget.projects() && body.size_hint().upper().is_some_and(fits)
            }
            Reply::Events(_) => false,
        }
    }

    /// Returns the response with a result within the budget.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::TooLarge`] if the response has no part that could be left out.
    fn shaped(&self, response: &Response) -> Result<Response, UpstreamError> {
        let (Ok(text), Some(span)) = (response.result(), response.result_span()) else {
            let error = response.result().unwrap_or_else(|error| error);
            return self.fits(error.len()).map(|()| response.clone());
        };
        let inner = of_tool(text);
        let (at, replacement) = match ToolResult::parse(&text[inner.clone()]) {
            Some(result) => {
                let around = text.len() - inner.len();
                (inner, self.replacement(&result, around)?)
            }
            None => (0..text.len(), self.input_required(text)?),
        };
        Ok(match replacement {
            Some(replacement) => response.with_edits(|edits| {
                edits.replace(span.start + at.start..span.start + at.end, replacement);
            }),
            None => response.clone(),
        })
    }

    /// Returns the JSON text that takes the place of `result`, which is in a text with `around` more
    /// bytes; `None` if it may stay as it is.
    fn replacement(
        &self,
        result: &ToolResult<'_>,
        around: usize,
    ) -> Result<Option<String>, UpstreamError> {
        match self.projected(result) {
            Some(text) => {
                let limited = ToolResult::parse(&text).map(|result| self.limited(&result, around));
                Ok(limited.transpose()?.flatten().or(Some(text)))
            }
            None => self.limited(result, around),
        }
    }

    /// Returns the projection of `result`; `None` without one, and for the result of a tool that
    /// failed. A tool error takes the place of a result that cannot be projected.
    #[cfg(feature = "json-path")]
    fn projected(&self, result: &ToolResult<'_>) -> Option<String> {
        let projection = self.budget.projection().filter(|_| !result.is_error())?;
        let projected = projection.apply(result);
        Some(projected.unwrap_or_else(|| {
            tracing::warn!(server = %self.owner.server, "result not projected: too many values");
            let size = result.text.len();
            let text = format!(
                "The result has {size} bytes and too many values to select parts of it. Request less."
            );
            result.to_error(&text)
        }))
    }

    /// Returns `None`: projections require the feature `json-path`.
    #[cfg(not(feature = "json-path"))]
    fn projected(&self, _: &ToolResult<'_>) -> Option<String> {
        None
    }

    /// Returns what takes the place of a `result` that exceeds its maximum size, with the `around`
    /// bytes around it.
    fn limited(
        &self,
        result: &ToolResult<'_>,
        around: usize,
    ) -> Result<Option<String>, UpstreamError> {
        let Some(budget) = self.budget.max_bytes() else {
            return Ok(None);
        };
        let (server, size) = (&self.owner.server, result.text.len());
        if size + around <= budget {
            return Ok(None);
        }
        tracing::debug!(%server, size, max = budget, "result exceeds its budget");
        // The rest is room for a note.
        if around > budget / 4 {
            return Err(UpstreamError::TooLarge { limit: budget });
        }
        let max = budget - around;
        Ok(Some(match self.budget.overflow() {
            Overflow::Reject if !result.is_error() => rejected(result, max),
            Overflow::Cut | Overflow::Reject => cut(result, max, None),
            Overflow::Link => cut(result, max, self.link(result, max).as_ref()),
        }))
    }

    /// Returns what takes the place of the `text` of a result without content: of a request for input
    /// that exceeds the budget, its requests and small members.
    fn input_required(&self, text: &str) -> Result<Option<String>, UpstreamError> {
        let Err(error) = self.fits(text.len()) else {
            return Ok(None);
        };
        let fields = Fields::parse(text, 0..text.len()).unwrap_or_default();
        if fields.span(text, INPUT_REQUESTS).is_none() {
            return Err(error);
        }
        let mut room = ResultBudget::MIN_BYTES;
        let mut fits = |size| {
            let rest = room.checked_sub(size);
            room = rest.unwrap_or(room);
            rest.is_some()
        };
        let members = fields
            .iter(text)
            .filter(|(key, span)| INPUT_MEMBERS.contains(key) || fits(key.len() + span.len()));
        let members: Vec<_> = members
            .map(|(key, span)| (key, (&text[span]).into()))
            .collect();
        Ok(Some(object_json(&members)))
    }

    /// Checks that `size` is within the budget.
    fn fits(&self, size: usize) -> Result<(), UpstreamError> {
        match self.budget.max_bytes() {
            Some(limit) if size > limit => Err(UpstreamError::TooLarge { limit }),
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps `result`, and returns the link to it; `None` if it is too large to be kept.
    fn link(&self, result: &ToolResult<'_>, max: usize) -> Option<Link> {
        let document = Arc::new(Document::new(result, max));
        let id = self.kept.keep(self.owner.clone(), &document)?;
        let uri = document_uri(&self.owner.server, &id);
        Some(Link::new(uri, document, self.has_links))
    }
}

/// Returns the reply to a call of a resource of the gateway that is not a kept result of the server.
pub(crate) fn unknown_result(call: &Call<Prepared>) -> Reply {
    let uri = call.target().feature.name().unwrap_or_default();
    unknown(call.request().id(), uri, call.client().era())
}

/// Returns the error of the unknown resource `uri`.
fn unknown(request: &Id, uri: &str, era: Era) -> Reply {
    let error = RouteError::unknown_name(NameKind::Resource, uri);
    let problem = Problem::from(&Error::from(error)).in_era(era);
    Reply::error(request, problem.status, &problem.error)
}

/// Returns the span of the result of a tool in a result: in that of a task it is a member.
pub(super) fn of_tool(text: &str) -> Range<usize> {
    let fields = Fields::parse(text, 0..text.len()).unwrap_or_default();
    let inner = fields.span(text, "result");
    inner
        .filter(|_| fields.raw(text, "content").is_none())
        .unwrap_or(0..text.len())
}

/// Returns the tool error that takes the place of a `result` that exceeds `max` bytes.
fn rejected(result: &ToolResult<'_>, max: usize) -> String {
    let size = result.text.len();
    let text = format!("The result has {size} bytes; the limit is {max} bytes. Request less.");
    result.to_error(&text)
}

/// Returns the response to `server/discover` with the resources capability.
fn declared(response: &Response) -> Response {
    let (Ok(text), Some(span)) = (response.result(), response.result_span()) else {
        return response.clone();
    };
    let fields = Fields::parse(text, 0..text.len()).unwrap_or_default();
    let Some(at) = fields.span(text, "capabilities") else {
        return response.clone();
    };
    let capabilities = Fields::parse(text, at.clone()).unwrap_or_default();
    if capabilities.raw(text, "resources").is_some() {
        return response.clone();
    }
    let separator = if capabilities.iter(text).next().is_some() {
        ","
    } else {
        ""
    };
    response.with_edits(|edits| {
        edits.insert(
            span.start + at.start + 1,
            format!("\"resources\":{{}}{separator}"),
        );
    })
}

const INPUT_REQUESTS: &str = "inputRequests";

/// Members of a request for input without which it cannot be answered.
const INPUT_MEMBERS: [&str; 2] = [INPUT_REQUESTS, "requestState"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const MAX: usize = 2048;

    fn budgeted(overflow: Overflow) -> BudgetedResult {
        let budget = ResultBudget::new()
            .with_max_bytes(MAX)
            .with_overflow(overflow);
        BudgetedResult {
            budget: Arc::new(budget),
            owner: ResultOwner {
                principal: "alice".into(),
                gateway: "main".into(),
                server: "s".into(),
            },
            kept: KeptResults::default(),
            has_links: true,
        }
    }

    fn shaped(overflow: Overflow, result: &Value) -> Result<String, UpstreamError> {
        // Kept results expire.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.unwrap();
        let _entered = runtime.enter();
        let response = Response::new(&Id::from(1), &result.to_string());
        let shaped = budgeted(overflow).shaped(&response)?;
        Ok(shaped.result().unwrap().to_owned())
    }

    #[test]
    fn no_result_escapes_its_budget() {
        let large = "x".repeat(MAX);
        let text = json!([{ "type": "text", "text": "a" }]);
        for result in [
            json!({ "_meta": { "a": large } }),
            json!({ "unknown": large }),
            json!({ large.as_str(): 1 }),
            json!({ "result": { "content": text }, "_meta": { "a": large } }),
            json!({ "task": { "taskId": "1", "statusMessage": large } }),
        ] {
            let shaped = shaped(Overflow::Cut, &result);
            assert!(
                matches!(shaped, Err(UpstreamError::TooLarge { limit: MAX })),
                "{result}"
            );
        }
        let error = crate::jsonrpc::ErrorObject::new(-32_000, large.clone());
        let error = budgeted(Overflow::Cut).shaped(&Response::from_error(&Id::from(1), &error));
        assert!(error.is_err());
        // What is small, or has content that can be cut, is not an error.
        for result in [
            json!({ "_meta": { "a": 1 } }),
            json!([large]),
            json!({ "content": text, "_meta": { "a": large }, "unknown": large }),
            json!({ "result": { "content": [{ "type": "text", "text": large }] }, "taskId": "1" }),
        ] {
            assert!(
                shaped(Overflow::Cut, &result).unwrap().len() <= MAX,
                "{result}"
            );
        }
    }

    #[test]
    fn a_request_for_input_keeps_its_requests() {
        let requests = json!({ "a": { "method": "sampling/createMessage", "x": "x".repeat(MAX) } });
        let result = json!({
            "_meta": { "a": "x".repeat(MAX) },
            "inputRequests": requests,
            "requestState": "y".repeat(MAX),
            "resultType": "input_required",
        });
        let shaped: Value = serde_json::from_str(&shaped(Overflow::Cut, &result).unwrap()).unwrap();
        let mut expected = result;
        expected.as_object_mut().unwrap().remove("_meta");
        assert_eq!(shaped, expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3000_usize).prop_map(|len| Value::from("ä".repeat(len))),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let key = prop::sample::select(vec![
                "content",
                "structuredContent",
                "isError",
                "result",
                "text",
                "type",
                "_meta",
                "x",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key.prop_map(String::from), inner, 0..4)
                    .prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_result_is_within_its_budget(
            result in value(),
            overflow in prop::sample::select(vec![Overflow::Cut, Overflow::Link, Overflow::Reject]),
        ) {
            if let Ok(text) = shaped(overflow, &result) {
                prop_assert!(text.len() <= MAX, "{} of {text}", text.len());
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }
    }
}
