//! Callers of the admin API who are no administrators, with identifiers that exist and others.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, IF_MATCH};
use serde_json::{Value, json};

use crate::accounts::Company;
use crate::api::{Answer, request};

/// Administrator and other callers of a gateway.
struct Callers {
    company: Company,
    admin: String,
    /// Tokens with the expected status.
    others: BTreeMap<&'static str, (Option<String>, u16)>,
}

impl Callers {
    async fn new() -> Self {
        let more = "auth: { oauth: { clientMetadataDocuments: always } }\naudit: {}\n\
                    gateways: [{ name: all }, { name: ops, teams: [ops] }]\n";
        let company = Company::with(more).await;
        let admin = company.get("token create admin --user admin").await;
        for (name, more) in [
            ("ada", "--admin"),
            ("bob", "--admin"),
            ("eve", "--team ops"),
            ("fay", "--team ops --team-admin ops"),
        ] {
            company.get(&format!("user create {name} {more}")).await;
        }
        let token = async |owner: &str| {
            let token = company
                .get(format!("token create t {owner}").trim_end())
                .await;
            (Some(token), 403)
        };
        let demoted = token("--user ada").await;
        let (disabled, _) = token("--user bob").await;
        company.get("user role ada member").await;
        company.get("user disable bob").await;
        let others = BTreeMap::from([
            ("anonymous", (None, 401)),
            ("guessed", (Some("mcpt_x.y".to_owned()), 401)),
            (OF_TEAM, token("--user fay").await),
            ("demoted administrator", demoted),
            ("disabled administrator", (disabled, 401)),
            ("member of a team", token("--user eve").await),
            ("team", token("--team admin").await),
            ("organization", token("").await),
        ]);
        Self {
            company,
            admin,
            others,
        }
    }

    /// Creates something of each kind.
    async fn fill(&self) {
        let remote = json!({
            "url": "http://127.0.0.1:9/mcp", "bearer": { "value": "${input:token}" },
        });
        let inputs = json!([{ "name": "token", "title": "Token" }]);
        let entry = json!({ "name": "a", "version": "1", "description": "d",
            "server": { "builtin": "demo" }, "teams": ["board"] });
        let connection = json!({ "owner": "team/ops", "server": "extra",
            "values": { "token": "x" }, "untested": true });
        for (path, body) in [
            (
                "/servers",
                json!({ "name": "extra", "remote": remote, "inputs": inputs }),
            ),
            ("/gateways", json!({ "name": "extra", "servers": ["demo"] })),
            ("/entries", entry),
            ("/requests", json!({ "entry": "a", "reason": "r" })),
            (
                "/policy/rules",
                json!({ "name": "a", "effect": "allow", "tools": ["none"] }),
            ),
            ("/connections", connection),
        ] {
            let added = self.send(Some(&self.admin), "post", path, body).await;
            assert_eq!(added.status, 201, "{path}: {}", added.body);
        }
        self.company.get("client create ci --secret").await;
    }

    /// Asserts that no caller can tell an existing identifier from a missing one with an operation.
    async fn cannot(&self, method: &str, path: &str, [known, missing]: [&str; 2]) {
        let operation = (method, path);
        for (caller, (token, status)) in &self.others {
            let is_managed = *caller == OF_TEAM && MANAGED.contains(&operation);
            let is_shared = is_managed || SHARED.contains(&operation);
            let status = match (is_shared, HIDDEN.contains(&operation)) {
                // What they see is tested with the registry and with teams.
                (true, _) if *status != 401 => continue,
                (_, true) if *status != 401 => 404,
                _ => *status,
            };
            let mut answers = Vec::new();
            for path in [known, missing] {
                let body = json!({ "name": "x", "disabled": true });
                let answer = self.send(token.as_deref(), method, path, body).await;
                assert_eq!(answer.status, status, "{caller}: {method} {path}");
                answers.push(seen(answer));
            }
            assert_eq!(answers[0], answers[1], "{caller}: {method} {path}");
        }
    }

    async fn send(&self, token: Option<&str>, method: &str, path: &str, body: Value) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![(IF_MATCH, "*")];
        headers.extend(bearer.iter().map(|bearer| (AUTHORIZATION, &**bearer)));
        let method = method.to_ascii_uppercase();
        request(&self.company.gateway, (&method, path), &headers, body).await
    }

    /// Returns what the administrator reads at `path`.
    async fn read(&self, path: &str) -> Value {
        let admin = Some(&*self.admin);
        self.send(admin, "get", path, Value::Null).await.body
    }

    /// Returns the lists of all resources among `paths`, without the times of uses. Streams of events
    /// have none.
    async fn state(&self, paths: &[String]) -> Value {
        let lists = paths.iter().filter(|path| !path.contains('{'));
        let mut state = json!({});
        for path in lists.filter(|path| !path.contains("audit")) {
            let mut list = self.read(path).await;
            for item in list["items"].as_array_mut().into_iter().flatten() {
                item["lastUsed"].take();
                item["state"].take();
            }
            state[path] = list;
        }
        state
    }

    /// Returns the identifier of a resource that exists below the list of `path`.
    async fn existing(&self, path: &str) -> Option<String> {
        let (list, _) = path.split_once("/{")?;
        let list = self.read(list).await;
        let item = list["items"].get(0)?;
        let id = item["id"].as_str().or_else(|| item["name"].as_str())?;
        Some(id.to_owned())
    }
}

/// Returns all of an answer that its receiver may compare.
fn seen(answer: Answer) -> (u16, Vec<(String, String)>, Value) {
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, _)| **name != DATE && **name != CONTENT_LENGTH);
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    (answer.status, headers.collect(), answer.body)
}

/// Replaces the identifiers in `path`.
fn filled(path: &str, id: &str) -> String {
    let mut segments: Vec<_> = path.split('/').collect();
    for segment in &mut segments {
        if segment.starts_with('{') {
            *segment = id;
        }
    }
    segments.join("/")
}

/// Operations for everybody who is authenticated: without an identifier, with that of a gateway which
/// they may use, or with a body that is validated first.
const SHARED: [(&str, &str); 9] = [
    ("get", "/approvals"),
    ("post", "/approvals/{id}/decision"),
    ("get", "/entries"),
    ("get", "/events"),
    ("get", "/requests"),
    ("post", "/requests"),
    ("get", "/usable-gateways"),
    ("get", "/usable-gateways/{id}"),
    ("get", "/whoami"),
];

/// Operations for everybody who is authenticated, with an identifier that does not exist for others.
const HIDDEN: [(&str, &str); 4] = [
    ("get", "/approvals/{id}"),
    ("get", "/entries/{name}"),
    ("get", "/entries/{name}/server.json"),
    ("get", "/requests/{id}"),
];

/// Resources that only clients and their calls create. Whoever may see one has tests of its own.
const EMPTY: [&str; 4] = ["/approvals/", "/pins/", "/sessions/", "/taints/"];

/// Operations for administrators of teams, whose effects are tested with these.
const MANAGED: [(&str, &str); 9] = [
    ("get", "/connections"),
    ("post", "/connections"),
    ("get", "/connections/{id}"),
    ("delete", "/connections/{id}"),
    ("get", "/gateways"),
    ("post", "/gateways"),
    ("get", "/gateways/{id}"),
    ("put", "/gateways/{id}"),
    ("delete", "/gateways/{id}"),
];

/// Caller who administers a team.
const OF_TEAM: &str = "administrator of a team";

#[tokio::test]
async fn r1_whoever_is_no_administrator_changes_nothing_and_learns_nothing() {
    let callers = Callers::new().await;
    callers.fill().await;
    let document = callers.read("/openapi.json").await;
    let operations = document["paths"].as_object().unwrap();
    let paths: Vec<_> = operations
        .keys()
        .map(|path| path.strip_prefix("/api/v1").unwrap().to_owned())
        .collect();
    let before = callers.state(&paths).await;
    for (path, operations) in paths.iter().zip(operations.values()) {
        let known = callers.existing(path).await;
        let is_empty = EMPTY.iter().any(|empty| path.starts_with(empty));
        assert_eq!(
            known.is_some(),
            path.contains('{') && !is_empty,
            "existing at {path}"
        );
        let known = filled(path, known.as_deref().unwrap_or_default());
        let missing = filled(path, "missing");
        let methods = operations.as_object().unwrap().keys();
        for method in methods.filter(|method| *method != "parameters") {
            callers.cannot(method, path, [&known, &missing]).await;
        }
    }
    assert_eq!(callers.state(&paths).await, before);
}
