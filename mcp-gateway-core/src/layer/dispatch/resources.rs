//! Routing by the URI of a resource.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scoped_uri::{UriScope, edit_reply, has_scope, scoped, unscoped};
use super::{Listings, RoutedService, Shared, send};
use crate::call::Routed;
use crate::catalog::ListKind;
use crate::error::{NameKind, RouteError};
use crate::json::Fields;
use crate::jsonrpc::code;
use crate::protocol::Method;
use crate::reply::CallOutcome;
use crate::results::{self, PieceUri};
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

/// Known owners of resources.
///
/// Resources keep the URIs of their servers, because servers refer to them in results, and clients
/// may have them from elsewhere. If two servers have the same URI, that of the later one is
/// qualified by the name of its server: `files+file:///a`.
#[derive(Debug, Default)]
pub(super) struct ResourceIndex {
    known: Mutex<ResourceOwners>,
}

/// Known owners of resources.
#[derive(Debug, Default)]
struct ResourceOwners {
    /// Server of a URI, per principal.
    servers: HashMap<(Arc<str>, Box<str>), Arc<str>>,
    /// URIs per server that an earlier server has as well.
    renamed: HashMap<Arc<str>, HashSet<Box<str>>>,
}

/// Returns the qualified URI of a resource whose URI an earlier server has as well.
pub(super) fn qualified(server: &str, uri: &str) -> String {
    scoped(server, uri).unwrap_or_else(|| format!("{server}+{uri}"))
}

/// Returns the URI under which clients see `uri` of `server`, if it is another one: scoped by
/// `scope`, otherwise qualified if it `is_renamed`.
pub(super) fn exposed(
    server: &str,
    uri: &str,
    scope: Option<&UriScope>,
    is_renamed: impl FnOnce() -> bool,
) -> Option<String> {
    let scoped = scope.and_then(|scope| scope.exposed(uri));
    scoped.or_else(|| is_renamed().then(|| qualified(server, uri)))
}

impl ResourceIndex {
    /// Records the URIs that several servers have.
    pub(super) fn record_listing(&self, kind: ListKind, listings: &Listings) {
        if kind != ListKind::Resources || listings.len() < 2 {
            return;
        }
        let mut seen = HashSet::new();
        let mut renamed: HashMap<Arc<str>, HashSet<Box<str>>> = HashMap::new();
        for (server, listing) in listings {
            for entry in listing.entries() {
                if !seen.insert(&**entry.name()) {
                    renamed
                        .entry(Arc::clone(server))
                        .or_default()
                        .insert((&**entry.name()).into());
                }
            }
        }
        self.owners().renamed = renamed;
    }

    /// Returns `true` if an earlier server has the `uri` of `server` as well.
    fn is_renamed(&self, server: &str, uri: &str) -> bool {
        let known = self.owners();
        let renamed = known.renamed.get(server);
        renamed.is_some_and(|uris| uris.contains(uri))
    }

    /// Returns the URIs of `server` that clients see qualified.
    pub(super) fn renamed_uris(&self, server: &str) -> HashSet<String> {
        let known = self.owners();
        let uris = known.renamed.get(server).into_iter().flatten();
        uris.map(|uri| uri.to_string()).collect()
    }

    /// Returns the remembered server of `uri` for a principal.
    fn server(&self, subject: &Arc<str>, uri: &str) -> Option<Arc<str>> {
        self.owners()
            .servers
            .get(&(Arc::clone(subject), uri.into()))
            .cloned()
    }

    /// Remembers the server of `uri` for a principal.
    fn record(&self, subject: &Arc<str>, uri: &str, server: &Arc<str>) {
        let mut known = self.owners();
        if known.servers.len() >= MAX_KNOWN {
            known.servers.clear();
        }
        known
            .servers
            .insert((Arc::clone(subject), uri.into()), Arc::clone(server));
    }

    /// Forgets the server of `uri` for a principal.
    fn remove(&self, subject: &Arc<str>, uri: &str) {
        self.owners()
            .servers
            .remove(&(Arc::clone(subject), uri.into()));
    }

    /// Locks the known owners.
    fn owners(&self) -> MutexGuard<'_, ResourceOwners> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Returns the URI under which clients see `uri` of `server`, if it is another one.
    pub(super) fn exposed_uri(&self, server: &Arc<str>, uri: &str) -> Option<String> {
        let is_renamed = || self.resources.is_renamed(server, uri);
        exposed(server, uri, self.uri_scope(server).as_ref(), is_renamed)
    }

    /// Forwards a call that names a resource to the server that has it.
    pub(super) async fn resource<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let uri = uri_of(&call);
        if let [server] = &*self.router.servers() {
            let feature = Feature::Resource((&*uri).into());
            return send(inner, call.advance(|()| Routed::to(server, feature))).await;
        }
        if results::is_reserved(&uri) {
            let server = self.server_of_result(&uri)?;
            return self.read_from(&inner, &call, &server, &uri).await;
        }
        if has_scope(&uri) {
            return self.scoped_resource(&inner, &call, &uri).await;
        }
        let subject: Arc<str> = call.principal().subject().into();
        // The gateway may have lost the server since.
        let known = self.resources.server(&subject, &uri);
        let known = known.filter(|server| self.router.servers().contains(server));
        if let Some(server) = known {
            let reply = self.read_from(&inner, &call, &server, &uri).await?;
            if is_found(&reply) {
                return Ok(reply);
            }
            self.resources.remove(&subject, &uri);
        }
        if let Some((server, raw)) = self.qualifier(&uri) {
            let reply = self.read_from(&inner, &call, &server, &raw).await?;
            let name = Arc::clone(&server);
            return edit_reply(reply, &server, move |uri| Some(qualified(&name, uri))).await;
        }
        for server in self.candidates(&inner, &call, &uri).await? {
            let reply = self.read_from(&inner, &call, &server, &uri).await;
            match reply {
                Ok(reply) if is_found(&reply) => {
                    self.resources.record(&subject, &uri, &server);
                    return Ok(reply);
                }
                Ok(_) | Err(Error::Route(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(RouteError::unknown_name(NameKind::Resource, &uri).into())
    }

    /// Returns the server of the kept result `uri`.
    fn server_of_result(&self, uri: &str) -> Result<Arc<str>, RouteError> {
        let servers = self.router.servers();
        let piece = PieceUri::parse(uri);
        let server = piece.and_then(|piece| servers.iter().find(|one| ***one == *piece.server));
        let server = server.map(Arc::clone);
        server.ok_or_else(|| RouteError::unknown_name(NameKind::Resource, uri))
    }

    /// Sends the call to `server` under its `uri`.
    pub(super) async fn read_from<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        server: &Arc<str>,
        uri: &str,
    ) -> Result<Reply, Error> {
        let stage = Routed::to(server, Feature::Resource(uri.into()));
        send(
            inner.clone(),
            call.for_request(call.request().clone(), stage),
        )
        .await
    }

    /// Splits a qualified URI into the server and its URI.
    pub(super) fn qualifier<'a>(&self, uri: &'a str) -> Option<(Arc<str>, Cow<'a, str>)> {
        let servers = self.router.servers();
        let find = |name: &str| servers.iter().find(|server| &***server == name).cloned();
        if let Some((name, raw)) = unscoped(uri) {
            return Some((find(name)?, raw.into()));
        }
        let (name, rest) = uri.split_once('+')?;
        let server = find(name)?;
        rest.contains(':').then_some((server, rest.into()))
    }

    /// Returns the servers that may have `uri`, most likely first.
    ///
    /// That is one that lists it. Otherwise they are those with a matching template, the most
    /// specific first, followed by all that have resources, because a server may refer to a
    /// resource that it does not list.
    pub(super) async fn candidates<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        uri: &str,
    ) -> Result<Vec<Arc<str>>, Error> {
        let resources = self.listings(ListKind::Resources, inner, call).await?;
        if let Some((server, _)) = resources.iter().find(|(_, list)| list.get(uri).is_some()) {
            return Ok(vec![Arc::clone(server)]);
        }
        let templates = self.listings(ListKind::Templates, inner, call).await?;
        let mut fitting: Vec<_> = templates
            .iter()
            .filter_map(|(server, list)| {
                let fits = list
                    .entries()
                    .iter()
                    .filter_map(|entry| template_score(entry.name(), uri));
                Some((fits.max()?, server))
            })
            .collect();
        // The sort is stable, so servers of equal rank keep their order.
        fitting.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
        let fitting = fitting.into_iter().map(|(_, server)| server);
        let supported = resources.iter().filter(|(_, list)| list.is_supported());
        let mut candidates: Vec<Arc<str>> = Vec::new();
        for server in fitting.chain(supported.map(|(server, _)| server)) {
            if !candidates.contains(server) {
                candidates.push(Arc::clone(server));
            }
        }
        Ok(candidates)
    }
}

impl Routed {
    /// Creates the stage of a call to a feature of `server`.
    pub(super) fn to(server: &Arc<str>, feature: Feature) -> Self {
        let target = Target::new(Arc::clone(server), feature);
        Self::new(target)
    }
}

/// Returns the URI of the resource that a call names.
fn uri_of(call: &Call) -> String {
    let request = call.request();
    if request.method() != &Method::CompletionComplete {
        return request.name().unwrap_or_default().into_owned();
    }
    let reference = request.param("ref").unwrap_or("{}");
    let fields = Fields::parse(reference, 0..reference.len()).unwrap_or_default();
    fields
        .string(reference, "uri")
        .unwrap_or_default()
        .into_owned()
}

/// Returns `true` if the server has the requested resource.
pub(super) fn is_found(reply: &Reply) -> bool {
    let missing = [
        code::INVALID_PARAMS,
        code::RESOURCE_NOT_FOUND,
        code::METHOD_NOT_FOUND,
    ];
    match reply {
        Reply::Json { body, .. } => {
            !matches!(body.outcome(), Some(CallOutcome::Error { code }) if missing.contains(&code))
        }
        Reply::Events(_) => true,
    }
}

/// Matches `uri` against a [template](https://www.rfc-editor.org/rfc/rfc6570); returns the number
/// of literal characters, or `None` if it does not match.
fn template_score(template: &str, uri: &str) -> Option<usize> {
    let mut literals = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        literals.push(&rest[..open]);
        let close = rest[open..].find('}')?;
        rest = &rest[open + close + 1..];
    }
    let Some(first) = literals.first() else {
        return (template == uri).then_some(template.len());
    };
    let mut left = uri.strip_prefix(first)?.strip_suffix(rest)?;
    for literal in &literals[1..] {
        let at = left.find(literal)?;
        left = &left[at + literal.len()..];
    }
    Some(literals.iter().map(|literal| literal.len()).sum::<usize>() + rest.len())
}

/// Maximum number of remembered URIs; beyond it all are forgotten.
const MAX_KNOWN: usize = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn templates_fit_by_what_is_not_variable() {
        assert_eq!(template_score("file:///{path}", "file:///a/b"), Some(8));
        assert_eq!(template_score("file:///a/{path}", "file:///a/b"), Some(10));
        assert_eq!(template_score("x://{a}/{b}.txt", "x://1/2.txt"), Some(9));
        assert_eq!(template_score("x://{a}/{b}.txt", "x://1-2.txt"), None);
        assert_eq!(template_score("x://a", "x://a"), Some(5));
        assert_eq!(template_score("x://a", "x://b"), None);
        assert_eq!(template_score("x://{a", "x://b"), None);
        assert_eq!(template_score("{+any}", "x://b"), Some(0));
    }

    proptest! {
        #[test]
        fn any_template_is_answered(template: String, uri: String) {
            let _ = template_score(&template, &uri);
        }

        #[test]
        fn what_a_template_gives_fits_it(parts in prop::collection::vec("[a-z/]{1,4}", 1..5)) {
            let template = parts.join("{x}");
            let uri = parts.join("0");
            prop_assert!(template_score(&template, &uri).is_some(), "{} {}", template, uri);
        }
    }
}
