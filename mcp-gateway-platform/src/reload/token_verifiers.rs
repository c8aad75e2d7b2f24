//! Verifiers of the tokens of one kind, as a spec configures them.

use std::sync::Arc;

use mcp_gateway_auth::StaticTokens;
use mcp_gateway_auth::egress::{ClientAuth, Egress};
use mcp_gateway_auth::jose::Validation;
use mcp_gateway_auth::jwks::RemoteJwks;
use mcp_gateway_auth::token::{Introspection, Issuer};
use mcp_gateway_auth::users::Role;
use mcp_gateway_core::auth::Principal;

use crate::spec::{self, Auth};

/// Returns the verifier of the static tokens.
pub(super) fn static_tokens(auth: &Auth) -> StaticTokens {
    let token = |tokens: StaticTokens, token: &spec::Token| {
        let principal = Principal::new(Arc::clone(&token.name));
        let principal = match token.is_admin {
            true => principal.with_role(Role::Admin.as_str()),
            false => principal,
        };
        let teams = token.teams.iter().map(Arc::clone);
        tokens.with_token(
            token.secret.expose(),
            teams.fold(principal, Principal::with_team),
        )
    };
    auth.tokens.iter().fold(StaticTokens::new(), token)
}

/// Returns the verifier of `issuer`. The audience is its own, or one of `audiences`.
pub(super) fn external(
    issuer: &spec::Issuer,
    keys: RemoteJwks,
    audiences: &[String],
) -> Option<Issuer> {
    let own = issuer.audience.as_ref().map(std::slice::from_ref);
    let (first, others) = own.unwrap_or(audiences).split_first()?;
    let mut expectation = Validation::new(&issuer.issuer, first).with_required(["sub"]);
    for audience in others {
        expectation = expectation.with_audience(audience);
    }
    if !issuer.types.is_empty() {
        // Some providers leave the type out.
        let (untyped, typed): (Vec<_>, Vec<_>) =
            issuer.types.iter().partition(|typ| *typ == UNTYPED);
        expectation = expectation.with_types(typed);
        if !untyped.is_empty() {
            expectation = expectation.with_untyped();
        }
    }
    if !issuer.algorithms.is_empty() {
        expectation = expectation.with_algorithms(issuer.algorithms.iter().copied());
    }
    let mapped = Issuer::new(expectation, keys).with_mapping(issuer.claims.mapping());
    let scopes = issuer.scopes.iter().map(String::as_str);
    Some(scopes.fold(mapped, Issuer::with_required_scope))
}

/// Returns the verifier that introspects tokens. The audience is its own, or the first of
/// `audiences`.
pub(super) fn introspection(
    asked: &spec::Introspection,
    egress: Egress,
    audiences: &[String],
) -> Option<Introspection> {
    let audience = asked.audience.as_ref().or_else(|| audiences.first())?;
    let auth = ClientAuth::Basic {
        client_id: asked.client_id.clone(),
        secret: asked.client_secret.expose().to_owned(),
    };
    let introspection = Introspection::new(&asked.issuer, audience, &asked.url, egress)
        .with_auth(auth)
        .with_mapping(asked.claims.mapping());
    let scopes = asked.scopes.iter().map(String::as_str);
    Some(scopes.fold(introspection, Introspection::with_required_scope))
}

/// Type in a spec that stands for tokens without `typ`.
const UNTYPED: &str = "none";

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::egress::EgressPolicy;

    use super::*;
    use crate::auth::remote_keys;

    #[test]
    fn tokens_without_a_type_are_taken_only_if_that_is_said() {
        let egress = Egress::new(EgressPolicy::new()).unwrap();
        let wanted = |types: &[&str]| {
            let mut definition = spec::Issuer::new("https://a.example");
            definition.types = types.iter().copied().map(str::to_owned).collect();
            let keys = remote_keys("https://a.example", None, &egress);
            let issuer = external(&definition, keys, &["x".to_owned()]).unwrap();
            format!("{issuer:?}")
        };
        assert!(wanted(&["JWT", "none"]).contains("types: [\"jwt\"], untyped: true"));
        assert!(wanted(&["JWT"]).contains("types: [\"jwt\"], untyped: false"));
        assert!(wanted(&[]).contains("types: [\"at+jwt\"], untyped: false"));
    }
}
