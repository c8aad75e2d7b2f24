//! Routing by the URI of an app or a skill.
//!
//! A scoped URI belongs to the server that it names, whatever other servers have. Contents name the
//! URIs of their server, without a scope. Such a URI belongs to the server without a prefix, whose
//! URIs have no scope, otherwise to the only server that has it. If several have it, and nothing
//! tells which of them is meant, the call is rejected.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::resources::is_found;
use super::scoped_uri::scoped;
use super::{RoutedService, Shared};
use crate::call::Routed;
use crate::catalog::ListKind;
use crate::error::{NameKind, RouteError};
use crate::protocol::Method;
use crate::reply;
use crate::route::Feature;
use crate::{Call, Error, Reply};

impl Shared {
    /// Forwards a call that names an app or a skill to the server that has it.
    pub(super) async fn scoped_resource<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        uri: &str,
    ) -> Result<Reply, Error> {
        let is_read = call.request().method() == &Method::ResourcesRead;
        let is_app = is_read && uri.starts_with("ui://");
        let Some((server, raw)) = self.qualifier(uri) else {
            let listings = self.listings(ListKind::Resources, inner, call).await?;
            let servers = listings.into_iter().filter(|(_, list)| list.is_supported());
            let mut servers: Vec<_> = servers.map(|(server, _)| server).collect();
            if !is_read {
                servers.retain(|server| self.router.is_transparent(server));
            }
            return self.only_owner(inner, call, uri, servers).await;
        };
        let reply = self.read_from(inner, call, &server, &raw).await?;
        if is_app && is_found(&reply) {
            self.apps.record_read(call, &server);
        }
        self.scoped_reply(reply, &server).await
    }

    /// Forwards `call` to the only one of `servers` that has `uri`.
    pub(super) async fn only_owner<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        uri: &str,
        servers: Vec<Arc<str>>,
    ) -> Result<Reply, Error> {
        let is_unprefixed = |server: &Arc<str>| self.router.is_transparent(server);
        let (unprefixed, prefixed): (Vec<_>, _) = servers.into_iter().partition(is_unprefixed);
        let mut owned = self.owned(inner, call, uri, unprefixed).await?;
        if owned.is_empty() {
            let prefixed = match uri.starts_with("ui://") {
                true => self.apps.opened(call, prefixed),
                false => prefixed,
            };
            owned = self.owned(inner, call, uri, prefixed).await?;
        }
        match owned.pop() {
            None => Err(RouteError::unknown_name(NameKind::Resource, uri).into()),
            Some((server, reply)) if owned.is_empty() => self.scoped_reply(reply, &server).await,
            Some(last) => {
                owned.push(last);
                let candidates = owned.iter().filter_map(|(server, _)| scoped(server, uri));
                let candidates = candidates.collect();
                Err(RouteError::ambiguous_name(NameKind::Resource, uri, candidates).into())
            }
        }
    }

    /// Returns the replies of those of `servers` that have `uri`.
    async fn owned<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        uri: &str,
        servers: Vec<Arc<str>>,
    ) -> Result<Vec<(Arc<str>, Reply)>, Error> {
        let replies = servers.into_iter().map(async |server| {
            let stage = Routed::to(&server, Feature::Resource(uri.into()));
            let call = call.for_request(call.request().clone(), stage);
            let reply = match self.call_one(inner.clone(), call).await {
                (_, Err(Error::Route(_))) => return Ok(None),
                (_, reply) => reply?,
            };
            let response = reply::response(reply)
                .await
                .map_err(Error::of_server(&server))?;
            let reply = reply::single_response(http::StatusCode::OK, &response);
            Ok::<_, Error>(is_found(&reply).then_some((server, reply)))
        });
        let replies = try_join_all(replies).await?;
        Ok(replies.into_iter().flatten().collect())
    }
}
