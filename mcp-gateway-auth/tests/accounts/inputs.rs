//! Values that each owner supplies for a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use mcp_gateway_auth::AuthServerError;
use mcp_gateway_auth::accounts::{
    AccountChange, AccountCredentials, AccountId, AccountObserver, ConnectionProbe, Input,
    InputServer, InputValues, Owner, ProbeError, SuppliedInputs, Template,
};
use mcp_gateway_auth::users::{UserUpdate, Users};
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{Attachment, Batch, CommitOutcome, Store as _};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::browser::{Browser, Page};
use crate::harness::{Harness, Replica, SERVER, bearer, egress, is_not_connected, user};
use crate::site::Site;

const URL: &str = "https://mcp.example.com/mcp";

/// Returns a server at `url` with a secret and an optional choice.
fn server(url: &str) -> InputServer {
    let mut token = Input::new("token");
    token.title = Some("Access token".to_owned());
    token.description = Some("From <your settings>".to_owned());
    let mut region = Input::new("region");
    region.is_secret = false;
    region.is_required = false;
    region.choices = vec!["eu".to_owned(), "us".to_owned()];
    InputServer::new(SERVER, [token, region], url)
        .with_header(TENANT, HeaderValue::from_static("acme"))
        .with_template(AUTHORIZATION, Template::parse("Bearer ${input:token}"))
        .with_template(REGION, Template::parse("${input:region}"))
}

const TENANT: HeaderName = HeaderName::from_static("x-tenant");
const REGION: HeaderName = HeaderName::from_static("x-region");

/// Supplies the token `token` on behalf of `owner`.
async fn supply(harness: &Harness, owner: Owner, token: &str) {
    let server = server(URL);
    let given = |name: &str| (name == "token").then(|| token.to_owned());
    let values = InputValues::read(server.inputs(), given).unwrap();
    let supplied = SuppliedInputs::new(&server, values, harness.clock.now()).unwrap();
    let id = AccountId::new(owner, SERVER);
    harness.accounts().supply(&id, &supplied).await.unwrap();
}

async fn replica(harness: &Harness) -> Replica {
    let replica = harness.replica().await;
    replica.credentials.replace_servers([]);
    replica.credentials.replace_input_servers([server(URL)]);
    replica
}

#[tokio::test]
async fn the_own_values_precede_those_of_the_team_and_the_organization() {
    let harness = Harness::start().await;
    let replica = replica(&harness).await;
    let ada = || Principal::new("ada").with_team("platform");
    assert!(is_not_connected(&replica.credential(ada()).await));
    let owners = [
        (Owner::Organization, "of-all"),
        (Owner::Team("platform".into()), "of-the-team"),
        (user("ada"), "of-ada"),
    ];
    for (owner, token) in owners {
        supply(&harness, owner, token).await;
        let expected = format!("Bearer {token}");
        let arrived = async {
            loop {
                let found = replica.credential(ada()).await;
                if found.is_ok_and(|found| bearer(&found) == expected) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, arrived).await.unwrap();
    }
    let of_bob = replica.credential(Principal::new("bob")).await.unwrap();
    assert_eq!(bearer(&of_bob), "Bearer of-all");
    let of_ada = replica.credential(ada()).await.unwrap();
    assert_ne!(of_ada.account(), of_bob.account());
    let names: Vec<_> = of_ada.headers().iter().map(|(name, _)| name).collect();
    // The header of the optional value is omitted.
    assert_eq!(names, [TENANT, AUTHORIZATION]);
    assert!(
        of_ada
            .headers()
            .iter()
            .all(|(_, value)| value.is_sensitive())
    );
    assert!(!harness.stored().await.contains("of-ada"));
}

#[tokio::test]
async fn o81_own_values_of_a_changed_server_are_replaced_by_nobody_elses() {
    let harness = Harness::start().await;
    let replica = replica(&harness).await;
    supply(&harness, user("ada"), "of-ada").await;
    supply(&harness, Owner::Organization, "of-all").await;
    assert_eq!(replica.token("ada").await.unwrap(), "Bearer of-ada");
    let moved = server("https://other.example.com/mcp");
    replica.credentials.replace_input_servers([moved]);
    // Neither is sent to the other address.
    assert!(is_not_connected(&replica.token("ada").await));
    assert!(is_not_connected(&replica.token("bob").await));
    replica.credentials.replace_input_servers([server(URL)]);
    assert_eq!(replica.token("ada").await.unwrap(), "Bearer of-ada");
    assert_eq!(replica.token("bob").await.unwrap(), "Bearer of-all");
}

/// Ended connections with the account of the present one, as each replica has reported them.
#[derive(Debug, Default)]
struct Ends(Mutex<Vec<(AccountId, Option<String>)>>);

impl AccountObserver for Ends {
    fn on_change(&self, _: &AccountId, _: AccountChange, _: Option<&str>) {}

    fn on_connection_end(&self, account: &AccountId, current: Option<&str>) {
        let end = (account.clone(), current.map(str::to_owned));
        self.0.lock().unwrap().push(end);
    }
}

#[tokio::test]
async fn category_replaced_connection_all_replicas_are_told_of_its_end() {
    let harness = Harness::start().await;
    let replica = replica(&harness).await;
    let mut following = JoinSet::new();
    let observers = [Arc::new(Ends::default()), Arc::new(Ends::default())];
    for observer in &observers {
        let accounts = harness.accounts().with_observer(Arc::clone(observer) as _);
        let credentials = AccountCredentials::new(accounts, egress());
        following.spawn(async move { credentials.follow().await });
    }
    let id = AccountId::new(user("ada"), SERVER);
    let mut current = Vec::new();
    for token in ["first", "second"] {
        supply(&harness, user("ada"), token).await;
        let found = async {
            loop {
                let found = replica.credential(Principal::new("ada")).await;
                if let Ok(found) = found
                    && bearer(&found) == format!("Bearer {token}")
                {
                    return found.account().to_string();
                }
                tokio::task::yield_now().await;
            }
        };
        current.push(Some(tokio::time::timeout(SOON, found).await.unwrap()));
    }
    harness.accounts().remove(&id).await.unwrap();
    current.push(None);
    for ends in &observers {
        let told = async {
            while ends.0.lock().unwrap().last() != Some(&(id.clone(), None)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, told).await.unwrap();
        let told = ends.0.lock().unwrap().clone();
        // A connection that the replica was too late to see is not reported.
        let expected: Vec<_> = current
            .iter()
            .map(|name| (id.clone(), name.clone()))
            .collect();
        assert!(told.iter().all(|end| expected.contains(end)), "{told:?}");
        let name = expected[1].1.as_deref().unwrap();
        assert!(
            id.has_credential(name) && !AccountId::new(user("bob"), SERVER).has_credential(name)
        );
    }
}

#[tokio::test]
async fn rejected_values_lead_to_the_link() {
    let harness = Harness::start().await;
    let replica = replica(&harness).await;
    supply(&harness, user("ada"), "expired").await;
    let credential = replica.credential(Principal::new("ada")).await.unwrap();
    assert!(is_not_connected(&replica.reject("ada", &credential).await));
}

/// Server that accepts the token `valid`, and is unreachable for the token `later`.
#[derive(Debug, Default)]
struct Probe(Mutex<Vec<String>>);

#[async_trait]
impl ConnectionProbe for Probe {
    async fn probe(
        &self,
        _: Principal,
        server: &InputServer,
        credential: Credential,
    ) -> Result<(), ProbeError> {
        let token = bearer(&credential);
        self.0
            .lock()
            .unwrap()
            .push(format!("{} {token}", server.name()));
        match &*token {
            "Bearer valid" => Ok(()),
            "Bearer later" => Err(ProbeError::Unreachable("connection refused".to_owned())),
            _ => Err(ProbeError::Rejected("not accepted".to_owned())),
        }
    }
}

struct Form {
    probe: Arc<Probe>,
    site: Site,
    user: String,
    browser: Browser,
}

impl Form {
    async fn start() -> Self {
        let probe = Arc::new(Probe::default());
        let site = Site::with_probe(Some(probe.clone())).await;
        let credentials = &site.replica.credentials;
        credentials.replace_servers([]);
        credentials.replace_input_servers([server(URL)]);
        let (user, browser) = site.user("ada").await;
        Self {
            probe,
            site,
            user,
            browser,
        }
    }

    /// Opens the form, and submits `fields`.
    async fn submit(&mut self, fields: &[(&str, &str)]) -> Page {
        let url = self.site.url(&format!("/connect/{SERVER}"));
        let shown = self.browser.get(&url).await;
        self.submit_shown(&shown, fields).await
    }

    /// Submits `fields` with the form on the page `shown`.
    async fn submit_shown(&mut self, shown: &Page, fields: &[(&str, &str)]) -> Page {
        let url = self.site.url(&format!("/connect/{SERVER}/inputs"));
        let (csrf, recipient) = (shown.field("csrf"), shown.field("recipient"));
        let mut form = vec![("csrf", &*csrf), ("recipient", &*recipient)];
        form.extend(fields);
        self.browser.post(&url, &form).await
    }

    async fn token(&self) -> Option<String> {
        self.site.replica.token(&self.user).await.ok()
    }
}

#[tokio::test]
async fn o82_values_are_tested_and_stored() {
    let mut form = Form::start().await;
    let link = form.site.link(&form.user).await;
    let page = form.browser.get(&link).await;
    assert_eq!(page.title(), format!("Connect {SERVER}"));
    let field = "<input id=\"field-1\" name=\"input.token\" type=\"password\" value=\"\"";
    assert!(page.body.contains(field), "{}", page.body);
    assert!(
        page.body.contains("From &#60;your settings&#62;"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("<option value=\"eu\">eu</option>"),
        "{}",
        page.body
    );

    let page = form
        .submit(&[("input.token", " valid\n"), ("input.region", "us")])
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.title(), "Your account is connected");
    assert_eq!(form.token().await.as_deref(), Some("Bearer valid"));
    assert_eq!(
        *form.probe.0.lock().unwrap(),
        [format!("{SERVER} Bearer valid")]
    );
    for path in ["/connect", "/connect/notes"] {
        let page = form.browser.get(&form.site.url(path)).await;
        assert!(!page.body.contains("valid"), "{}", page.body);
    }
    let page = form.browser.get(&form.site.url("/connect")).await;
    assert!(page.body.contains("Connected with what you have entered"));
    let disconnect = form.site.url(&format!("/connect/{SERVER}/disconnect"));
    form.browser
        .post(&disconnect, &[("csrf", &page.field("csrf"))])
        .await;
    assert_eq!(form.token().await, None);
    let changes = form.site.harness.changes();
    assert_eq!(changes.len(), 2, "{changes:?}");
}

#[tokio::test]
async fn invalid_values_are_named_beside_their_fields() {
    let mut form = Form::start().await;
    let page = form
        .submit(&[("input.token", ""), ("input.region", "mars")])
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = [
        "id=\"error-1\">A value is required",
        "id=\"error-2\">Choose one",
    ];
    for error in errors {
        assert!(page.body.contains(error), "{}", page.body);
    }
    let page = form
        .submit(&[("input.token", "s3cret"), ("input.region", "mars")])
        .await;
    assert!(!page.body.contains("s3cret"), "{}", page.body);
    assert!(form.probe.0.lock().unwrap().is_empty());
    assert_eq!(form.token().await, None);
}

#[tokio::test]
async fn values_that_the_server_rejects_are_not_stored() {
    let mut form = Form::start().await;
    let page = form
        .submit(&[("input.token", "wrong"), ("input.region", "eu")])
        .await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.body.contains("not accepted"), "{}", page.body);
    assert!(page.body.contains("value=\"eu\" selected"), "{}", page.body);
    assert!(!page.body.contains("wrong") && !page.body.contains("untested"));
    assert_eq!(form.token().await, None);
}

#[tokio::test]
async fn values_for_an_unreachable_server_are_stored_on_request() {
    let mut form = Form::start().await;
    let page = form.submit(&[("input.token", "later")]).await;
    assert!(page.body.contains("name=\"untested\""), "{}", page.body);
    assert_eq!(form.token().await, None);
    form.submit(&[("input.token", "later"), ("untested", "1")])
        .await;
    assert_eq!(form.token().await.as_deref(), Some("Bearer later"));
}

#[tokio::test]
async fn o81_a_form_of_a_changed_server_is_shown_again() {
    let mut form = Form::start().await;
    let url = form.site.url(&format!("/connect/{SERVER}"));
    let old = form.browser.get(&url).await;
    let moved = server("https://other.example.com/mcp");
    let credentials = &form.site.replica.credentials;
    credentials.replace_input_servers([moved]);
    let fields = [
        ("input.token", "valid"),
        ("input.region", "us"),
        ("untested", "1"),
    ];
    for fields in [&fields[..2], &fields] {
        let page = form.submit_shown(&old, fields).await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        let sentence = "The server has changed since this page was opened.";
        assert!(page.body.contains(sentence), "{}", page.body);
        assert!(page.body.contains("value=\"us\" selected"), "{}", page.body);
        assert!(!page.body.contains("valid\""), "{}", page.body);
    }
    // A form without the field, and with that of another user.
    let csrf = old.field("csrf");
    let without = [("csrf", &*csrf), ("input.token", "valid")];
    let inputs = format!("{url}/inputs");
    let page = form.browser.post(&inputs, &without).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    let (_, mut of_bob) = form.site.user("bob").await;
    let recipient = of_bob.get(&url).await.field("recipient");
    let of_bob = [&without[..], &[("recipient", &*recipient)]].concat();
    let page = form.browser.post(&inputs, &of_bob).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(form.probe.0.lock().unwrap().is_empty());
    assert!(form.site.harness.changes().is_empty());
    // The form that is shown again is for the new address.
    let page = form.submit_shown(&page, &fields[..2]).await;
    assert_eq!(page.title(), "Your account is connected", "{}", page.body);
    assert_eq!(form.token().await.as_deref(), Some("Bearer valid"));
}

/// Server that disables or deletes the user who supplies a value, while it is tested.
#[derive(Debug, Default)]
struct Ending(OnceLock<(Users, bool)>);

#[async_trait]
impl ConnectionProbe for Ending {
    async fn probe(
        &self,
        user: Principal,
        _: &InputServer,
        _: Credential,
    ) -> Result<(), ProbeError> {
        let (users, is_deleted) = self.0.get().unwrap();
        let (user, disabled) = (user.subject(), UserUpdate::new().with_disabled(true));
        match is_deleted {
            true => users.delete(user).await.unwrap(),
            false => drop(users.update(user, &disabled).await.unwrap()),
        }
        Ok(())
    }
}

#[tokio::test]
async fn o85_values_of_a_user_who_ends_during_the_test_are_not_stored() {
    for is_deleted in [false, true] {
        let probe = Arc::new(Ending::default());
        let site = Site::with_probe(Some(probe.clone())).await;
        probe.0.set((site.users.clone(), is_deleted)).unwrap();
        let credentials = &site.replica.credentials;
        credentials.replace_input_servers([server(URL)]);
        // The last administrator stays.
        let (admin, _) = site.user("admin").await;
        site.promote(&admin).await;
        let (_, mut browser) = site.user("ada").await;
        let url = site.url(&format!("/connect/{SERVER}"));
        let page = browser.get(&url).await;
        let (csrf, recipient) = (page.field("csrf"), page.field("recipient"));
        let form = [
            ("csrf", &*csrf),
            ("recipient", &*recipient),
            ("input.token", "valid"),
        ];
        let page = browser.post(&format!("{url}/inputs"), &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
        let stored = site.harness.store.list("account/connected/", None, 10);
        assert!(stored.await.unwrap().is_empty());
        assert!(site.harness.changes().is_empty());
    }
}

#[tokio::test]
async fn values_are_not_stored_while_a_condition_fails() {
    let harness = Harness::start().await;
    let replica = replica(&harness).await;
    let server = server(URL);
    let given = |name: &str| (name == "token").then(|| "valid".to_owned());
    let values = InputValues::read(server.inputs(), given).unwrap();
    let supplied = SuppliedInputs::new(&server, values, harness.clock.now()).unwrap();
    let id = AccountId::new(user("ada"), SERVER);
    let absent = Attachment::new(|batch, _| batch.if_absent("changed"));
    let accounts = harness.accounts().with_attachment(absent);
    let outcome = harness.store.commit(Batch::new().put("changed", "")).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
    let conflict = accounts.supply(&id, &supplied).await;
    assert!(matches!(conflict, Err(AuthServerError::Busy)));
    assert!(is_not_connected(&replica.token("ada").await));
    let outcome = harness.store.commit(Batch::new().delete("changed")).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
    accounts.supply(&id, &supplied).await.unwrap();
    replica.until("ada", Result::is_ok).await;
}

#[tokio::test]
async fn o80_a_forged_form_stores_nothing() {
    let mut form = Form::start().await;
    let url = form.site.url(&format!("/connect/{SERVER}/inputs"));
    let forged = [("csrf", "x"), ("input.token", "valid")];
    let page = form.browser.post(&url, &forged).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = form.browser.post(&url, &[("input.token", "valid")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    // The form of another user.
    let (_, mut of_bob) = form.site.user("bob").await;
    let csrf = of_bob
        .get(&form.site.url("/connect/notes"))
        .await
        .field("csrf");
    let page = form
        .browser
        .post(&url, &[("csrf", &*csrf), ("input.token", "valid")])
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(form.token().await, None);
}

#[tokio::test]
async fn a_server_with_inputs_of_other_teams_does_not_exist() {
    let mut form = Form::start().await;
    let link = form.site.link(&form.user).await;
    let server = server(URL).with_teams(["platform".into()]);
    form.site
        .replica
        .credentials
        .replace_input_servers([server]);
    let page = form.browser.get(&link).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn administrators_connect_teams_and_the_organization() {
    let mut form = Form::start().await;
    form.site.promote(&form.user).await;
    let list = form.site.url("/connect?owner=team%2Fplatform");
    let page = form.browser.get(&list).await;
    assert!(
        page.body.contains("Members of the team platform"),
        "{}",
        page.body
    );
    let mut fields = vec![("owner", "team/platform"), ("input.token", "wrong")];
    let page = form.submit(&fields).await;
    assert!(
        page.body.contains("value=\"team/platform\""),
        "{}",
        page.body
    );
    fields[1] = ("input.token", "valid");
    let page = form.submit(&fields).await;
    assert!(
        page.body.contains("members of the team platform"),
        "{}",
        page.body
    );
    let bob = || Principal::new("bob");
    let member = form
        .site
        .replica
        .credential(bob().with_team("platform"))
        .await;
    assert_eq!(bearer(&member.unwrap()), "Bearer valid");
    assert!(is_not_connected(&form.site.replica.credential(bob()).await));
    assert_eq!(form.token().await, None);

    form.submit(&[("owner", "organization"), ("input.token", "valid")])
        .await;
    assert!(form.site.replica.credential(bob()).await.is_ok());
    let csrf = form.browser.get(&list).await.field("csrf");
    let disconnect = form.site.url(&format!("/connect/{SERVER}/disconnect"));
    let organization = [("csrf", &*csrf), ("owner", "organization")];
    let page = form.browser.post(&disconnect, &organization).await;
    assert_eq!(
        page.next().unwrap(),
        form.site.url("/connect?owner=organization")
    );
    assert!(is_not_connected(&form.site.replica.credential(bob()).await));
    let actors = form.site.harness.actors();
    assert_eq!(actors, vec![Some(form.user.clone()); 3]);
}

#[tokio::test]
async fn o84_connections_of_others_are_not_managed() {
    let mut form = Form::start().await;
    let (bob, mut of_bob) = form.site.user("bob").await;
    let owners = [
        "team/platform",
        "organization",
        &*format!("user/{}", form.user),
    ];
    let url = form.site.url(&format!("/connect/{SERVER}"));
    let csrf = of_bob.get(&url).await.field("csrf");
    for owner in owners {
        let fields = [("csrf", &*csrf), ("owner", owner), ("input.token", "valid")];
        for path in ["", "/inputs", "/disconnect"] {
            let page = of_bob.post(&format!("{url}{path}"), &fields).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{owner} {path}");
        }
        let query = owner.replace('/', "%2F");
        let page = of_bob
            .get(&form.site.url(&format!("/connect?owner={query}")))
            .await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{owner}");
    }
    // An administrator manages no personal connection either.
    form.site.promote(&form.user).await;
    let page = form
        .submit(&[("owner", &*format!("user/{bob}")), ("input.token", "valid")])
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(form.site.harness.changes().is_empty());
}

/// Owner of a generated connection: user, team or organization.
fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        (0..4).prop_map(|at| Owner::User(format!("u{at}").into())),
        (0..3).prop_map(|at| Owner::Team(format!("t{at}").into())),
        Just(Owner::Organization),
    ]
}

/// Change of a connection: the owner supplies a value or disconnects.
fn changes() -> impl Strategy<Value = Vec<(Owner, bool)>> {
    proptest::collection::vec((owner(), proptest::bool::weighted(0.7)), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each call is made with the values of its caller, team or organization, and of nobody else.
    #[test]
    fn o83_each_call_has_the_values_of_its_caller(
        changes in changes(),
        members in proptest::collection::vec(proptest::sample::subsequence(vec![0, 1, 2], 0..=3), 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let harness = Harness::start().await;
            let mut expected: BTreeMap<Owner, String> = BTreeMap::new();
            for (at, (owner, is_supplied)) in changes.into_iter().enumerate() {
                let id = AccountId::new(owner.clone(), SERVER);
                if is_supplied {
                    let token = format!("v{at}");
                    supply(&harness, owner.clone(), &token).await;
                    expected.insert(owner, format!("Bearer {token}"));
                } else {
                    harness.accounts().remove(&id).await.unwrap();
                    expected.remove(&owner);
                }
            }
            let replica = replica(&harness).await;
            for (at, teams) in members.iter().enumerate() {
                let principal = Principal::new(format!("u{at}"));
                let teams = teams.iter().map(|team| format!("t{team}"));
                let principal = teams.fold(principal, |principal, team| principal.with_team(team));
                let first = Owner::of(&principal).find_map(|owner| expected.get(&owner).cloned());
                let found = replica.credential(principal).await;
                assert_eq!(found.ok().map(|found| bearer(&found)), first);
            }
        });
    }
}

/// Timeout of steps that take no time on an idle machine.
const SOON: std::time::Duration = std::time::Duration::from_secs(30);
