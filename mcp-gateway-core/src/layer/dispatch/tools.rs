//! Destinations of calls of tools.

use std::sync::Arc;

use super::fan_out::missing_name;
use super::lists::{list_request, parsed};
use super::{Destination, RoutedService, Shared, send};
use crate::call::Routed;
use crate::catalog::{ListKind, Listing};
use crate::error::{NameKind, RouteError};
use crate::jsonrpc::Request;
use crate::route::{Feature, ListedTool, ResolvedName, Target};
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns the destination of a call of a tool.
    pub(super) fn tool_target(&self, request: &Request) -> Destination {
        let Some(name) = request.name() else {
            return Destination::rejected(missing_name(request));
        };
        match self.router.resolve_tool(&name) {
            Some(ResolvedName { server, name }) if self.is_of_an_app(&server, &name) => {
                Destination::Servers
            }
            Some(ResolvedName { server, name }) => {
                Destination::Server(Target::new(server, Feature::Tool(name.into())))
            }
            None if !self.router.pending_servers(&name).is_empty() => Destination::Unlisted,
            None if self.may_be_of_an_app() => Destination::Servers,
            None => Destination::rejected(RouteError::unknown_name(NameKind::Tool, &name)),
        }
    }

    /// Lists the tools of the servers that may have the tool of a call, and returns its target.
    pub(super) async fn listed_target<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
    ) -> Result<Target, Error> {
        let name = call.request().name().unwrap_or_default();
        match &*self.router.pending_servers(&name) {
            [server] => self.list_tools(server, inner.clone(), call).await?,
            _ => drop(self.listings(ListKind::Tools, inner, call).await?),
        }
        match self.tool_target(call.request()) {
            Destination::Server(target) => Ok(target),
            Destination::Refused(error) => Err(*error),
            Destination::Servers | Destination::Unlisted => {
                Err(RouteError::unknown_name(NameKind::Tool, &name).into())
            }
        }
    }

    /// Lists the tools of `server`, and records them. Nothing is recorded of a hidden server.
    async fn list_tools<S: RoutedService>(
        &self,
        server: &Arc<str>,
        inner: S,
        call: &Call,
    ) -> Result<(), Error> {
        let request = list_request(ListKind::Tools, call);
        let stage = Routed::to_server(server, request.method());
        let answer = send(inner, call.for_request(request, stage)).await;
        match parsed(answer, server, ListKind::Tools).await {
            Ok(listing) => {
                let is_whole = listing.next_cursor().is_none();
                self.record_tools(server, &listing, call, is_whole);
            }
            Err(Error::Route(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Records the tools of a list, or of a page of it, whose names may depend on each other.
    pub(super) fn record_tools(
        &self,
        server: &Arc<str>,
        listing: &Listing,
        call: &Call,
        is_whole: bool,
    ) {
        let mut tools = listing.entries().iter().map(|entry| {
            let is_permitted = self.lists(call, server, ListKind::Tools, entry);
            ListedTool::new(entry.name(), is_permitted)
        });
        self.router.record_tools(server, &mut tools, is_whole);
    }

    /// Forwards a call of a tool whose name resolves once tools were listed.
    pub(super) async fn call_unlisted<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let target = match self.listed_target(&inner, &call).await {
            Err(Error::Route(_)) if self.may_be_of_an_app() => {
                return self.app_call(inner, call).await;
            }
            target => target?,
        };
        self.call_target(inner, call, target).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tower::{Layer, ServiceExt, service_fn};

    use crate::auth::Principal;
    use crate::call::Routed;
    use crate::error::UpstreamError;
    use crate::jsonrpc::{Id, Request};
    use crate::layer::dispatch::DispatchLayer;
    use crate::policy::AllowAll;
    use crate::protocol::{Capabilities, Method, ProtocolVersion};
    use crate::route::{PrefixRouter, ToolRouter};
    use crate::{Call, Caller, ClientInfo, Error, Reply};

    /// Calls tools one after another at servers that have the tool `x`; returns the texts of the
    /// errors, and the requests that reached a server.
    async fn called(router: impl ToolRouter, names: &[&str]) -> (Vec<String>, Vec<String>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        let inner = service_fn(move |call: Call<Routed>| {
            let method = call.request().method().as_str();
            let server = Arc::clone(&call.target().server);
            noted.lock().unwrap().push(format!("{server} {method}"));
            let tools = r#"{"tools":[{"name":"x","inputSchema":{}}]}"#;
            let reply = match (&*server, method) {
                ("broken", _) => Err(Error::of_server(&server)(UpstreamError::Timeout)),
                (_, "tools/list") => Ok(Reply::result(call.request().id(), tools)),
                _ => Ok(Reply::result(call.request().id(), "{}")),
            };
            std::future::ready(reply)
        });
        let dispatch = DispatchLayer::new(Arc::new(router), Arc::new(AllowAll::new())).layer(inner);
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let mut errors = Vec::new();
        for name in names {
            let params = format!(r#"{{"name":"{name}"}}"#);
            let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
            let call = Call::trusted(request, Arc::clone(&caller));
            let reply = dispatch.clone().oneshot(call).await;
            errors.extend(reply.err().map(|error| error.to_string()));
        }
        let requests = requests.lock().unwrap().clone();
        (errors, requests)
    }

    #[tokio::test]
    async fn tools_are_listed_where_a_name_depends_on_it() {
        let router = || PrefixRouter::by_name(["a", "b", "broken"]).unwrap();
        let (errors, requests) = called(router(), &["a__x", "a__X"]).await;
        assert_eq!(
            (errors.len(), requests),
            (0, vec!["a tools/call".to_owned(); 2])
        );

        let listed = router()
            .with_listed_tools_only("a")
            .with_listed_tools_only("broken");
        let (errors, requests) = called(listed, &["a__x", "a__x", "b__y", "a__X"]).await;
        let expected = [
            "a tools/list",
            "a tools/call",
            "a tools/call",
            "b tools/call",
        ];
        assert_eq!(requests[..4], expected);
        assert_eq!(requests[4], "a tools/list");
        assert_eq!(errors.len(), 1, "{errors:?}");
        // The failure of the server is that of the call.
        let listed = router().with_listed_tools_only("broken");
        let (errors, requests) = called(listed, &["broken__x"]).await;
        assert_eq!(requests, ["broken tools/list"]);
        assert!(errors[0].contains("broken"), "{errors:?}");
    }
}
