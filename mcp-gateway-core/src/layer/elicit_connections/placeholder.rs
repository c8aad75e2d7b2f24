//! Calls of placeholders, which end once an account is connected.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CallService, ElicitedCall};
use crate::jsonrpc::{Id, Request};
use crate::layer::dispatch::PLACEHOLDER;
use crate::protocol::{Era, Method};
use crate::route::PrefixRouter;
use crate::{Call, Error, Reply, reply};

impl<S: CallService> ElicitedCall<S> {
    /// Sends the call after a connection has changed.
    ///
    /// The tools of the server have replaced its placeholder, which has done its work.
    pub(super) async fn send_again(&self) -> Result<Reply, Error> {
        if !has_name_of_placeholder(&self.call) {
            return self.send().await;
        }
        match self.is_listed().await? {
            true => self.send().await,
            false => Ok(connected(&self.call)),
        }
    }

    /// Returns `true` if the called tool is listed: as the tool of a server, or as its placeholder.
    async fn is_listed(&self) -> Result<bool, Error> {
        let request = self.call.request();
        let params = request.meta_params();
        let list = Request::new(&Id::from("tools"), &Method::ToolsList, &params);
        let list = self.call.for_request(list, ());
        let tools = Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            call: list,
        };
        let tools = reply::response(tools.send().await?).await;
        let tools = tools.ok().and_then(|tools| {
            let result = tools.result().ok()?;
            serde_json::from_str::<Value>(result).ok()
        });
        let name = request.name().unwrap_or_default();
        let tools = tools.unwrap_or_default();
        let tools = tools["tools"].as_array();
        Ok(tools.is_none_or(|tools| tools.iter().any(|tool| tool["name"] == *name)))
    }
}

/// Returns `true` if `call` is one of a tool that may be a placeholder.
fn has_name_of_placeholder(call: &Call) -> bool {
    let name = call.request().name().unwrap_or_default();
    let name = name.rsplit(PrefixRouter::SEPARATOR).next();
    call.request().method() == &Method::ToolsCall && name == Some(PLACEHOLDER)
}

/// Returns the result of a placeholder whose account is connected.
fn connected(call: &Call) -> Reply {
    let text = "The account is connected. List the tools again for those of the server.";
    let mut result = json!({ "content": [{ "type": "text", "text": text }] });
    if call.client().era() == Era::Modern {
        result["resultType"] = "complete".into();
    }
    Reply::result(call.request().id(), &result.to_string())
}
