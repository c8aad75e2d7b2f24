//! Login methods of a spec.
//!
//! Providers are asked for their metadata when somebody logs in, so that one that is down neither keeps
//! the gateway from starting nor the other methods from working.

use mcp_gateway_auth::Keyring;
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_auth::login::{GithubProvider, LoginSessions, OidcProvider};
use mcp_gateway_auth::users::Users;
use url::Url;

use crate::error::PlatformError;
use crate::spec;

/// Creates the browser sessions of `config` at `base`, with its login methods.
///
/// # Errors
///
/// [`PlatformError::Login`] if browsers would not keep the session cookie.
pub(crate) fn sessions(
    config: &spec::Login,
    users: Users,
    keyring: Keyring,
    base: &Url,
    egress: &Egress,
) -> Result<LoginSessions, PlatformError> {
    let host = base.origin().ascii_serialization();
    let sessions = LoginSessions::new(users, keyring, &host);
    let mut sessions = sessions.map_err(|source| PlatformError::Login {
        host,
        source: source.into(),
    })?;
    if config.has_accounts() {
        sessions = sessions.with_local_accounts();
    }
    if let Some(github) = &config.github {
        sessions = sessions.with_github(at_github(github, egress));
    }
    for provider in &config.providers {
        sessions = sessions.with_oidc(at_provider(provider, egress));
    }
    Ok(sessions)
}

/// Creates the identity provider GitHub.
fn at_github(config: &spec::GitHub, egress: &Egress) -> GithubProvider {
    let spec::GitHub {
        client_id,
        client_secret,
        users,
        organizations,
        url,
        api,
    } = config;
    let mut github = GithubProvider::new(client_id, client_secret.expose(), egress.clone());
    if let (Some(url), Some(api)) = (url, api) {
        github = github.with_urls(url, api);
    }
    for user in users {
        github = github.with_allowed_user(user);
    }
    for organization in organizations {
        github = github.with_allowed_organization(organization);
    }
    github
}

/// Creates an OpenID Connect identity provider.
fn at_provider(config: &spec::Provider, egress: &Egress) -> OidcProvider {
    let spec::Provider {
        name,
        issuer,
        client_id,
        ..
    } = config;
    let mut provider = OidcProvider::new(name, issuer, client_id, egress.clone());
    if let Some(secret) = &config.client_secret {
        provider = provider.with_secret(secret.expose());
    }
    if let Some(label) = &config.label {
        provider = provider.with_label(label);
    }
    if let Some(claim) = &config.groups {
        provider = provider.with_groups_claim(claim);
    }
    for scope in &config.scopes {
        provider = provider.with_scope(scope);
    }
    if config.keeps_id_tokens {
        provider = provider.with_kept_id_tokens();
    }
    for group in &config.allowed_groups {
        provider = provider.with_allowed_group(group);
    }
    for domain in &config.allowed_domains {
        provider = provider.with_allowed_domain(domain);
    }
    for (group, team) in &config.teams {
        provider = provider.with_team(group, team);
    }
    for (group, team) in &config.team_admins {
        provider = provider.with_administered_team(group, team);
    }
    provider
}
