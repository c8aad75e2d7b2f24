//! Merged subscriptions to all servers of a gateway.
//!
//! Notifications of changed lists are combined, so that a server that changes its lists all the
//! time does not flood the client; see [`ListChanges`](crate::list_changes::ListChanges).
//!
//! See [MCP 2026-07-28,
//! subscriptions](https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions).

mod merged;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt, stream};
use tokio::time;

use self::merged::MergedSubscription;
use super::fan_out::successes;
use super::placeholders::has_placeholder;
use super::resources::exposed;
use super::tasks::TaskNames;
use super::{RoutedService, Shared};
use crate::call::Routed;
use crate::catalog::ListKind;
use crate::error::{RequestError, UpstreamError};
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Notification, Request};
use crate::policy::PolicyRequest;
use crate::protocol::{Method, meta};
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::route::{Feature, RouterChanges, Target};
use crate::upstream::SubscriptionFilter;
use crate::{Call, Error, Reply, problem, results};

/// Merged messages of all servers.
type MergedEvents = SelectAll<BoxStream<'static, Result<ReplyEvent, UpstreamError>>>;

impl Shared {
    /// Subscribes to all servers, to each for its part of the filter.
    pub(super) async fn subscribe_all<S: RoutedService>(
        self: Arc<Self>,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let filter = call
            .request()
            .param("notifications")
            .and_then(SubscriptionFilter::parse);
        let filter = filter.ok_or_else(|| RequestError::InvalidParams {
            detail: "notifications must be a filter".into(),
        })?;
        let changes = self.router.changes();
        let is_modern = call.request().meta(meta::PROTOCOL_VERSION).is_some();
        let first = match &*self.router.servers() {
            [server] if is_modern && self.passes_unchanged(server, &filter, &call) => {
                match self.listen_to_only(server, &inner, &call).await {
                    // The caller may connect while the stream is open.
                    Err(error) if has_placeholder(&error) => {
                        Ok(self.listen_once(&inner, &call, &filter).await?)
                    }
                    listening => listening?,
                }
            }
            _ => Ok(self.listen_once(&inner, &call, &filter).await?),
        };
        let (mut honored, said) = match first {
            Ok(listening) => listening,
            Err(refused) => return Ok(refused),
        };
        if changes.is_some() {
            honored.merge(filter.lists_only());
        }
        let params = object_json(&[("notifications", honored.to_json().into())]);
        let first = Notification::new(&Method::SubscriptionsAcknowledged, Some(&params));
        // A session may subscribe again at any time, and its pace is kept.
        let list_changes = match call.client().session() {
            Some(session) => Arc::clone(session.list_changes()),
            None => Arc::default(),
        };
        let listening = MergedSubscription {
            shared: self,
            inner,
            call,
            filter,
            said,
            changes: changes.unwrap_or_else(RouterChanges::pending),
            list_changes,
            acknowledgement: Some(first),
            ending: None,
        };
        Ok(Reply::Events(ReplyStream::new(listening.into_stream())))
    }

    /// Returns `true` if the only server may receive the filter as it is: the caller sees its resources,
    /// none of them is one of the gateway, and tasks have their own names.
    fn passes_unchanged(
        &self,
        server: &Arc<str>,
        filter: &SubscriptionFilter,
        call: &Call,
    ) -> bool {
        let mut uris = filter.resource_subscriptions.iter();
        let has_names = filter.task_ids.is_empty() || !self.task_names(call).rename(server);
        has_names
            && uris
                .all(|uri| !results::is_reserved(uri) && self.permits_resource(call, server, uri))
    }

    /// Subscribes to the only server of the gateway with the request of the client, whose stream
    /// ends as that of the server does. Returns the reply of a server that refuses.
    async fn listen_to_only<S: RoutedService>(
        &self,
        server: &Arc<str>,
        inner: &S,
        call: &Call,
    ) -> Result<Result<(SubscriptionFilter, MergedEvents), Reply>, Error> {
        let stage = Routed::to_server(server, call.request().method());
        let call = call.for_request(call.request().clone(), stage);
        let failed = Error::of_server(server);
        let tasks = self.task_names(&call);
        let mut events = match self.call_one(inner.clone(), call).await.1? {
            Reply::Events(events) => events,
            reply @ Reply::Json { .. } => return Ok(Err(reply)),
        };
        let first = match time::timeout(self.patience, events.next()).await {
            Ok(Some(first)) => first.map_err(&failed)?,
            Ok(None) => return Err(failed(UpstreamError::Closed)),
            Err(_) => return Err(failed(UpstreamError::Timeout)),
        };
        let first = match first {
            ReplyEvent::Notification(first) => first,
            ReplyEvent::Response(refused) => {
                let status = problem::status_of(&refused);
                return Ok(Err(reply::single_response(status, &refused)));
            }
            ReplyEvent::Request(_) => {
                return Err(failed(UpstreamError::invalid(
                    "subscription not acknowledged",
                )));
            }
        };
        let mut said = MergedEvents::new();
        let honored = self.honored(server, &first, &tasks);
        let events = self.rename_events(Arc::clone(server), events, tasks, true);
        said.push(events.boxed());
        Ok(Ok((honored, said)))
    }

    /// Subscribes to the current servers; returns the honored part of the filter, and the messages.
    ///
    /// A server for which the caller lacks an account is left out. The router announces a new one,
    /// upon which all servers are subscribed to again.
    async fn listen_once<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        filter: &SubscriptionFilter,
    ) -> Result<(SubscriptionFilter, MergedEvents), Error> {
        let wanted = self.by_server(inner, call, filter).await;
        let listening = wanted.into_iter().map(|(server, filter)| {
            let params = object_json(&[("notifications", filter.to_json().into())]);
            let request = Request::new(call.request().id(), &Method::SubscriptionsListen, &params);
            let stage = Routed::to_server(&server, request.method());
            let call = call.for_request(request, stage);
            let inner = inner.clone();
            let tasks = self.task_names(&call);
            async move {
                let (server, reply) = self.call_one(inner, call).await;
                let stream = match reply {
                    Ok(reply) => self.acknowledged(&server, reply, tasks).await,
                    Err(error) => Err(error),
                };
                (server, stream)
            }
        });
        let mut replies = join_all(listening).await;
        replies.retain(|(_, reply)| !reply.as_ref().is_err_and(has_placeholder));
        let listening = successes(replies)?;
        let mut honored = SubscriptionFilter::default();
        let mut said = MergedEvents::new();
        for (_, (filter, stream)) in listening {
            honored.merge(filter);
            said.push(stream);
        }
        // Servers are added and removed; the stream ends only when the client ends it.
        said.push(stream::pending().boxed());
        Ok((honored, said))
    }

    /// Returns the part of the filter for each server.
    async fn by_server<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        filter: &SubscriptionFilter,
    ) -> BTreeMap<Arc<str>, SubscriptionFilter> {
        let lists = filter.lists_only();
        let servers = self.router.servers();
        let mut wanted: BTreeMap<_, _> = servers
            .iter()
            .map(|server| (Arc::clone(server), lists.clone()))
            .collect();
        let uris = filter.resource_subscriptions.iter();
        for uri in uris.filter(|uri| !results::is_reserved(uri)) {
            for (server, uri) in self.owners(inner, call, uri).await {
                if self.permits_resource(call, &server, &uri)
                    && let Some(filter) = wanted.get_mut(&server)
                {
                    filter.resource_subscriptions.insert(uri);
                }
            }
        }
        let tasks = self.task_names(call);
        for task in &filter.task_ids {
            if let Some(resolved) = tasks.resolve(task)
                && let Some(filter) = wanted.get_mut(&resolved.server)
            {
                filter.task_ids.insert(resolved.name.into_owned());
            }
        }
        wanted
    }

    /// Returns `true` if the policy shows the resource `uri` of `server` to the caller.
    fn permits_resource(&self, call: &Call, server: &Arc<str>, uri: &str) -> bool {
        let target = Target::new(Arc::clone(server), Feature::Resource(uri.into()));
        let request = PolicyRequest::listing(call.caller(), &target);
        self.policy.decide(&request).is_listed()
    }

    /// Returns the server that has a resource, or all servers with resources if none lists it.
    async fn owners<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        uri: &str,
    ) -> Vec<(Arc<str>, String)> {
        if let [server] = &*self.router.servers() {
            return vec![(Arc::clone(server), uri.to_owned())];
        }
        if let Some((server, raw)) = self.qualifier(uri) {
            return vec![(server, raw.into_owned())];
        }
        let resources = self
            .listings(ListKind::Resources, inner, call)
            .await
            .unwrap_or_default();
        let listed = resources.iter().find(|(_, list)| list.get(uri).is_some());
        match listed {
            Some((server, _)) => vec![(Arc::clone(server), uri.to_owned())],
            None => resources
                .into_iter()
                .filter(|(_, list)| list.is_supported())
                .map(|(server, _)| (server, uri.to_owned()))
                .collect(),
        }
    }

    /// Returns the part of the filter that a server honors, and its messages.
    async fn acknowledged(
        &self,
        server: &Arc<str>,
        reply: Reply,
        tasks: TaskNames,
    ) -> Result<
        (
            SubscriptionFilter,
            BoxStream<'static, Result<ReplyEvent, UpstreamError>>,
        ),
        Error,
    > {
        let failed = |detail: &str| Error::of_server(server)(UpstreamError::invalid(detail));
        let Reply::Events(mut events) = reply else {
            return Err(failed("subscriptions/listen returned no stream"));
        };
        let Some(Ok(ReplyEvent::Notification(first))) = events.next().await else {
            return Err(failed("subscription not acknowledged"));
        };
        let honored = self.honored(server, &first, &tasks);
        let events = self.rename_events(Arc::clone(server), events, tasks, false);
        Ok((honored, events.boxed()))
    }

    /// Returns the filter that a server acknowledges, with the names that clients use.
    fn honored(
        &self,
        server: &Arc<str>,
        acknowledgement: &Notification,
        tasks: &TaskNames,
    ) -> SubscriptionFilter {
        let filter = acknowledgement
            .param("notifications")
            .and_then(SubscriptionFilter::parse)
            .unwrap_or_default();
        SubscriptionFilter {
            resource_subscriptions: filter
                .resource_subscriptions
                .iter()
                .map(|uri| self.exposed_uri(server, uri).unwrap_or_else(|| uri.clone()))
                .collect(),
            task_ids: filter
                .task_ids
                .iter()
                .map(|task| tasks.exposed(server, task).unwrap_or_else(|| task.clone()))
                .collect(),
            ..filter
        }
    }

    /// Returns the messages of a server with the names that clients use, and the end of its stream
    /// if it `ends` that of the client.
    fn rename_events(
        &self,
        server: Arc<str>,
        events: ReplyStream,
        tasks: TaskNames,
        ends: bool,
    ) -> impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + 'static {
        let renamed: std::collections::HashSet<String> = self.resources.renamed_uris(&server);
        let scope = self.uri_scope(&server);
        events.filter_map(move |event| {
            let event = match event {
                Ok(ReplyEvent::Notification(notification)) => {
                    let uri = notification.param("uri").and_then(crate::json::string);
                    let uri = uri.and_then(|uri| {
                        exposed(&server, &uri, scope.as_ref(), || renamed.contains(&*uri))
                    });
                    let task = notification.param("taskId").and_then(crate::json::string);
                    let task = task.and_then(|task| tasks.exposed(&server, &task));
                    let changed = match (uri, task) {
                        (Some(uri), _) => notification.with_param("uri", &string_json(&uri)),
                        (None, Some(task)) => {
                            notification.with_param("taskId", &string_json(&task))
                        }
                        (None, None) => None,
                    };
                    Some(Ok(ReplyEvent::Notification(
                        changed.unwrap_or(notification),
                    )))
                }
                Ok(event @ ReplyEvent::Request(_)) => Some(Ok(event)),
                // The end of one of several servers does not end the client's stream.
                Ok(ReplyEvent::Response(_)) | Err(_) if !ends => None,
                end => Some(end),
            };
            std::future::ready(event)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::auth::Principal;
    use crate::call::Routed;
    use crate::error::CredentialError;
    use crate::layer::dispatch::DispatchLayer;
    use crate::policy::{AllowAll, Decision, Policy};
    use crate::protocol::{Capabilities, ProtocolVersion};
    use crate::route::PrefixRouter;
    use crate::{Caller, ClientInfo};

    /// Shows no resource of the server `closed`.
    #[derive(Debug)]
    struct Closed;

    impl Policy for Closed {
        fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
            let target = request.target();
            match &target.feature {
                Feature::Resource(_) if *target.server == *"closed" => Decision::deny("closed"),
                _ => Decision::Allow,
            }
        }
    }

    /// Subscribes to a resource; returns the filters that reach the server.
    async fn subscribed(server: &'static str) -> Vec<String> {
        listened(server, r#"{"resourceSubscriptions":["a:b"]}"#).await
    }

    /// Subscribes to `filter`; returns the filters that reach the server.
    async fn listened(server: &'static str, filter: &str) -> Vec<String> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let inner = service_fn(move |call: Call<Routed>| {
            let filter = call.request().param("notifications").unwrap_or_default();
            noted.lock().unwrap().push(filter.to_owned());
            std::future::ready(Ok::<_, Error>(Reply::result(call.request().id(), "{}")))
        });
        let router = Arc::new(PrefixRouter::by_name([server]).unwrap());
        let dispatch = DispatchLayer::new(router, Arc::new(Closed)).layer(inner);
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let params = format!(r#"{{"notifications":{filter},"_meta":{meta}}}"#);
        let request = Request::new(&1.into(), &Method::SubscriptionsListen, &params);
        let _ = dispatch.oneshot(Call::trusted(request, caller)).await;
        seen.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_subscription_waits_for_an_account() {
        for servers in [&["notes"][..], &["notes", "calendar"]] {
            let inner = service_fn(async |call: Call<Routed>| {
                let server = Arc::clone(&call.target().server);
                let source = CredentialError::NotConnected { url: None };
                Err::<Reply, _>(Error::Credential { server, source })
            });
            let router = Arc::new(PrefixRouter::by_name(servers.iter().copied()).unwrap());
            let dispatch = DispatchLayer::new(router, Arc::new(AllowAll::new())).layer(inner);
            let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
            let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
            let params = r#"{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
            let request = Request::new(&1.into(), &Method::SubscriptionsListen, params);
            let reply = dispatch.oneshot(Call::trusted(request, caller)).await;
            let Ok(Reply::Events(mut events)) = reply else {
                panic!("{reply:?}");
            };
            let first = events.next().await.unwrap().unwrap();
            let ReplyEvent::Notification(first) = first else {
                panic!("{first:?}");
            };
            assert_eq!(*first.method(), Method::SubscriptionsAcknowledged);
            assert!(events.next().now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn category_kept_results_are_not_subscribed_to() {
        let filter = r#"{"resourceSubscriptions":["mcp-gateway://results/open/1"]}"#;
        let filters = listened("open", filter).await.join(" ");
        assert!(!filters.contains("mcp-gateway"), "{filters}");
    }

    #[tokio::test]
    async fn the_only_server_receives_its_own_names_of_tasks() {
        let filters = listened("open", r#"{"taskIds":["open__7"]}"#)
            .await
            .join(" ");
        assert!(filters.contains(r#"["7"]"#), "{filters}");
    }

    #[tokio::test]
    async fn only_visible_resources_are_subscribed_to() {
        let open = subscribed("open").await.join(" ");
        assert!(open.contains("a:b"), "{open}");
        let closed = subscribed("closed").await;
        assert!(!closed.join(" ").contains("a:b"), "{closed:?}");
    }
}
