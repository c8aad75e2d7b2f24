//! Problems of callers without a credential for a server.

use http::StatusCode;

use super::{Problem, Variation};
use crate::error::{CredentialError, IdentityCause};
use crate::jsonrpc::code;

/// Returns the problem of a caller without a credential for `server`.
pub(super) fn credential(server: &str, error: &CredentialError) -> Problem {
    match error {
        CredentialError::ClientRejected { code: error } => Problem::new(
            StatusCode::OK,
            code::INTERNAL_ERROR,
            "client_rejected",
            format!(
                "The authorization server of the server {server:?} does not accept the gateway \
                 ({error}); ask an administrator to correct the client in its configuration"
            ),
        ),
        CredentialError::IdentityRequired {
            issuer,
            cause,
            claims,
            url,
        } => {
            let problem = identity_required(server, (issuer, *cause), url.as_deref());
            match claims {
                Some(claims) => problem.with_data("claims", &**claims),
                None => problem,
            }
        }
        CredentialError::InsufficientScope { scopes, url } => {
            insufficient_scope(server, scopes, url.as_deref())
        }
        CredentialError::IdentityTokenRequired { required } => {
            identity_token_required(server, required)
        }
        CredentialError::NotConnected { url } => not_connected(server, url.as_deref()),
        CredentialError::Replaced => Problem::new(
            StatusCode::OK,
            code::INTERNAL_ERROR,
            "server_replaced",
            format!("The server {server:?} has just been replaced; try again"),
        ),
        CredentialError::SharedNotConnected { owner } => shared_not_connected(server, owner),
        CredentialError::Unavailable(_) => Problem::new(
            StatusCode::OK,
            code::INTERNAL_ERROR,
            "credential_store",
            format!("The credential of the server {server:?} is unavailable; try again later"),
        ),
    }
}

/// Returns the problem of a caller without an account of `server`, which can be connected at `url`.
///
/// Without a URL, nobody can log in for the caller, such as the holder of a static token.
fn not_connected(server: &str, url: Option<&str>) -> Problem {
    let advice = match url {
        Some(url) => format!("connect one at {url}"),
        None => "it can be connected by a user who is logged in".to_owned(),
    };
    let message = format!("You have not connected an account of the server {server:?}; {advice}");
    let reason = "not_connected";
    let problem = Problem::new(StatusCode::OK, code::INTERNAL_ERROR, reason, message)
        .with_variation(Variation::Solvable);
    match url {
        Some(url) => problem.with_data("url", url),
        None => problem,
    }
}

/// Returns the problem of a caller whose account of `server` lacks `scopes`, which can be granted
/// at `url`.
fn insufficient_scope(server: &str, scopes: &str, url: Option<&str>) -> Problem {
    let named = match scopes {
        "" => String::new(),
        scopes => format!(" ({scopes})"),
    };
    let advice = match url {
        Some(url) => format!("; grant them at {url}"),
        None => "; ask an administrator for them".to_owned(),
    };
    let message =
        format!("The account for the server {server:?} lacks scopes of this call{named}{advice}");
    let reason = "insufficient_scope";
    let problem = Problem::new(StatusCode::OK, code::INTERNAL_ERROR, reason, message)
        .with_variation(Variation::Solvable)
        .with_data("scopes", scopes);
    match url {
        Some(url) => problem.with_data("url", url),
        None => problem,
    }
}

/// Returns the problem of a caller who has not presented the identity token that `server` requires.
fn identity_token_required(server: &str, required: &str) -> Problem {
    let message = format!(
        "The server {server:?} is called with your own token of an identity provider; present \
         {required} to the gateway"
    );
    let reason = "identity_token_required";
    Problem::new(StatusCode::OK, code::INTERNAL_ERROR, reason, message)
        .with_data("required", required)
        .with_variation(Variation::Solvable)
}

/// Returns the problem of a caller whose identity at `issuer` cannot be exchanged for a token of
/// `server`, and who can log in there at `url`.
fn identity_required(
    server: &str,
    (issuer, cause): (&str, IdentityCause),
    url: Option<&str>,
) -> Problem {
    let missing = match cause {
        IdentityCause::Denied => "which does not permit you to use it; ask your administrator",
        IdentityCause::Interaction => "which requires you to confirm it",
        IdentityCause::Missing => "with which you are not logged in",
        IdentityCause::Rejected => "which does not accept your login any more",
    };
    let advice = match (cause, url) {
        (IdentityCause::Denied, _) => String::new(),
        (_, Some(url)) => format!("; log in at {url}"),
        (_, None) => "; log in there, and call again".to_owned(),
    };
    let message = format!(
        "The server {server:?} is called with your identity at {issuer}, {missing}{advice}"
    );
    let reason = "identity_required";
    let problem = Problem::new(StatusCode::OK, code::INTERNAL_ERROR, reason, message)
        .with_variation(Variation::Solvable)
        .with_data("issuer", issuer)
        .with_data("cause", cause.as_str());
    match url {
        Some(url) => problem.with_data("url", url),
        None => problem,
    }
}

/// Returns the problem of a caller of `server` with the account of `owner`, which is missing.
fn shared_not_connected(server: &str, owner: &str) -> Problem {
    let message = format!(
        "The server {server:?} is called here with the account of {owner}, which is not connected; \
         ask an administrator of {owner} to connect it"
    );
    let reason = "not_connected";
    Problem::new(StatusCode::OK, code::INTERNAL_ERROR, reason, message)
        .with_data("owner", owner)
        .with_variation(Variation::Solvable)
}
