//! Translation of single messages between the eras.
//!
//! | message | for a modern client | for a legacy client |
//! |---|---|---|
//! | result | gains `resultType`; after `resources/read` also cache hints | stays, unless it is a task |
//! | error -32002 | becomes -32602 | |
//! | error -32602 of `resources/read` | | becomes -32002 |
//! | error about headers, capabilities or the protocol version of the gateway's own request | becomes -32603 | becomes -32603 |
//! | log message | dropped, unless the request enables them | stays |
//! | progress | gets the token of this request | stays |
//!
//! The text of a message is edited, not serialized again, so unknown members reach the client.

use std::borrow::Cow;

use http::StatusCode;

use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::{Edits, Fields};
use crate::jsonrpc::{ErrorObject, Notification, Response, code};
use crate::list_changes::ChangedList;
use crate::protocol::{Era, Method, meta};
use crate::{Call, problem};

/// Properties of a call that determine the translation of its reply.
///
/// They are copied from the call, because a reply outlives the borrow of its request.
#[derive(Clone, Debug)]
pub(super) struct EraTranslator {
    /// Era of the client.
    client: Era,
    /// Method of the call.
    method: Method,
    /// `true` if the client has requested log messages with `_meta`, as the modern era requires.
    logs: bool,
    /// JSON text of the client's progress token; without one, progress is dropped.
    progress_token: Option<Box<str>>,
}

impl EraTranslator {
    /// Collects the properties of `call`.
    pub(super) fn for_call(call: &Call<Prepared>) -> Self {
        let request = call.request();
        Self {
            client: call.client().era(),
            method: request.method().clone(),
            logs: request.meta(meta::LOG_LEVEL).is_some(),
            progress_token: request.meta(meta::PROGRESS_TOKEN).map(Into::into),
        }
    }

    /// Translates a notification; returns `None` if it is not meant for the client.
    pub(super) fn translate_notification(
        &self,
        notification: Notification,
    ) -> Option<Notification> {
        match (self.client, notification.method()) {
            (Era::Modern, Method::LogMessage) if !self.logs => None,
            // A modern client gets this result by retrying the request.
            (Era::Modern, Method::ElicitationComplete) => None,
            // A modern client subscribes to changes of lists.
            (Era::Modern, method) if ChangedList::of(method).is_some() => None,
            // The token is that of the request that is answered now, not of an earlier attempt.
            (Era::Modern, Method::Progress) => {
                notification.with_param("progressToken", self.progress_token.as_deref()?)
            }
            _ => Some(notification),
        }
    }

    /// Translates a response, whose identifier stays as it is.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Unsupported`] if the result has no counterpart in the era of the client,
    /// [`UpstreamError::Invalid`] if its type is unknown.
    pub(super) fn translate_response(
        &self,
        response: &Response,
    ) -> Result<Response, UpstreamError> {
        match (self.client, response.result()) {
            (Era::Modern, Ok(result)) => Ok(self.modern_result(response, result)),
            (Era::Legacy, Ok(result)) => self.legacy_result(response, result),
            (_, Err(error)) => Ok(self.translate_error(response, error)),
        }
    }

    /// Adds the members that every result has in the modern era, unless the result has them.
    fn modern_result(&self, response: &Response, result: &str) -> Response {
        let Ok(fields) = Fields::parse(result, 0..result.len()) else {
            return response.clone();
        };
        let mut added = String::new();
        let mut add = |key: &str, value: &str| {
            if fields.raw(result, key).is_none() {
                added.push_str(&format!("\"{key}\":{value},"));
            }
        };
        add("resultType", "\"complete\"");
        if self.method.is_cacheable() {
            // The server declares neither lifetime nor scope of the content.
            add("ttlMs", "0");
            add("cacheScope", "\"private\"");
        }
        if fields.iter(result).next().is_none() {
            added.pop();
        }
        let start = response.result_span().map_or(0, |span| span.start);
        response.with_edits(|edits: &mut Edits<'_>| edits.insert(start + 1, added))
    }

    /// Rejects results that legacy clients cannot interpret, such as tasks.
    fn legacy_result(&self, response: &Response, result: &str) -> Result<Response, UpstreamError> {
        let kind = Fields::parse(result, 0..result.len())
            .ok()
            .and_then(|fields| fields.string(result, "resultType").map(Cow::into_owned));
        match kind.as_deref() {
            None | Some("complete") => Ok(response.clone()),
            Some("task") => Err(UpstreamError::Unsupported {
                what: "a task",
                server: Era::Modern,
            }),
            Some(other) => Err(UpstreamError::invalid(format_args!(
                "unknown result type {other:?}"
            ))),
        }
    }

    /// Translates the code of an error; its message and data stay as they are.
    ///
    /// Codes that both eras define with the same meaning stay, too.
    fn translate_error(&self, response: &Response, error: &str) -> Response {
        let code = match (self.client, ErrorObject::code_of(error)) {
            (Era::Modern, code::RESOURCE_NOT_FOUND) => code::INVALID_PARAMS,
            (Era::Legacy, code::INVALID_PARAMS) if self.method == Method::ResourcesRead => {
                code::RESOURCE_NOT_FOUND
            }
            // Concerns the client of the gateway, which must receive it.
            (Era::Modern, code::MISSING_CAPABILITY) if names_capabilities(error) => {
                return response.clone();
            }
            // A legacy client cannot interpret these, and a modern client would misread them as the
            // gateway's own.
            (_, code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION) => {
                code::INTERNAL_ERROR
            }
            _ => return response.clone(),
        };
        let Ok(fields) = Fields::parse(error, 0..error.len()) else {
            return response.clone();
        };
        let (Some(span), Some(start)) = (fields.span(error, "code"), response.error_start()) else {
            return response.clone();
        };
        response.with_edits(|edits: &mut Edits<'_>| {
            edits.replace(start + span.start..start + span.end, code.to_string());
        })
    }

    /// Returns the HTTP status of the response for the client: always 200 in the legacy era.
    pub(super) fn status(&self, response: &Response) -> StatusCode {
        match self.client {
            Era::Legacy => StatusCode::OK,
            Era::Modern => problem::status_of(response),
        }
    }
}

/// Returns `true` if the error names the capabilities that the client lacks, in
/// `data.requiredCapabilities`.
fn names_capabilities(error: &str) -> bool {
    let error: serde_json::Value = serde_json::from_str(error).unwrap_or_default();
    error["data"]["requiredCapabilities"].is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modern_clients_receive_changes_of_lists_by_subscription_alone() {
        let changed = |client| {
            let translator = EraTranslator {
                client,
                method: Method::ToolsCall,
                logs: true,
                progress_token: None,
            };
            let notification = Notification::new(&Method::ToolsListChanged, None);
            translator.translate_notification(notification).is_some()
        };
        assert!(!changed(Era::Modern));
        assert!(changed(Era::Legacy));
    }
}
