//! Resources (RFC 8707): gateways, and servers behind a reverse proxy.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_auth::server::{HiddenResources, Resource, TokenBinding};
use url::Url;

use crate::error::PlatformError;
use crate::spec::{self, Auth, DynamicSpec, Visibility};

/// Scope with its description for users.
type Scope = (Arc<str>, Arc<str>);

/// Resources of a platform.
#[derive(Clone, Debug)]
pub(crate) struct ResourceSet {
    /// Gateways, the default one first.
    pub(crate) gateways: Vec<Resource>,
    /// Position of the default gateway in the spec.
    default_gateway: usize,
    /// Servers behind a reverse proxy.
    pub(crate) forward: Vec<Resource>,
    /// Names of gateways that strangers cannot tell from those of restricted gateways; `None` if
    /// there are none of those.
    pub(crate) hidden: Option<HiddenResources>,
}

impl ResourceSet {
    /// Returns the resource of the gateway at position `at` in the spec.
    pub(crate) fn of_gateway(&self, at: usize) -> Option<&Resource> {
        let default = self.default_gateway;
        self.gateways.get(match at {
            at if at == default => 0,
            at if at < default => at + 1,
            at => at,
        })
    }

    /// Returns all resources.
    pub(crate) fn all(&self) -> Vec<Resource> {
        [&*self.gateways, &*self.forward].concat()
    }
}

/// Returns the resources of `config` at `base`.
///
/// Without an authorization server of the platform (`has_authority`), clients request the scopes
/// that other issuers must grant.
///
/// # Errors
///
/// [`PlatformError::BasePath`] if `base` has no paths below it, and [`PlatformError::Resource`] for
/// a duplicate URL.
pub(crate) fn resources(
    config: &DynamicSpec,
    has_authority: bool,
    base: &Url,
) -> Result<ResourceSet, PlatformError> {
    let gateways = config.gateways.iter().enumerate();
    let resources = gateways
        .map(|(at, gateway)| resource(gateway, at == config.default_gateway, base))
        .collect::<Option<Vec<_>>>();
    let mut resources = resources.ok_or_else(|| PlatformError::BasePath { base: base.clone() })?;
    let asked = (!has_authority).then(|| scopes_of_others(&config.auth));
    if let Some(scopes) = &asked {
        for resource in &mut resources {
            resource.scopes.clone_from(scopes);
        }
    }
    if config.default_gateway < resources.len() {
        resources[..=config.default_gateway].rotate_right(1);
    }
    let mut forward: Vec<Resource> = Vec::new();
    for definition in &config.auth.forward {
        let url = &definition.url;
        let mut known = resources.iter().chain(&forward);
        if known.any(|known| known.uri == *url || known.aliases.contains(url)) {
            return Err(PlatformError::Resource { url: url.clone() });
        }
        forward.push(behind_a_proxy(definition, asked.as_deref()));
    }
    let mut gateways = config.gateways.iter();
    let is_restricted = gateways.any(|gateway| gateway.visibility.is_restricted());
    let hidden = is_restricted.then(|| hidden(asked.as_deref(), base));
    Ok(ResourceSet {
        gateways: resources,
        default_gateway: config.default_gateway,
        forward,
        hidden: hidden.flatten(),
    })
}

/// Returns the names below the path of gateways, with the scopes `asked` of others, if any.
fn hidden(asked: Option<&[Scope]>, base: &Url) -> Option<HiddenResources> {
    let mut below = resource(&spec::GatewaySpec::new(""), false, base)?;
    if let Some(scopes) = asked {
        below.scopes = scopes.to_vec();
    }
    // Paths of the default gateway.
    Some(HiddenResources::below(below).except(["messages", "sse"]))
}

/// Returns the resource of a server behind a reverse proxy.
fn behind_a_proxy(definition: &spec::Forward, asked: Option<&[Scope]>) -> Resource {
    let spec::Forward {
        name,
        url,
        scopes,
        teams,
    } = definition;
    let mut resource = Resource::new(url.clone(), Arc::clone(name));
    if !scopes.is_empty() {
        let scopes = scopes.iter();
        let scopes = scopes.map(|(name, meaning)| (name.as_str().into(), meaning.as_str().into()));
        resource.scopes = scopes.collect();
    } else if let Some(scopes) = asked {
        resource.scopes = scopes.to_vec();
    }
    match teams {
        Some(teams) => resource.with_teams(teams.clone()),
        None => resource,
    }
}

/// Returns the scopes that tokens of other issuers must have.
fn scopes_of_others(auth: &Auth) -> Vec<Scope> {
    let asked = auth.introspection.iter().flat_map(|asked| &asked.scopes);
    let names = auth.issuers.iter().flat_map(|issuer| &issuer.scopes);
    let names: BTreeSet<_> = names.chain(asked).collect();
    let scope = |name: &String| (name.as_str().into(), name.as_str().into());
    names.into_iter().map(scope).collect()
}

/// Returns the resource of `gateway`, with an alias for each of its other URLs.
///
/// The first URL is the audience of tokens: that of the identifier, which outlives changes of the
/// name. The default gateway has two paths more. Returns `None` if `base` cannot have paths.
fn resource(gateway: &spec::GatewaySpec, is_default: bool, base: &Url) -> Option<Resource> {
    let named = gateway.id.iter().chain([&gateway.name]);
    let named = named.map(|segment| format!("/v1/mcp/{segment}"));
    let mut paths: Vec<String> = match is_default {
        true => vec!["/mcp".to_owned(), "/v1/mcp".to_owned()],
        false => Vec::new(),
    };
    paths.extend(named);
    let hosts = hosts(base);
    let urls = hosts
        .iter()
        .flat_map(|host| paths.iter().map(|path| host.join(path).ok()));
    let urls: Vec<_> = urls.collect::<Option<_>>()?;
    let (first, aliases) = urls.split_first()?;
    let name = gateway.title.as_ref().unwrap_or(&gateway.name);
    let resource = Resource::new(first.clone(), Arc::clone(name));
    let resource = aliases.iter().cloned().fold(resource, Resource::with_alias);
    let resource = resource.with_binding(match gateway.requires_bound_tokens {
        true => TokenBinding::Required,
        false => TokenBinding::Optional,
    });
    Some(match &gateway.visibility {
        Visibility::Organization => resource,
        Visibility::Teams(teams) => resource.with_teams(teams.clone()),
        Visibility::User(user) => resource.with_user(Arc::clone(user)),
    })
}

/// Returns `base`, and the same URL with the other names of this machine.
///
/// The others exist only for `http` at a loopback address.
fn hosts(base: &Url) -> Vec<Url> {
    const OWN: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
    let mut hosts = vec![base.clone()];
    if base.scheme() == "http" && base.host_str().is_some_and(|host| OWN.contains(&host)) {
        for name in OWN {
            let mut other = base.clone();
            if other.set_host(Some(name)).is_ok() && other != *base {
                hosts.push(other);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Forward;

    #[test]
    fn nothing_that_tokens_are_for_has_the_url_of_something_else() {
        let named = |url: &str| {
            let mut spec = DynamicSpec::default();
            let url = url.parse().unwrap();
            spec.auth.forward = vec![Forward::new("notes", url)];
            let base = "http://127.0.0.1:8080".parse().unwrap();
            resources(&spec, true, &base)
        };
        let resources = named("http://127.0.0.1:8080/notes").unwrap();
        assert_eq!((resources.gateways.len(), resources.forward.len()), (1, 1));
        assert_eq!(resources.all()[0].name, "default".into());
        for taken in [
            "http://127.0.0.1:8080/mcp",
            "http://localhost:8080/v1/mcp/default",
        ] {
            let error = named(taken).unwrap_err().to_string();
            assert!(error.contains(taken), "{error}");
        }
    }
}
