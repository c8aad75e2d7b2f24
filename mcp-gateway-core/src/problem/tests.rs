mod rows;

use serde_json::json;

use self::rows::{ambiguous, rows, unknown};
use super::*;
use crate::Error;
use crate::error::{AuthError, NameKind};

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
