//! Model test of the whole server.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use mcp_gateway_auth::token::{BearerVerifier, TokenVerifier};
use mcp_gateway_core::auth::AuthVerifier as _;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::harness::{Harness, OTHER_RESOURCE, RESOURCE, but, machine, resources, wanted};

/// An action of a client, a user or an attacker.
#[derive(Clone, Debug)]
enum Act {
    Authorize {
        client: Index,
        user: Index,
        resource: Index,
    },
    Redeem {
        grant: Index,
        client: Option<Index>,
    },
    Refresh {
        grant: Index,
        back: usize,
        client: Option<Index>,
    },
    RevokeAccess {
        token: Index,
        client: Option<Index>,
    },
    RevokeRefresh {
        grant: Index,
        client: Option<Index>,
    },
    TakeBack {
        client: Index,
        user: Index,
    },
    Remove {
        client: Index,
    },
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let any = any::<Index>;
    // Mostly the client itself, sometimes any client.
    let client = || prop::option::weighted(0.2, any());
    prop_oneof![
        3 => (any(), any(), any())
            .prop_map(|(client, user, resource)| Act::Authorize { client, user, resource }),
        3 => (any(), client()).prop_map(|(grant, client)| Act::Redeem { grant, client }),
        12 => (any(), 0..3usize, client())
            .prop_map(|(grant, back, client)| Act::Refresh { grant, back: back / 2, client }),
        1 => (any(), client()).prop_map(|(token, client)| Act::RevokeAccess { token, client }),
        1 => (any(), client()).prop_map(|(grant, client)| Act::RevokeRefresh { grant, client }),
        1 => (any(), any()).prop_map(|(client, user)| Act::TakeBack { client, user }),
        1 => any().prop_map(|client| Act::Remove { client }),
        5 => prop_oneof![0..40u64, 0..400u64].prop_map(Act::Wait),
    ]
}

const USERS: [&str; 2] = ["alice", "olga"];

/// A grant in the model.
struct Grant {
    client: usize,
    user: &'static str,
    resource: &'static str,
    code: String,
    offered_until: u64,
    is_redeemed: bool,
    is_revoked: bool,
    /// The refresh tokens, the current one last, with its time of issue.
    refresh: Vec<String>,
    rotated: u64,
}

struct Access {
    grant: usize,
    token: String,
    expires: u64,
    is_revoked: bool,
}

struct Model {
    harness: Harness,
    clients: Vec<(String, bool)>,
    grants: Vec<Grant>,
    access: Vec<Access>,
    /// Verifiers of two gateways, which cache tokens.
    verifiers: [(&'static str, BearerVerifier); 2],
}

impl Model {
    async fn new() -> Self {
        let harness = Harness::new();
        harness
            .server
            .set_clients([machine("rs", "s3cret").with_introspection()]);
        let clients = vec![
            (harness.client().await, true),
            (harness.client().await, true),
        ];
        let verifier = |uri: &str| {
            let resource = resources()
                .into_iter()
                .find(|known| known.uri.as_str() == uri);
            let verifier: Arc<dyn TokenVerifier> =
                Arc::new(harness.server.verifier(resource.as_ref()));
            BearerVerifier::new(verifier)
                .with_clock(harness.clock.clone())
                .with_revocations(harness.server.revocations())
        };
        let verifiers = [RESOURCE, OTHER_RESOURCE].map(|uri| (uri, verifier(uri)));
        Self {
            clients,
            grants: Vec::new(),
            access: Vec::new(),
            verifiers,
            harness,
        }
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Authorize {
                client,
                user,
                resource,
            } => {
                let client = client.index(self.clients.len());
                self.authorize(client, USERS[user.index(2)], resource.index(2))
                    .await;
                // Mostly the client redeems the code at once.
                if let Some(grant) = self.grants.len().checked_sub(1)
                    && resource.index(4) != 0
                    && !self.grants[grant].is_redeemed
                {
                    self.redeem(grant, self.grants[grant].client).await;
                }
            }
            Act::Redeem { grant, client } if !self.grants.is_empty() => {
                let grant = grant.index(self.grants.len());
                self.redeem(grant, self.client(grant, client.as_ref()))
                    .await;
            }
            Act::Refresh {
                grant,
                back,
                client,
            } if !self.grants.is_empty() => {
                let grant = grant.index(self.grants.len());
                self.refresh(grant, *back, self.client(grant, client.as_ref()))
                    .await;
            }
            Act::RevokeAccess { token, client } if !self.access.is_empty() => {
                let token = token.index(self.access.len());
                let grant = self.access[token].grant;
                let client = self.client(grant, client.as_ref());
                self.revoke(&self.access[token].token, client).await;
                self.access[token].is_revoked |= self.may_act(grant, client);
            }
            Act::RevokeRefresh { grant, client } if !self.grants.is_empty() => {
                let grant = grant.index(self.grants.len());
                let client = self.client(grant, client.as_ref());
                if let Some(token) = self.grants[grant].refresh.last() {
                    self.revoke(token, client).await;
                    self.grants[grant].is_revoked |= self.may_act(grant, client);
                }
            }
            Act::TakeBack { client, user } => {
                let client = client.index(self.clients.len());
                self.take_back(client, USERS[user.index(2)]).await;
            }
            Act::Remove { client } => {
                let client = &mut self.clients[client.index(2)];
                self.harness.server.delete_client(&client.0).await.unwrap();
                client.1 = false;
                self.clients.push((self.harness.client().await, true));
            }
            Act::Wait(seconds) => self.harness.clock.advance(Duration::from_secs(*seconds)),
            _ => {}
        }
    }

    async fn take_back(&mut self, client: usize, user: &str) {
        let id = &self.clients[client].0;
        self.harness.server.revoke_consent(user, id).await.unwrap();
        let theirs = self
            .grants
            .iter_mut()
            .filter(|grant| grant.client == client);
        for grant in theirs.filter(|grant| grant.user == user) {
            grant.is_revoked = true;
        }
    }

    /// Returns the client that presents a token of `grant`: the right one, or any.
    fn client(&self, grant: usize, any: Option<&Index>) -> usize {
        any.map_or(self.grants[grant].client, |any| {
            any.index(self.clients.len())
        })
    }

    fn may_act(&self, grant: usize, client: usize) -> bool {
        self.grants[grant].client == client && self.clients[client].1
    }

    fn is_alive(&self, grant: usize) -> bool {
        let Grant {
            client,
            is_redeemed,
            is_revoked,
            ..
        } = self.grants[grant];
        is_redeemed && !is_revoked && self.clients[client].1
    }

    async fn authorize(&mut self, client: usize, user: &'static str, resource: usize) {
        let resource = self.verifiers[resource].0;
        let (id, is_there) = self.clients[client].clone();
        let query = but(&wanted(&id), "resource", Some(resource));
        let mut reply = self.harness.asked(&query, user).await;
        if reply.status == StatusCode::OK {
            reply = self.harness.decide(&reply, user, "allow").await;
        }
        let may = is_there && (resource == RESOURCE || user == "olga");
        let code = reply.parameter("code");
        assert_eq!(code.is_some(), may, "{reply:?}");
        self.grants.extend(code.map(|code| Grant {
            client,
            user,
            resource,
            code,
            offered_until: self.harness.clock.now() + 60,
            is_redeemed: false,
            is_revoked: false,
            refresh: Vec::new(),
            rotated: 0,
        }));
    }

    async fn redeem(&mut self, grant: usize, client: usize) {
        let now = self.harness.clock.now();
        let is_right = self.may_act(grant, client);
        let known = &mut self.grants[grant];
        let reply = self
            .harness
            .redeem(&self.clients[client].0, &known.code)
            .await;
        let is_offered = !known.is_redeemed && !known.is_revoked && now < known.offered_until;
        let succeeds = is_right && is_offered;
        assert_eq!(reply.status == StatusCode::OK, succeeds, "{reply:?}");
        // Replayed by a party that could have used it.
        known.is_revoked |= is_right && known.is_redeemed;
        if succeeds {
            known.is_redeemed = true;
            known.rotated = now;
            self.issued(grant, &reply.value());
        }
    }

    async fn refresh(&mut self, grant: usize, back: usize, client: usize) {
        let now = self.harness.clock.now();
        let (is_right, is_alive) = (self.may_act(grant, client), self.is_alive(grant));
        let known = &mut self.grants[grant];
        let Some(token) = known.refresh.iter().rev().nth(back).cloned() else {
            return;
        };
        let reply = self.harness.refresh(&self.clients[client].0, &token).await;
        let is_good = back == 0 || back == 1 && now < known.rotated + 30;
        let succeeds = is_right && is_alive && is_good;
        assert_eq!(reply.status == StatusCode::OK, succeeds, "{reply:?}");
        if succeeds {
            if back == 0 {
                known.rotated = now;
            }
            self.issued(grant, &reply.value());
        } else {
            known.is_revoked |= is_right && is_alive;
        }
    }

    /// Records the tokens that were issued for `grant`.
    fn issued(&mut self, grant: usize, tokens: &Value) {
        let known = &mut self.grants[grant];
        let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        if known.refresh.last() != Some(&refresh) {
            assert!(!known.refresh.contains(&refresh));
            known.refresh.push(refresh);
        }
        self.access.push(Access {
            grant,
            token: tokens["access_token"].as_str().unwrap().to_owned(),
            expires: self.harness.clock.now() + 3600,
            is_revoked: false,
        });
    }

    async fn revoke(&self, token: &str, client: usize) {
        let form = [("token", token), ("client_id", &*self.clients[client].0)];
        let reply = self.harness.post("/api/auth/oauth2/revoke", &form).await;
        assert_eq!(reply.status == StatusCode::OK, self.clients[client].1);
    }

    async fn is_active(&self, token: &str) -> bool {
        let basic = [("authorization", "Basic cnM6czNjcmV0")];
        let form = [("token", token)];
        let reply = self
            .harness
            .post_with("/api/auth/oauth2/introspect", &form, &basic)
            .await;
        reply.value()["active"].as_bool().unwrap()
    }

    /// Asserts that every token is valid exactly where and as long as in the model.
    async fn check(&self) {
        let now = self.harness.clock.now();
        for access in &self.access {
            let is_good = self.is_alive(access.grant) && !access.is_revoked;
            // Clocks may differ by a minute.
            let is_good = is_good && now < access.expires + 60;
            assert_eq!(self.is_active(&access.token).await, is_good);
            for (uri, verifier) in &self.verifiers {
                let request = Request::get("/mcp")
                    .header("authorization", format!("Bearer {}", access.token));
                let parts = request.body(()).unwrap().into_parts().0;
                let is_in = verifier.verify(&parts).await.is_ok();
                assert_eq!(is_in, is_good && *uri == self.grants[access.grant].resource);
            }
        }
        for (index, grant) in self.grants.iter().enumerate() {
            for (back, token) in grant.refresh.iter().rev().enumerate() {
                let is_current = back == 0 || back == 1 && now < grant.rotated + 30;
                let is_good = self.is_alive(index) && is_current;
                assert_eq!(self.is_active(token).await, is_good, "{back}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_server_does_as_the_model(acts in prop::collection::vec(act(), 20..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for (step, act) in acts.iter().enumerate() {
                model.act(act).await;
                if step % 8 == 7 {
                    model.check().await;
                }
            }
            model.check().await;
        });
    }
}
