//! Administrators of teams, who manage what belongs to their teams and nothing else.

use http::header::{AUTHORIZATION, IF_MATCH};
use serde_json::{Value, json};

use crate::accounts::Company;
use crate::api::{Answer, request};

/// Company with an administrator, and one of the team `ops`.
struct Managed {
    company: Company,
    admin: String,
    manager: String,
}

impl Managed {
    async fn new() -> Self {
        let more = "auth: { oauth: { clientMetadataDocuments: always } }\naudit: {}\n\
                    gateways: [{ name: all }, { name: ops, teams: [ops] }, \
                    { name: crm, teams: [sales], servers: [demo] }]\n";
        let company = Company::with(more).await;
        let admin = company.get("token create admin --user admin").await;
        company
            .get("user create fay --team ops --team-admin ops")
            .await;
        let manager = company.get("token create manager --user fay").await;
        let this = Self {
            company,
            admin,
            manager,
        };
        let server = json!({
            "name": "keyed",
            "inputs": [{ "name": "token" }],
            "remote": { "url": "http://127.0.0.1:9/mcp", "bearer": { "value": "${input:token}" } },
        });
        let added = this.send(&this.admin, "POST", "/servers", server).await;
        assert_eq!(added.status, 201, "{}", added.body);
        this
    }

    async fn send(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [(AUTHORIZATION, &*bearer), (IF_MATCH, "*")];
        request(&self.company.gateway, (method, path), &headers, body).await
    }

    /// Sends a request of the administrator of the team.
    async fn managed(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(&self.manager, method, path, body).await
    }

    /// Returns the texts at `member` of the items that the administrator of the team lists.
    async fn listed(&self, path: &str, member: &str) -> Vec<String> {
        let list = self.managed("GET", path, Value::Null).await.body;
        let items = list["items"].as_array().unwrap().iter();
        let texts = items.map(|item| item[member].as_str().unwrap().to_owned());
        texts.collect()
    }
}

fn connection(owner: &str) -> Value {
    json!({ "owner": owner, "server": "keyed", "values": { "token": "x" }, "untested": true })
}

#[tokio::test]
async fn r1_an_administrator_of_a_team_manages_its_connections_alone() {
    let company = Managed::new().await;
    let mut foreign = Vec::new();
    for owner in ["team/sales", "organization"] {
        let made = company.send(&company.admin, "POST", "/connections", connection(owner));
        let made = made.await;
        assert_eq!(made.status, 201, "{}", made.body);
        foreign.push(made.body["id"].as_str().unwrap().to_owned());
    }
    let made = company.managed("POST", "/connections", connection("team/ops"));
    let made = made.await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(company.listed("/connections", "owner").await, ["team/ops"]);
    for id in &foreign {
        for method in ["GET", "DELETE"] {
            let path = format!("/connections/{id}");
            let answer = company.managed(method, &path, Value::Null).await;
            let missing = company.managed(method, "/connections/x.y", Value::Null);
            let missing = missing.await;
            assert_eq!((answer.status, missing.status), (404, 404), "{method} {id}");
            assert_eq!(answer.body, missing.body, "{method} {id}");
        }
    }
    for owner in ["team/sales", "organization"] {
        let made = company
            .managed("POST", "/connections", connection(owner))
            .await;
        assert_eq!(made.status, 403, "{owner}: {}", made.body);
    }
    let own = format!("/connections/{}", made.body["id"].as_str().unwrap());
    assert_eq!(
        company.managed("DELETE", &own, Value::Null).await.status,
        204
    );
    let left = company.send(&company.admin, "GET", "/connections", Value::Null);
    assert_eq!(left.await.body["items"].as_array().unwrap().len(), 2);

    // Whoever leaves the team does not administer it any more.
    company.company.get("user team fay sales").await;
    let made = company.managed("POST", "/connections", connection("team/ops"));
    assert_eq!(made.await.status, 403);
    let refused = company.company.run("user team-admin fay ops").await;
    assert_ne!(refused.code, Some(0));
}

#[tokio::test]
async fn r1_an_administrator_of_a_team_shares_what_its_members_have() {
    let company = Managed::new().await;
    let gateway = |servers: &[&str], visibility: Value| json!({ "name": "crew", "servers": servers, "visibility": visibility });
    let ops = json!({ "teams": ["ops"] });
    for (entry, path) in [
        (gateway(&["demo"], json!("organization")), "visibility"),
        (
            gateway(&["demo"], json!({ "teams": ["sales"] })),
            "visibility",
        ),
        (gateway(&["demo"], json!({ "user": "fay" })), "visibility"),
        (json!({ "name": "crew", "visibility": ops }), "servers"),
        (gateway(&["none"], ops.clone()), "servers"),
    ] {
        let refused = company.managed("POST", "/gateways", entry).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["path"], path, "{}", refused.body);
    }
    let entry = gateway(&["demo", "keyed"], ops.clone());
    let shared = company.managed("POST", "/gateways", entry).await;
    assert_eq!(shared.status, 201, "{}", shared.body);
    let id = shared.body["id"].as_str().unwrap();
    let mut listed = company.listed("/gateways", "name").await;
    listed.sort_unstable();
    assert_eq!(listed, ["all", "crew", "ops"]);
    let entry = gateway(&["demo"], ops);
    for (path, expected) in [
        ("/gateways/all", 403),
        ("/gateways/crm", 404),
        ("/gateways/missing", 404),
    ] {
        let refused = company.managed("PUT", path, entry.clone()).await;
        assert_eq!(refused.status, expected, "{path}: {}", refused.body);
        let refused = company.managed("DELETE", path, Value::Null).await;
        assert_eq!(refused.status, expected, "{path}: {}", refused.body);
    }
    let path = format!("/gateways/{id}");
    let replaced = company.managed("PUT", &path, entry).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert_eq!(
        company.managed("DELETE", &path, Value::Null).await.status,
        204
    );
}
