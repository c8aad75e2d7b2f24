//! Filter of the messages of a subscription: results of tasks, and what a server says without being
//! asked.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::jsonrpc::Response;
use mcp_gateway_core::reply::{FilteredBy, ReplyFilter, Withheld};

use super::MAX_BYTES;
use super::filter::RuleFilter;
use crate::condition::members;

/// Filter of the messages of a subscription to one server.
///
/// A notification that brings the result of a task is filtered like the result of a request. Messages
/// that announce changes have no content, and pass.
#[derive(Debug)]
pub(super) struct SubscriptionFilter(RuleFilter);

/// Content of a message.
enum Content {
    /// Names and URIs alone.
    Announcement,
    /// Texts of the server.
    Message,
    /// Result or error of a task.
    Outcome,
}

impl SubscriptionFilter {
    /// Creates the filter of a subscription from that of a task of its server.
    pub(super) fn new(filter: RuleFilter) -> Self {
        Self(filter)
    }
}

#[async_trait]
impl ReplyFilter for SubscriptionFilter {
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    async fn message(&self, params: &str) -> Result<Option<String>, Withheld> {
        // A subscription may last longer than the taint by an earlier message.
        self.0.forget_taint();
        match content(params)? {
            Content::Announcement => Ok(None),
            Content::Message => self.0.message(params).await,
            Content::Outcome if params.len() > MAX_BYTES => Err(Withheld::new("it is too large")),
            Content::Outcome => self.0.outcome(Ok(params)).await,
        }
    }

    /// The end of a subscription has no content; its refusal may have.
    async fn response(&self, response: Response) -> Result<Response, Withheld> {
        match response.result() {
            Ok(_) => Ok(response),
            Err(_) => self.0.response(response).await,
        }
    }
}

impl From<SubscriptionFilter> for FilteredBy {
    fn from(filter: SubscriptionFilter) -> Self {
        Self(Arc::new(filter))
    }
}

/// Returns the content of a message with the parameters `params`. A member that is not known to be
/// without content is one with content.
fn content(params: &str) -> Result<Content, Withheld> {
    let members = members(params).map_err(|_| Withheld::new("it cannot be read"))?;
    let mut content = Content::Announcement;
    for (key, _) in &members {
        match &**key {
            "error" | "result" => return Ok(Content::Outcome),
            "_meta" | "elicitationId" | "notifications" | "reason" | "requestId" | "uri" => {}
            _ => content = Content::Message,
        }
    }
    Ok(content)
}
