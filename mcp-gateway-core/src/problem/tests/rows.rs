//! Errors with their places on the wire.

use std::io;
use std::time::Duration;

use http::{StatusCode, header};

use crate::approval::Unapproved;
use crate::credential::Challenge;
use crate::error::{
    AuthError, CredentialError, IdentityCause, NameKind, RequestError, RouteError, SessionError,
    UpstreamError,
};
use crate::jsonrpc::MessageError;
use crate::protocol::Era;
use crate::{Error, SealError};

fn other() -> crate::BoxError {
    io::Error::other("secret detail").into()
}

fn of_server(source: UpstreamError) -> Error {
    let server = "github".into();
    Error::Upstream { server, source }
}

fn of_credential(source: CredentialError) -> Error {
    let server = "github".into();
    Error::Credential { server, source }
}

pub(super) fn ambiguous(kind: NameKind) -> Error {
    RouteError::ambiguous_name(kind, "x", vec!["a__x".to_owned(), "b__x".to_owned()]).into()
}

pub(super) fn unknown(kind: NameKind) -> Error {
    let name = "x".into();
    RouteError::UnknownName { kind, name }.into()
}

fn soon() -> Duration {
    Duration::from_millis(1200)
}

pub(super) type Row = (Error, u16, i64, &'static str);

fn row(error: impl Into<Error>, status: u16, code: i64, reason: &'static str) -> Row {
    (error.into(), status, code, reason)
}

fn of_callers() -> Vec<Row> {
    let scopes = vec!["write".into()];
    let insufficient = AuthError::InsufficientScope { scopes };
    let limited = Error::RateLimited {
        retry_after: soon(),
    };
    vec![
        row(insufficient, 403, -32600, "insufficient_scope"),
        row(AuthError::InvalidProof, 401, -32600, "invalid_dpop_proof"),
        row(
            AuthError::NonceRequired { nonce: "n".into() },
            401,
            -32600,
            "use_dpop_nonce",
        ),
        row(AuthError::InvalidToken, 401, -32600, "invalid_token"),
        row(AuthError::MissingToken, 401, -32600, "missing_token"),
        row(
            AuthError::Unavailable(other()),
            503,
            -32603,
            "auth_unavailable",
        ),
        row(limited, 429, -32603, "rate_limited"),
        row(
            Error::LimitReached {
                limit: "searches".into(),
                retry_after: soon(),
            },
            429,
            -32603,
            "rate_limited",
        ),
        row(SessionError::Seal(SealError), 500, -32603, "internal"),
        row(SessionError::TooMany, 429, -32603, "too_many_sessions"),
        row(SessionError::Unknown, 404, -32600, "unknown_session"),
        row(Error::Other(other()), 500, -32603, "internal"),
    ]
}

fn of_messages() -> Vec<Row> {
    let (id, detail) = (None, "x".into());
    let invalid = MessageError::Invalid { id, detail };
    let (id, detail) = (None, "x".into());
    let params = MessageError::Params { id, detail };
    let detail = "x".into();
    vec![
        row(MessageError::Batch, 400, -32600, "batch"),
        row(invalid, 400, -32600, "invalid_request"),
        row(params, 400, -32602, "invalid_params"),
        row(MessageError::Syntax { detail }, 400, -32700, "parse_error"),
        row(MessageError::TooDeep, 400, -32600, "too_deep"),
    ]
}

fn of_requests() -> Vec<Row> {
    let detail = "x".into();
    let mismatch = RequestError::HeaderMismatch { detail };
    let (key, detail) = ("k", "x");
    let meta = RequestError::InvalidMeta { key, detail };
    let detail = "x".into();
    let params = RequestError::InvalidParams { detail };
    let (host, origin, what) = ("x".into(), "x".into(), "x".into());
    let unexpected = RequestError::UnexpectedMessage { what };
    let requested = "2020-01-01".into();
    let version = RequestError::UnsupportedProtocolVersion { requested };
    vec![
        row(RequestError::Accept, 406, -32600, "accept"),
        row(RequestError::Body(other()), 400, -32700, "body"),
        row(RequestError::BodyTimeout, 408, -32600, "body_timeout"),
        row(RequestError::ContentType, 415, -32600, "content_type"),
        row(RequestError::DuplicateId, 400, -32600, "duplicate_id"),
        row(mismatch, 400, -32020, "header_mismatch"),
        row(RequestError::Host { host }, 403, -32600, "host"),
        row(RequestError::HttpMethod, 405, -32600, "http_method"),
        row(meta, 400, -32602, "invalid_meta"),
        row(params, 200, -32602, "invalid_params"),
        row(RequestError::MissingSession, 400, -32600, "missing_session"),
        row(RequestError::Origin { origin }, 403, -32600, "origin"),
        row(
            RequestError::TooLarge { limit: 1 },
            413,
            -32600,
            "too_large",
        ),
        row(unexpected, 400, -32600, "unexpected_message"),
        row(
            RequestError::UnknownEventStream,
            400,
            -32600,
            "unknown_stream",
        ),
        row(version, 400, -32022, "unsupported_protocol_version"),
    ]
}

fn of_targets() -> Vec<Row> {
    let reason = "x".into();
    let denied = Error::Denied { reason };
    let method = "x".into();
    let method = RouteError::UnknownMethod { method };
    let connected = of_credential(CredentialError::NotConnected { url: None });
    let exchanged = of_credential(CredentialError::IdentityRequired {
        issuer: "https://idp.example".into(),
        cause: IdentityCause::Missing,
        claims: None,
        url: None,
    });
    let owner = "the organization".into();
    let shared = of_credential(CredentialError::SharedNotConnected { owner });
    let required = "one of https://idp.example.com".into();
    let identity = of_credential(CredentialError::IdentityTokenRequired { required });
    let store = of_credential(CredentialError::Unavailable(other()));
    let code = "invalid_client".into();
    let client = of_credential(CredentialError::ClientRejected { code });
    let scopes = "write".into();
    let scope = of_credential(CredentialError::InsufficientScope { scopes, url: None });
    vec![
        row(
            Error::from(Unapproved::Impossible),
            200,
            -32600,
            "approval_required",
        ),
        row(denied, 200, -32600, "denied"),
        row(method, 404, -32601, "method_not_found"),
        row(ambiguous(NameKind::Prompt), 200, -32602, "ambiguous_prompt"),
        row(
            ambiguous(NameKind::Resource),
            200,
            -32602,
            "ambiguous_resource",
        ),
        row(ambiguous(NameKind::Task), 200, -32602, "ambiguous_task"),
        row(ambiguous(NameKind::Tool), 200, -32602, "ambiguous_tool"),
        row(unknown(NameKind::Prompt), 200, -32602, "unknown_prompt"),
        row(unknown(NameKind::Resource), 200, -32602, "unknown_resource"),
        row(unknown(NameKind::Task), 200, -32602, "unknown_task"),
        row(unknown(NameKind::Tool), 200, -32602, "unknown_tool"),
        row(connected, 200, -32603, "not_connected"),
        row(exchanged, 200, -32603, "identity_required"),
        row(shared, 200, -32603, "not_connected"),
        row(identity, 200, -32603, "identity_token_required"),
        row(store, 200, -32603, "credential_store"),
        row(client, 200, -32603, "client_rejected"),
        row(scope, 200, -32603, "insufficient_scope"),
    ]
}

fn of_servers() -> Vec<Row> {
    let (what, server) = ("a task", Era::Modern);
    let (header, detail) = (header::ACCEPT, "x".into());
    let row = |error, status, code, reason| row(of_server(error), status, code, reason);
    let status = UpstreamError::Status(StatusCode::FORBIDDEN);
    let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &http::HeaderMap::new());
    vec![
        row(UpstreamError::Closed, 200, -32603, "upstream_closed"),
        row(
            UpstreamError::HeldBack(RouteError::unknown_name(NameKind::Tool, "x")),
            200,
            -32602,
            "unknown_tool",
        ),
        row(
            UpstreamError::connect(other()),
            200,
            -32603,
            "upstream_connect",
        ),
        row(
            UpstreamError::Unsupported { what, server },
            200,
            -32603,
            "era",
        ),
        row(UpstreamError::invalid("x"), 200, -32603, "upstream_invalid"),
        row(
            UpstreamError::UnknownServer,
            200,
            -32603,
            "upstream_not_found",
        ),
        row(
            UpstreamError::ParamMismatch { header },
            400,
            -32020,
            "header_mismatch",
        ),
        row(UpstreamError::Redirect, 200, -32603, "upstream_redirect"),
        row(
            UpstreamError::InvalidRequestState,
            200,
            -32602,
            "request_state",
        ),
        row(status, 200, -32603, "upstream_status"),
        row(
            UpstreamError::InputDeclined { detail },
            200,
            -32603,
            "unanswered",
        ),
        row(
            UpstreamError::Unauthorized { challenge },
            200,
            -32603,
            "upstream_unauthorized",
        ),
    ]
}

fn of_limits() -> Vec<Row> {
    let (limit, retry_after) = (1, soon());
    let row = |error, status, reason| row(of_server(error), status, -32603, reason);
    vec![
        row(UpstreamError::Overloaded { retry_after }, 429, "overloaded"),
        row(UpstreamError::Timeout, 200, "timeout"),
        row(UpstreamError::TooLarge { limit }, 200, "upstream_too_large"),
        row(
            UpstreamError::Unavailable { retry_after },
            200,
            "unavailable",
        ),
    ]
}

pub(super) fn rows() -> impl Iterator<Item = Row> {
    let concerns = [
        of_callers(),
        of_messages(),
        of_requests(),
        of_targets(),
        of_servers(),
        of_limits(),
    ];
    concerns.into_iter().flatten()
}
