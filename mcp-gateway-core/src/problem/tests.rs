use std::io;

use serde_json::json;

use super::*;
use crate::approval::Unapproved;
use crate::credential::Challenge;
use crate::error::{
    AuthError, CredentialError, IdentityCause, NameKind, RequestError, RouteError, SessionError,
    UpstreamError,
};
use crate::jsonrpc::MessageError;
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

fn ambiguous(kind: NameKind) -> Error {
    RouteError::ambiguous_name(kind, "x", vec!["a__x".to_owned(), "b__x".to_owned()]).into()
}

fn unknown(kind: NameKind) -> Error {
    let name = "x".into();
    RouteError::UnknownName { kind, name }.into()
}

fn soon() -> Duration {
    Duration::from_millis(1200)
}

type Row = (Error, u16, i64, &'static str);

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

fn rows() -> impl Iterator<Item = Row> {
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

#[test]
fn every_error_has_its_place_on_the_wire() {
    for (error, status, code, reason) in rows() {
        let problem = Problem::from(&error);
        let found = (problem.status.as_u16(), problem.error.code, problem.reason);
        assert_eq!(found, (status, code, reason), "{error:?}");
        assert_eq!(
            problem.challenge.is_some(),
            status == 401 || (status, reason) == (403, "insufficient_scope")
        );
        let data = problem.error.data.unwrap_or_default();
        if reason == "unsupported_protocol_version" {
            // The specification says what is in it.
            assert_eq!(data["requested"], "2020-01-01");
        } else {
            assert_eq!(data["reason"], reason);
        }
        let is_of_server = matches!(error, Error::Credential { .. } | Error::Upstream { .. });
        // What is held back looks unknown.
        let is_named = is_of_server && reason != "unknown_tool";
        let expected = if is_named {
            json!("github")
        } else {
            Value::Null
        };
        assert_eq!(data["server"], expected, "{error:?}");
    }
}

#[test]
fn causes_stay_inside() {
    for (error, ..) in rows() {
        let problem = Problem::from(&error);
        let told = format!("{:?}", problem.error);
        assert!(!told.contains("secret detail"), "{told}");
    }
}

#[test]
fn whoever_comes_back_in_time_does_not_come_in_vain() {
    let limited = |millis| {
        let retry_after = Duration::from_millis(millis);
        Problem::from(&Error::RateLimited { retry_after }).retry_after
    };
    for (millis, seconds) in [(0, 1), (10, 1), (1000, 1), (1001, 2), (59_500, 60)] {
        assert_eq!(
            limited(millis),
            Some(Duration::from_secs(seconds)),
            "{millis}"
        );
    }
}

#[test]
fn a_missing_resource_has_the_code_of_the_era() {
    let problem = Problem::from(&unknown(NameKind::Resource));
    assert_eq!(problem.clone().in_era(Era::Legacy).error.code, -32002);
    assert_eq!(problem.in_era(Era::Modern).error.code, -32602);
    let tool = Problem::from(&unknown(NameKind::Tool)).in_era(Era::Legacy);
    assert_eq!(tool.error.code, -32602);
}

#[test]
fn an_ambiguous_name_is_followed_by_unambiguous_ones() {
    let problem = Problem::from(&ambiguous(NameKind::Tool));
    assert_eq!(problem.error.message, "Ambiguous tool: x; use a__x or b__x");
    let data = problem.error.data.unwrap();
    assert_eq!(data["candidates"], json!(["a__x", "b__x"]));
}

#[test]
fn required_scopes_are_joined_in_the_challenge() {
    let scopes = vec!["mcp:read".into(), "mcp:write".into()];
    let problem = Problem::from(&AuthError::InsufficientScope { scopes });
    assert_eq!(
        problem.challenge.as_deref(),
        Some("error=\"insufficient_scope\", scope=\"mcp:read mcp:write\"")
    );
}

#[test]
fn a_nonce_is_sent_with_its_challenge() {
    let error = AuthError::NonceRequired {
        nonce: "n-1".into(),
    };
    let response = Problem::from(&error).to_response(());
    assert_eq!(response.headers()["dpop-nonce"], "n-1");
    let challenge = &response.headers()["www-authenticate"];
    assert_eq!(challenge, "DPoP error=\"use_dpop_nonce\"");
    let invalid = Problem::from(&AuthError::InvalidProof).to_response(());
    assert!(!invalid.headers().contains_key("dpop-nonce"));
}

#[test]
fn a_limit_is_named_with_the_time_to_wait() {
    let problem = |seconds| {
        Problem::from(&Error::LimitReached {
            limit: "searches per user".into(),
            retry_after: Duration::from_secs(seconds),
        })
    };
    for (seconds, time) in [
        (0, "1 s"),
        (120, "120 s"),
        (121, "3 min"),
        (7201, "3 h"),
        (172_801, "3 days"),
    ] {
        let message = format!("The limit \"searches per user\" is reached; try again in {time}");
        assert_eq!(problem(seconds).error.message, message);
    }
    let data = problem(2).error.data.unwrap();
    assert_eq!(data["limit"], "searches per user");
    assert_eq!(
        (&data["retryAfterMs"], &data["reason"]),
        (&json!(2000), &json!("rate_limited"))
    );
}
