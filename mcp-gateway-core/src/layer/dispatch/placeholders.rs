//! Lists in place of those of servers whose account is not connected, or where the identity of the
//! caller cannot be used.
//!
//! Such a server lists nothing to the caller. Its placeholder is a tool that has the name of the
//! server and describes what is missing. A call of the placeholder, like that of any tool of the
//! server, fails for the same reason, so that its result has the link with which the user connects
//! an account, or tells whose administrator must connect a pinned one. With an account, the server
//! has its own tools, and no placeholder.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fan_out::FanOutResults;
use super::{Listings, Shared};
use crate::catalog::{CatalogEntry, ListKind, Listing};
use crate::error::CredentialError;
use crate::policy::PolicyRequest;
use crate::protocol::meta;
use crate::route::{Feature, Target};
use crate::{Call, Error};

impl Shared {
    /// Returns `answers` as [`recorded`](Self::recorded) does, with a placeholder for each server
    /// that requires an account which is not connected.
    pub(super) fn recorded_or_placeholders(
        &self,
        kind: ListKind,
        answers: FanOutResults<Arc<Listing>>,
        call: &Call,
    ) -> Result<Listings, Error> {
        let missing = answers.iter().filter_map(|(server, answer)| {
            let placeholder = self.placeholder(kind, server, answer.as_ref().err()?, call)?;
            Some((Arc::clone(server), Arc::new(placeholder)))
        });
        let placeholders: Vec<_> = missing.collect();
        if placeholders.is_empty() {
            return self.recorded(kind, answers, call);
        }
        let mut listings = self.recorded(kind, answers, call).unwrap_or_default();
        listings.extend(placeholders);
        let order = self.router.servers();
        listings.sort_by_key(|(server, _)| order.iter().position(|other| other == server));
        Ok(listings)
    }

    /// Returns the list of `server` for a caller whose request has failed with `error`, if an account
    /// or an identity token is missing.
    pub(super) fn placeholder(
        &self,
        kind: ListKind,
        server: &Arc<str>,
        error: &Error,
        call: &Call,
    ) -> Option<Listing> {
        let Error::Credential { source, .. } = error else {
            return None;
        };
        let tool = tool(server, source)?;
        if kind != ListKind::Tools {
            return Some(Listing::empty(kind));
        }
        let list = json!({ "tools": [tool] }).to_string();
        let listing = Listing::placeholder(server, &list).ok()?;
        self.calls_placeholder(server, &listing, call)
            .then_some(listing)
    }

    /// Returns `true` if a call of the placeholder would reach `server`.
    fn calls_placeholder(&self, server: &Arc<str>, listing: &Listing, call: &Call) -> bool {
        let Some(name) = self.router.expose(server, NAME) else {
            return false;
        };
        let mut entries = listing.entries().iter();
        match self.router.resolve_tool(&name) {
            Some(resolved) => {
                resolved.server == *server
                    && entries.all(|entry| self.lists(call, server, ListKind::Tools, entry))
            }
            // The tools of this server are listed first, which fails.
            None => {
                matches!(&*self.router.pending_servers(&name), [only] if only == server)
                    && entries.all(|entry| self.permits_placeholder(call, server, entry))
            }
        }
    }

    /// Returns `true` if no rule of the policy hides the placeholder of `server`.
    fn permits_placeholder(&self, call: &Call, server: &Arc<str>, entry: &CatalogEntry) -> bool {
        let target = Target::new(Arc::clone(server), Feature::Tool(Arc::clone(entry.name())));
        let request = PolicyRequest::listing(call.caller(), &target).with_entry(entry);
        self.policy.decide(&request.for_placeholder()).is_listed()
    }
}

/// Returns `true` if `error` is that of a server with a placeholder.
pub(super) fn has_placeholder(error: &Error) -> bool {
    matches!(error, Error::Credential { server, source } if tool(server, source).is_some())
}

/// Returns the placeholder of `server`, if `error` is that of a missing account or identity.
fn tool(server: &str, error: &CredentialError) -> Option<Value> {
    let mut problem = json!({ "reason": "not_connected", "server": server });
    let description = match error {
        CredentialError::IdentityTokenRequired { required } => {
            problem["reason"] = "identity_token_required".into();
            problem["required"] = (&**required).into();
            format!(
                "The server {server:?} is called with the caller's own token of an identity \
                 provider, so that its tools are not listed. Present {required} to the gateway."
            )
        }
        CredentialError::NotConnected { .. } => format!(
            "You have not connected an account of the server {server:?}, so that its tools are not \
             listed. Call this tool for the link with which the user connects one."
        ),
        CredentialError::SharedNotConnected { owner } => {
            problem["owner"] = (&**owner).into();
            format!(
                "The server {server:?} is called with the account of {owner}, which is not \
                 connected, so that its tools are not listed. An administrator of {owner} must \
                 connect it."
            )
        }
        CredentialError::IdentityRequired { issuer, .. } => {
            problem["reason"] = "identity_required".into();
            problem["issuer"] = (&**issuer).into();
            format!(
                "The server {server:?} is called with your identity at {issuer}, which cannot be \
                 used, so that its tools are not listed. Call this tool for what is missing."
            )
        }
        CredentialError::ClientRejected { .. }
        | CredentialError::InsufficientScope { .. }
        | CredentialError::Replaced
        | CredentialError::Unavailable(_) => return None,
    };
    Some(json!({
        "name": NAME,
        "title": format!("Connect {server}"),
        "description": description,
        "inputSchema": { "type": "object", "properties": {} },
        "annotations": { "readOnlyHint": true },
        "_meta": { meta::PROBLEM: problem },
    }))
}

/// Name of a placeholder at its server.
pub(crate) const NAME: &str = "connect";

#[cfg(test)]
mod tests {
    use tower::{Layer, ServiceExt, service_fn};

    use super::super::DispatchLayer;
    use crate::auth::Principal;
    use crate::call::Permitted;
    use crate::jsonrpc::{Id, Request};
    use crate::layer::authorize::AuthorizeLayer;
    use crate::policy::{AllowAll, Decision, Policy};
    use crate::protocol::{Capabilities, Method, ProtocolVersion};
    use crate::route::PrefixRouter;
    use crate::{Caller, ClientInfo, Reply, reply};

    use super::*;

    /// Policy with the tool `echo` alone: because of a filter of tools, or a rule.
    #[derive(Debug)]
    enum EchoOnly {
        Filter,
        Rule,
    }

    impl Policy for EchoOnly {
        fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
            let is_exempt = matches!(self, Self::Filter) && request.is_placeholder();
            match &request.target().feature {
                Feature::Tool(name) if &**name != "echo" && !is_exempt => Decision::deny("hidden"),
                _ => Decision::Allow,
            }
        }
    }

    /// Gateway whose caller has an account of `open`, and none of the other servers.
    #[derive(Debug)]
    struct Gateway(DispatchLayer, Arc<dyn Policy>);

    impl Gateway {
        fn new(router: PrefixRouter, policy: impl Policy) -> Self {
            let policy: Arc<dyn Policy> = Arc::new(policy);
            Self(
                DispatchLayer::new(Arc::new(router), Arc::clone(&policy)),
                policy,
            )
        }

        async fn send(&self, method: Method, params: &str) -> Result<Value, Error> {
            let inner = service_fn(async |call: Call<Permitted>| {
                let server = Arc::clone(&call.target().server);
                let source = match &*server {
                    "open" => None,
                    "forwarded" => Some(CredentialError::IdentityTokenRequired {
                        required: "one of https://idp.example.com".into(),
                    }),
                    "pinned" => Some(CredentialError::SharedNotConnected {
                        owner: "the team \"platform\"".into(),
                    }),
                    _ => Some(CredentialError::NotConnected { url: None }),
                };
                if let Some(source) = source {
                    return Err(Error::Credential { server, source });
                }
                let tools = r#"{"tools":[{"name":"echo","inputSchema":{}}],"cacheScope":"public"}"#;
                Ok(Reply::result(call.request().id(), tools))
            });
            let stack = self
                .0
                .layer(AuthorizeLayer::new(Arc::clone(&self.1)).layer(inner));
            let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
            let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
            let call = Call::trusted(Request::new(&Id::from(1), &method, params), caller);
            let response = reply::into_response(stack.oneshot(call).await?, 1 << 16).await;
            Ok(serde_json::from_str(response.unwrap().result().unwrap()).unwrap())
        }

        /// Returns the names of the tools and of those whose call lacks an account.
        async fn tools(&self) -> (Vec<String>, Vec<String>) {
            let list = self.send(Method::ToolsList, "{}").await.unwrap();
            let tools = list["tools"].as_array().unwrap().iter();
            let names: Vec<_> = tools
                .map(|tool| tool["name"].as_str().unwrap().to_owned())
                .collect();
            let mut missing = Vec::new();
            for name in &names {
                let params = json!({ "name": name }).to_string();
                match self.send(Method::ToolsCall, &params).await {
                    Ok(_) => {}
                    Err(Error::Credential { .. }) => missing.push(name.clone()),
                    Err(error) => panic!("{name}: {error}"),
                }
            }
            (names, missing)
        }
    }

    #[tokio::test]
    async fn a_server_without_an_account_has_a_placeholder_that_can_be_called() {
        let servers = ["notes", "open", "calendar"];
        let router = || PrefixRouter::by_name(servers).unwrap();
        let gateway = Gateway::new(router(), AllowAll::new());
        let (names, missing) = gateway.tools().await;
        assert_eq!(names, ["notes__connect", "open__echo", "calendar__connect"]);
        assert_eq!(missing, ["notes__connect", "calendar__connect"]);
        let list = gateway.send(Method::ToolsList, "{}").await.unwrap();
        assert_eq!(
            (&list["ttlMs"], &list["cacheScope"]),
            (&0.into(), &"private".into())
        );
        let problem = &list["tools"][0]["_meta"][meta::PROBLEM];
        assert_eq!(problem["reason"], "not_connected");

        // Pages have their size.
        let gateway = Gateway(gateway.0.with_page_size(2), gateway.1);
        let first = gateway.send(Method::ToolsList, "{}").await.unwrap();
        assert_eq!(first["tools"].as_array().unwrap().len(), 2);
        let next = json!({ "cursor": first["nextCursor"] }).to_string();
        let second = gateway.send(Method::ToolsList, &next).await.unwrap();
        assert_eq!(second["tools"][0]["name"], "calendar__connect");
    }

    #[tokio::test]
    async fn a_gateway_without_any_account_lists_placeholders_alone() {
        for (prefix, name) in [("", "connect"), ("notes", "notes__connect")] {
            let router = PrefixRouter::new([("notes", prefix)]).unwrap();
            let gateway = Gateway::new(router, AllowAll::new());
            let name = vec![name.to_owned()];
            assert_eq!(gateway.tools().await, (name.clone(), name));
            let prompts = gateway.send(Method::PromptsList, "{}").await.unwrap();
            assert_eq!(prompts["prompts"], json!([]));
        }
        let router = PrefixRouter::by_name(["notes", "calendar"]).unwrap();
        let (names, missing) = Gateway::new(router, AllowAll::new()).tools().await;
        assert_eq!((names.len(), missing.len()), (2, 2));
    }

    #[tokio::test]
    async fn a_missing_pinned_account_has_a_placeholder_that_names_its_owner() {
        for servers in [&["pinned"][..], &["pinned", "open"]] {
            let router = PrefixRouter::by_name(servers.iter().copied()).unwrap();
            let gateway = Gateway::new(router, AllowAll::new());
            let list = gateway.send(Method::ToolsList, "{}").await.unwrap();
            let tool = &list["tools"][0];
            assert_eq!(tool["name"], "pinned__connect", "{list}");
            let description = tool["description"].as_str().unwrap();
            let expected = "An administrator of the team \"platform\" must connect it";
            assert!(description.contains(expected), "{description}");
            let problem = &tool["_meta"][meta::PROBLEM];
            assert_eq!(problem["owner"], "the team \"platform\"");
            let (_, missing) = gateway.tools().await;
            assert_eq!(missing, ["pinned__connect"]);
        }
    }

    #[tokio::test]
    async fn a_missing_identity_token_has_a_placeholder_that_describes_it() {
        let router = PrefixRouter::by_name(["forwarded", "open"]).unwrap();
        let gateway = Gateway::new(router, AllowAll::new());
        let list = gateway.send(Method::ToolsList, "{}").await.unwrap();
        let tool = &list["tools"][0];
        assert_eq!(tool["name"], "forwarded__connect", "{list}");
        let problem = &tool["_meta"][meta::PROBLEM];
        assert_eq!(problem["reason"], "identity_token_required");
        assert_eq!(problem["required"], "one of https://idp.example.com");
        let (_, missing) = gateway.tools().await;
        assert_eq!(missing, ["forwarded__connect"]);
    }

    #[tokio::test]
    async fn a_placeholder_that_cannot_be_called_is_not_listed() {
        let router = || PrefixRouter::by_name(["notes", "open"]).unwrap();
        let (names, _) = Gateway::new(router(), EchoOnly::Filter).tools().await;
        assert_eq!(names, ["open__echo"]);
        // The tools of a server with a filter are listed before a call.
        let filtered = || router().with_listed_tools_only("notes");
        let (names, missing) = Gateway::new(filtered(), EchoOnly::Filter).tools().await;
        assert_eq!(names, ["notes__connect", "open__echo"]);
        assert_eq!(missing, ["notes__connect"]);
        let (names, _) = Gateway::new(filtered(), EchoOnly::Rule).tools().await;
        assert_eq!(names, ["open__echo"]);
    }
}
