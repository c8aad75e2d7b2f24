//! Definitions of a server that must be approved.
//!
//! The check is here, below all routes to a server, because only the view of the caller tells which
//! definition the caller has received, and because a definition that is unknown must be requested
//! before the call goes on. Whatever is derived from lists, such as searches, contains approved
//! definitions only.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::PooledServer;
use crate::call::Prepared;
use crate::catalog::{
    CatalogEntry, Definition, DefinitionKind, DefinitionVerifier, ListKind, Listing,
};
use crate::error::{NameKind, RouteError, UpstreamError};
use crate::jsonrpc::{Id, Request, Response};
use crate::protocol::Method;
use crate::route::Feature;
use crate::upstream::{DiscoverResult, Upstream};
use crate::{Call, Reply, reply};

/// Definitions of a server, verified before clients receive them and before they are called.
#[derive(Debug)]
pub(super) struct VerifiedDefinitions {
    verifier: Arc<dyn DefinitionVerifier>,
    /// Lists from which definitions are held back, with the rest of each. Indexes of tools recognize
    /// a list by its pointer.
    reduced: Mutex<Vec<(Weak<Listing>, Arc<Listing>)>>,
}

impl PooledServer {
    /// Sets the approval of tools, prompts and instructions: clients neither receive nor call those
    /// that `verifier` does not approve. Default: all are approved.
    ///
    /// A call of a definition that the caller has not received within five minutes, or that may have
    /// changed since, waits for the list of its server.
    #[must_use]
    pub fn with_definitions(mut self, verifier: Arc<dyn DefinitionVerifier>) -> Self {
        self.definitions = Some(VerifiedDefinitions::new(verifier));
        self
    }

    /// Returns the approved catalog entry of `feature`, as [`Upstream::entry`] does.
    pub(super) fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        let entry = self.upstream.entry(feature)?;
        match (&self.definitions, feature) {
            (Some(definitions), Feature::Prompt(_)) => {
                definitions.approved(ListKind::Prompts, entry)
            }
            (Some(definitions), Feature::Tool(_)) => definitions.approved(ListKind::Tools, entry),
            _ => Some(entry),
        }
    }
}

impl VerifiedDefinitions {
    fn new(verifier: Arc<dyn DefinitionVerifier>) -> Self {
        let reduced = Mutex::default();
        Self { verifier, reduced }
    }

    /// Sends `call` to `upstream` if it concerns no definition that is held back, and removes such
    /// definitions from the reply.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::HeldBack`], and those of the server.
    pub(super) async fn reply(
        &self,
        upstream: &dyn Upstream,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let method = call.request().method();
        if let Some(kind) = ListKind::from_method(method) {
            return self.list(kind, upstream, call).await;
        }
        if method == &Method::ServerDiscover {
            let reply = upstream.send(call).await?;
            return self.without_instructions(reply).await;
        }
        let (list, kind, name) = match &call.target().feature {
            Feature::Prompt(name) => (ListKind::Prompts, NameKind::Prompt, Arc::clone(name)),
            Feature::Tool(name) => (ListKind::Tools, NameKind::Tool, Arc::clone(name)),
            Feature::Discovery
            | Feature::List(_)
            | Feature::Resource(_)
            | Feature::Server
            | Feature::Subscriptions
            | Feature::Task(_) => return upstream.send(call).await,
        };
        if !self.is_approved(list, &name, upstream, &call).await? {
            let name = call.request().name();
            let unknown = RouteError::unknown_name(kind, &name.unwrap_or_default());
            return Err(UpstreamError::HeldBack(unknown));
        }
        upstream.send(call).await
    }

    /// Returns `entry` if it is approved, or needs no approval.
    fn approved(&self, list: ListKind, entry: CatalogEntry) -> Option<CatalogEntry> {
        self.approves(list, &entry).then_some(entry)
    }

    /// Returns `true` if the definition of the called feature is approved. A list is requested unless
    /// the caller has received the definition recently.
    async fn is_approved(
        &self,
        list: ListKind,
        name: &str,
        upstream: &dyn Upstream,
        call: &Call<Prepared>,
    ) -> Result<bool, UpstreamError> {
        if let Some(entry) = upstream.recent_entry(call) {
            return Ok(self.approves(list, &entry));
        }
        let request = Request::new(&Id::from(list.member()), &list.method(), "{}");
        let listing = upstream.list(list, call.derive_for_server(request)).await?;
        let entry = listing.get(name);
        Ok(entry.is_some_and(|entry| self.approves(list, entry)))
    }

    /// Returns the list, or the page of it, that `call` requests, without definitions that are held
    /// back.
    async fn list(
        &self,
        kind: ListKind,
        upstream: &dyn Upstream,
        call: Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let id = call.request().id().clone();
        if !call.is_for_page() {
            let listing = upstream.list(kind, call).await?;
            return Ok(Reply::listing(&id, self.reduced(listing)));
        }
        let server = Arc::clone(&call.target().server);
        let reply = upstream.send(call).await?;
        Ok(match reply::listed(reply, &server, kind).await? {
            Ok(listing) => Reply::listing(&id, self.reduced(listing)),
            Err(rejected) => rejected,
        })
    }

    /// Returns the list without definitions that are held back; the same one if there are none.
    fn reduced(&self, listing: Arc<Listing>) -> Arc<Listing> {
        let Some(kind) = DefinitionKind::of_list(listing.kind()) else {
            return listing;
        };
        let mut known = self.reduced.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(whole, _): &&(Weak<Listing>, _)| Weak::as_ptr(whole) == Arc::as_ptr(&listing);
        if let Some((_, rest)) = known.iter().find(same) {
            return Arc::clone(rest);
        }
        let keeps = |entry: &CatalogEntry| self.verify(kind, entry);
        let Some(rest) = listing.without(keeps).map(Arc::new) else {
            return listing;
        };
        known.retain(|(whole, _)| whole.strong_count() > 0);
        if known.len() == MAX_REDUCED {
            known.remove(0);
        }
        known.push((Arc::downgrade(&listing), Arc::clone(&rest)));
        rest
    }

    /// Returns `true` if the entry of the list is approved, or needs no approval.
    fn approves(&self, list: ListKind, entry: &CatalogEntry) -> bool {
        DefinitionKind::of_list(list).is_none_or(|kind| self.verify(kind, entry))
    }

    /// Returns `true` if the entry is approved; one that is not is recorded.
    fn verify(&self, kind: DefinitionKind, entry: &CatalogEntry) -> bool {
        let approves = |digest| self.verifier.approves(kind, entry.name(), &digest);
        let is_approved = entry.digest().is_some_and(approves);
        if !is_approved {
            let definition = Definition::of_entry(kind, entry);
            self.verifier.held_back(&definition);
        }
        is_approved
    }

    /// Removes instructions that are held back from the description of a server.
    async fn without_instructions(&self, reply: Reply) -> Result<Reply, UpstreamError> {
        let verifier = Arc::clone(&self.verifier);
        let change = move |response: Response| {
            let Ok(result) = response.result() else {
                return Ok(response);
            };
            let mut info = DiscoverResult::from_discover(result)?;
            let Some(text) = info.instructions.take() else {
                return Ok(response);
            };
            let definition = Definition::of_instructions(&text);
            let kind = DefinitionKind::Instructions;
            let digest = definition.digest();
            if digest.is_some_and(|digest| verifier.approves(kind, "", &digest)) {
                return Ok(response);
            }
            verifier.held_back(&definition);
            let id = response
                .id()
                .cloned()
                .unwrap_or_else(|| Id::from("discover"));
            Ok(Response::new(&id, &info.to_json()))
        };
        reply.map_response(change).await
    }
}

/// Maximum number of lists whose rest is remembered.
const MAX_REDUCED: usize = 64;

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tower::ServiceExt as _;

    use super::*;
    use crate::auth::Principal;
    use crate::catalog::DefinitionDigest;
    use crate::layer::forward::Forward;
    use crate::limit::Limits;
    use crate::protocol::{Capabilities, ProtocolVersion};
    use crate::route::Target;
    use crate::upstream::ServerPool;
    use crate::{Caller, ClientInfo, Credential, Error};

    /// Server whose tool `changed` has the description of the moment.
    #[derive(Debug, Default)]
    struct Fake {
        description: Mutex<String>,
        lists: Mutex<usize>,
    }

    #[async_trait]
    impl Upstream for Fake {
        async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
            let method = call.request().method();
            let description = self.description.lock().unwrap().clone();
            let result = match method.as_str() {
                "tools/list" => {
                    *self.lists.lock().unwrap() += 1;
                    format!(
                        r#"{{"tools":[{{"name":"changed","description":"{description}","inputSchema":{{}}}},{{"name":"same","inputSchema":{{}}}},{{"name":"twice","inputSchema":{{"a":1,"a":2}}}}]}}"#
                    )
                }
                "server/discover" => format!(
                    r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{}},"instructions":"{description}"}}"#
                ),
                _ => "{}".to_owned(),
            };
            Ok(Reply::result(call.request().id(), &result))
        }
    }

    /// Approves the tool `same`, and whatever has the description `good`.
    #[derive(Debug, Default)]
    struct Good(Mutex<Vec<String>>);

    impl DefinitionVerifier for Good {
        fn approves(&self, kind: DefinitionKind, name: &str, digest: &DefinitionDigest) -> bool {
            let json = match (kind, name) {
                (DefinitionKind::Instructions, _) => r#""good""#,
                (_, "same") => r#"{"name":"same","inputSchema":{}}"#,
                _ => r#"{"name":"changed","description":"good","inputSchema":{}}"#,
            };
            DefinitionDigest::of_json(json).as_ref() == Some(digest)
        }

        fn held_back(&self, definition: &Definition) {
            self.0.lock().unwrap().push(definition.name().to_owned());
        }
    }

    async fn send(forward: &Forward, method: Method, feature: Feature) -> Result<String, Error> {
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Caller::new(Principal::new("alice"), "main", client);
        let params = r#"{"name":"s__changed"}"#;
        let request = Request::new(&Id::from(1), &method, params);
        let stage = Prepared::trusted(Target::new("s", feature), Credential::none());
        let call = Call::trusted(request, Arc::new(caller)).prepared(stage);
        let reply = forward.clone().oneshot(call).await?;
        let text = reply::response(reply).await.unwrap();
        Ok(text.result().unwrap().to_owned())
    }

    #[tokio::test]
    async fn category_rug_pull_a_changed_definition_is_neither_listed_nor_called() {
        let (server, verifier) = (Arc::new(Fake::default()), Arc::new(Good::default()));
        let pooled = PooledServer::new(Arc::clone(&server) as _, Limits::default())
            .with_definitions(Arc::clone(&verifier) as _);
        let pool = ServerPool::new();
        pool.insert("s", pooled);
        let forward = Forward::new(pool);
        let tool = |name: &str| Feature::Tool(name.into());
        for (description, is_approved) in [("evil", false), ("good", true), ("evil", false)] {
            description.clone_into(&mut server.description.lock().unwrap());
            // The first call precedes any list.
            let called = send(&forward, Method::ToolsCall, tool("changed")).await;
            assert_eq!(called.is_ok(), is_approved);
            if let Err(error) = called {
                let Error::Route(unknown) = error else {
                    panic!("{error}");
                };
                assert_eq!(unknown.to_string(), r#"unknown tool "s__changed""#);
            }
            let list = Feature::List(ListKind::Tools);
            let listed = send(&forward, Method::ToolsList, list).await.unwrap();
            assert_eq!(listed.contains("changed"), is_approved, "{listed}");
            assert!(
                listed.contains("same") && !listed.contains("twice"),
                "{listed}"
            );
            let discovered = send(&forward, Method::ServerDiscover, Feature::Discovery).await;
            assert_eq!(discovered.unwrap().contains("good"), is_approved);
        }
        for (name, is_approved) in [("same", true), ("twice", false), ("unknown", false)] {
            let called = send(&forward, Method::ToolsCall, tool(name)).await;
            assert_eq!(called.is_ok(), is_approved, "{name}");
        }
        let held = verifier.0.lock().unwrap().clone();
        assert!(
            ["", "changed", "twice"]
                .iter()
                .all(|name| held.contains(&(*name).to_owned()))
        );
        assert_eq!(*server.lists.lock().unwrap(), 9, "each call and each list");
    }
}
