//! The problem of each error, one `match` per enum.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::approval::unapproved;
use super::credentials::credential;
use super::{Problem, Variation};
use crate::Error;
use crate::approval::Unapproved;
use crate::error::{AuthError, NameKind, RequestError, RouteError, SessionError, UpstreamError};
use crate::jsonrpc::{Id, MessageError, code};
use crate::protocol::ProtocolVersion;

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        match error {
            Error::ApprovalRequired(_) => unapproved(&Unapproved::Impossible),
            Error::Auth(error) => Self::from(error),
            Error::Credential { server, source } => {
                credential(server, source).with_data("server", &**server)
            }
            Error::Denied { reason } => Self::new(
                StatusCode::OK,
                code::INVALID_REQUEST,
                "denied",
                format!("The call is not permitted: {reason}"),
            )
            .with_variation(Variation::Solvable),
            Error::LimitReached { limit, retry_after } => {
                rate_limited(limit_reached(limit, *retry_after), *retry_after)
                    .with_data("limit", &**limit)
            }
            Error::Message(error) => Self::from(error),
            Error::Other(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                code::INTERNAL_ERROR,
                "internal",
                "Internal error; see the log of the gateway",
            ),
            Error::RateLimited { retry_after } => {
                rate_limited("Too many requests; try again later", *retry_after)
            }
            Error::Request(error) => Self::from(error),
            Error::Route(error) => Self::from(error),
            Error::Session(error) => Self::from(error),
            // To clients, what is held back does not exist.
            Error::Upstream {
                source: UpstreamError::HeldBack(unknown),
                ..
            } => Self::from(unknown),
            Error::Unapproved(cause) => unapproved(cause),
            Error::Upstream { server, source } => {
                let mut problem = Self::from(source).with_data("server", &**server);
                let message = &problem.error.message;
                problem.error.message = format!("Server {server:?}: {message}").into();
                problem
            }
        }
    }
}

/// Returns the problem of a caller who may retry after `retry_after`.
fn rate_limited(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Problem {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    Problem::new(status, code::INTERNAL_ERROR, "rate_limited", message)
        .with_data("retryAfterMs", millis)
        .with_retry_after(retry_after)
}

/// Returns the message about a limit that is reached. The time is rounded up.
fn limit_reached(limit: &str, retry_after: Duration) -> String {
    let seconds = retry_after.as_millis().div_ceil(1000).max(1);
    let (size, unit) = match seconds {
        0..=120 => (1, "s"),
        121..=7200 => (60, "min"),
        7201..=172_800 => (3600, "h"),
        _ => (86_400, "days"),
    };
    let amount = seconds.div_ceil(size);
    format!("The limit {limit:?} is reached; try again in {amount} {unit}")
}

impl From<&AuthError> for Problem {
    fn from(error: &AuthError) -> Self {
        let problem = |status, reason, message: &'static str| {
            Self::new(status, code::INVALID_REQUEST, reason, message)
        };
        match error {
            AuthError::InsufficientScope { scopes } => {
                let message = "The token lacks a required scope";
                let scopes = scopes.join(" ");
                problem(StatusCode::FORBIDDEN, "insufficient_scope", message)
                    .with_challenge(format!("error=\"insufficient_scope\", scope={scopes:?}"))
            }
            AuthError::InvalidProof => {
                let message = "The DPoP proof is missing, invalid or replayed";
                problem(StatusCode::UNAUTHORIZED, "invalid_dpop_proof", message)
                    .with_dpop_challenge("error=\"invalid_dpop_proof\"", None)
            }
            AuthError::InvalidToken => {
                let message = "The token is invalid or expired";
                problem(StatusCode::UNAUTHORIZED, "invalid_token", message)
                    .with_challenge("error=\"invalid_token\"")
            }
            AuthError::MissingToken => {
                let message = "Send a token in the Authorization header: Bearer <token>";
                problem(StatusCode::UNAUTHORIZED, "missing_token", message).with_challenge("")
            }
            AuthError::NonceRequired { nonce } => {
                let message = "Sign the DPoP proof with the nonce of this response";
                let nonce = Some(Arc::clone(nonce));
                problem(StatusCode::UNAUTHORIZED, "use_dpop_nonce", message)
                    .with_dpop_challenge("error=\"use_dpop_nonce\"", nonce)
            }
            AuthError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code::INTERNAL_ERROR,
                "auth_unavailable",
                "Token verification is unavailable; try again later",
            )
            .with_retry_after(Duration::from_secs(5)),
        }
    }
}

impl From<&MessageError> for Problem {
    fn from(error: &MessageError) -> Self {
        let bad = |code, reason, id: Option<&Id>| {
            Self::new(StatusCode::BAD_REQUEST, code, reason, error.to_string()).with_id(id)
        };
        match error {
            MessageError::Batch => bad(code::INVALID_REQUEST, "batch", None),
            MessageError::Invalid { id, .. } => {
                bad(code::INVALID_REQUEST, "invalid_request", id.as_ref())
            }
            MessageError::Params { id, .. } => {
                bad(code::INVALID_PARAMS, "invalid_params", id.as_ref())
            }
            MessageError::Syntax { .. } => bad(code::PARSE_ERROR, "parse_error", None),
            MessageError::TooDeep => bad(code::INVALID_REQUEST, "too_deep", None),
        }
    }
}

impl From<&RequestError> for Problem {
    fn from(error: &RequestError) -> Self {
        use StatusCode as S;
        let (status, code, reason) = match error {
            RequestError::Accept => (S::NOT_ACCEPTABLE, code::INVALID_REQUEST, "accept"),
            RequestError::Body(_) => (S::BAD_REQUEST, code::PARSE_ERROR, "body"),
            RequestError::BodyTimeout => {
                (S::REQUEST_TIMEOUT, code::INVALID_REQUEST, "body_timeout")
            }
            RequestError::ContentType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                code::INVALID_REQUEST,
                "content_type",
            ),
            RequestError::DuplicateId => (S::BAD_REQUEST, code::INVALID_REQUEST, "duplicate_id"),
            RequestError::HeaderMismatch { .. } => {
                (S::BAD_REQUEST, code::HEADER_MISMATCH, "header_mismatch")
            }
            RequestError::Host { .. } => (S::FORBIDDEN, code::INVALID_REQUEST, "host"),
            RequestError::HttpMethod => {
                (S::METHOD_NOT_ALLOWED, code::INVALID_REQUEST, "http_method")
            }
            RequestError::InvalidMeta { .. } => {
                (S::BAD_REQUEST, code::INVALID_PARAMS, "invalid_meta")
            }
            RequestError::InvalidParams { .. } => (S::OK, code::INVALID_PARAMS, "invalid_params"),
            RequestError::MissingSession => {
                (S::BAD_REQUEST, code::INVALID_REQUEST, "missing_session")
            }
            RequestError::Origin { .. } => (S::FORBIDDEN, code::INVALID_REQUEST, "origin"),
            RequestError::TooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, code::INVALID_REQUEST, "too_large")
            }
            RequestError::UnexpectedMessage { .. } => {
                (S::BAD_REQUEST, code::INVALID_REQUEST, "unexpected_message")
            }
            RequestError::UnknownEventStream => {
                (S::BAD_REQUEST, code::INVALID_REQUEST, "unknown_stream")
            }
            RequestError::UnsupportedProtocolVersion { requested } => {
                let supported: Vec<_> = ProtocolVersion::ALL
                    .iter()
                    .map(|version| version.as_str())
                    .collect();
                let data = json!({ "supported": supported, "requested": requested });
                let mut problem = Self::new(
                    S::BAD_REQUEST,
                    code::UNSUPPORTED_VERSION,
                    "unsupported_protocol_version",
                    error.to_string(),
                );
                problem.error.data = Some(data);
                return problem;
            }
        };
        Self::new(status, code, reason, error.to_string())
    }
}

impl From<&RouteError> for Problem {
    fn from(error: &RouteError) -> Self {
        match error {
            RouteError::AmbiguousName {
                kind,
                name,
                candidates,
            } => {
                let reason = match kind {
                    NameKind::Prompt => "ambiguous_prompt",
                    NameKind::Resource => "ambiguous_resource",
                    NameKind::Task => "ambiguous_task",
                    NameKind::Tool => "ambiguous_tool",
                };
                let message = format!("Ambiguous {kind}: {name}; use {}", candidates.join(" or "));
                Self::new(StatusCode::OK, code::INVALID_PARAMS, reason, message)
                    .with_data("candidates", candidates.to_vec())
            }
            RouteError::UnknownMethod { method } => Self::new(
                StatusCode::NOT_FOUND,
                code::METHOD_NOT_FOUND,
                "method_not_found",
                format!("Method not found: {method}"),
            ),
            RouteError::UnknownName { kind, name } => {
                let (reason, message) = match kind {
                    NameKind::Prompt => ("unknown_prompt", format!("Unknown prompt: {name}")),
                    NameKind::Resource => ("unknown_resource", "Resource not found".to_owned()),
                    NameKind::Task => ("unknown_task", format!("Unknown task: {name}")),
                    NameKind::Tool => ("unknown_tool", format!("Unknown tool: {name}")),
                };
                let problem = Self::new(StatusCode::OK, code::INVALID_PARAMS, reason, message);
                match kind {
                    NameKind::Resource => problem
                        .with_data("uri", &**name)
                        .with_variation(Variation::UnknownResource),
                    NameKind::Prompt | NameKind::Task | NameKind::Tool => problem,
                }
            }
        }
    }
}

impl From<&SessionError> for Problem {
    fn from(error: &SessionError) -> Self {
        match error {
            SessionError::Seal(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                code::INTERNAL_ERROR,
                "internal",
                "Failed to start a session",
            ),
            SessionError::TooMany => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                code::INTERNAL_ERROR,
                "too_many_sessions",
                "Too many sessions; end some, or try again later",
            )
            .with_retry_after(Duration::from_secs(30)),
            SessionError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                code::INVALID_REQUEST,
                "unknown_session",
                "Unknown session; start a new one with initialize",
            ),
        }
    }
}

impl From<&UpstreamError> for Problem {
    fn from(error: &UpstreamError) -> Self {
        let (status, reason) = match error {
            UpstreamError::HeldBack(unknown) => return Self::from(unknown),
            UpstreamError::Closed => (StatusCode::OK, "upstream_closed"),
            UpstreamError::Connect(_) => (StatusCode::OK, "upstream_connect"),
            UpstreamError::Unsupported { .. } => (StatusCode::OK, "era"),
            UpstreamError::Invalid { .. } => (StatusCode::OK, "upstream_invalid"),
            UpstreamError::NotRunning { .. } => (StatusCode::OK, "not_running"),
            UpstreamError::UnknownServer => (StatusCode::OK, "upstream_not_found"),
            UpstreamError::Overloaded { .. } => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            UpstreamError::ParamMismatch { .. } => (StatusCode::BAD_REQUEST, "header_mismatch"),
            UpstreamError::Redirect => (StatusCode::OK, "upstream_redirect"),
            UpstreamError::ReplicaUnavailable => (StatusCode::OK, "replica_gone"),
            UpstreamError::InvalidRequestState => (StatusCode::OK, "request_state"),
            UpstreamError::Status(_) => (StatusCode::OK, "upstream_status"),
            UpstreamError::Timeout => (StatusCode::OK, "timeout"),
            UpstreamError::TooLarge { .. } => (StatusCode::OK, "upstream_too_large"),
            UpstreamError::InputDeclined { .. } => (StatusCode::OK, "unanswered"),
            UpstreamError::Unauthorized { .. } => (StatusCode::OK, "upstream_unauthorized"),
            UpstreamError::Unavailable { .. } => (StatusCode::OK, "unavailable"),
        };
        let code = match error {
            UpstreamError::ParamMismatch { .. } => code::HEADER_MISMATCH,
            UpstreamError::InvalidRequestState => code::INVALID_PARAMS,
            _ => code::INTERNAL_ERROR,
        };
        let problem = Self::new(status, code, reason, error.to_string());
        match error {
            UpstreamError::Overloaded { retry_after }
            | UpstreamError::Unavailable { retry_after } => problem
                .with_data(
                    "retryAfterMs",
                    u64::try_from(retry_after.as_millis()).unwrap_or(0),
                )
                .with_retry_after(*retry_after),
            _ => problem,
        }
    }
}
