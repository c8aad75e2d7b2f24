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
use crate::json::Fields;
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
        let request = call.request();
        if request.method() != &Method::ResourcesRead {
            return None;
        }
        let (uri, owner) = (request.name()?, ResultOwner::of(call));
        let PieceUri { id, offset } = PieceUri::parse(&owner.server, &uri)?;
        let part = ResultPart {
            uri: document_uri(&owner.server, id),
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
        let error = RouteError::unknown_name(NameKind::Resource, &uri);
        let problem = Problem::from(&Error::from(error)).in_era(era);
        Ok(Reply::error(&self.request, problem.status, &problem.error))
    }
}

impl Shaping {
    /// Applies the change to `reply`.
    ///
    /// A stream stays a stream. A document is read completely, unless it is within its budget.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the reply cannot be read.
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
                    .map_response(move |response| Ok(result.shaped(&response)))
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
    fn shaped(&self, response: &Response) -> Response {
        let (Ok(text), Some(span)) = (response.result(), response.result_span()) else {
            return response.clone();
        };
        let inner = of_tool(text);
        let Some(result) = ToolResult::parse(&text[inner.clone()]) else {
            return response.clone();
        };
        match self.replacement(&result) {
            Some(replacement) => response.with_edits(|edits| {
                edits.replace(
                    span.start + inner.start..span.start + inner.end,
                    replacement,
                );
            }),
            None => response.clone(),
        }
    }

    /// Returns the JSON text that takes the place of `result`; `None` if it may stay as it is.
    fn replacement(&self, result: &ToolResult<'_>) -> Option<String> {
        let projected = self.projected(result);
        match projected {
            Some(text) => {
                let result = ToolResult::parse(&text)?;
                Some(self.limited(&result).unwrap_or(text))
            }
            None => self.limited(result),
        }
    }

    /// Returns the projection of `result`; `None` without one, and for the result of a tool that
    /// failed.
    #[cfg(feature = "json-path")]
    fn projected(&self, result: &ToolResult<'_>) -> Option<String> {
        let projection = self.budget.projection().filter(|_| !result.is_error())?;
        Some(projection.apply(result))
    }

    /// Returns `None`: projections require the feature `json-path`.
    #[cfg(not(feature = "json-path"))]
    fn projected(&self, _: &ToolResult<'_>) -> Option<String> {
        None
    }

    /// Returns what takes the place of a `result` that exceeds its maximum size.
    fn limited(&self, result: &ToolResult<'_>) -> Option<String> {
        let max = self.budget.max_bytes()?;
        let (server, size) = (&self.owner.server, result.text.len());
        if size <= max {
            return None;
        }
        tracing::debug!(%server, size, max, "result exceeds its budget");
        Some(match self.budget.overflow() {
            Overflow::Reject if !result.is_error() => rejected(result, max),
            Overflow::Cut | Overflow::Reject => cut(result, max, None),
            Overflow::Link => cut(result, max, self.link(result, max).as_ref()),
        })
    }

    /// Keeps `result`, and returns the link to it; `None` if it is too large to be kept.
    fn link(&self, result: &ToolResult<'_>, max: usize) -> Option<Link> {
        let document = Arc::new(Document::new(result, max));
        let id = self.kept.keep(self.owner.clone(), &document)?;
        let uri = document_uri(&self.owner.server, &id);
        Some(Link::new(uri, document, self.has_links))
    }
}

/// Returns the span of the result of a tool in a result: in that of a task it is a member.
fn of_tool(text: &str) -> Range<usize> {
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
