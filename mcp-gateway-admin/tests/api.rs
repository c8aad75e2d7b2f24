//! The API as its clients see it.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "api/approvals.rs"]
mod approvals;
#[path = "api/harness.rs"]
mod harness;
#[path = "api/users.rs"]
mod users;

use mcp_gateway_audit::AuditQuery;
use serde_json::{Value, json};

use self::harness::{ADMIN, MEMBER, Site};

/// Operations for every principal: calls about which they decide, entries that they see, and their own
/// requests.
const SHARED: [(&str, &str); 13] = [
    ("get", "/approvals"),
    ("get", "/approvals/x"),
    ("post", "/approvals/x/decision"),
    ("get", "/entries"),
    ("get", "/entries/{name}"),
    ("get", "/entries/{name}/server.json"),
    ("get", "/events"),
    ("get", "/requests"),
    ("post", "/requests"),
    ("get", "/requests/x"),
    ("get", "/usable-gateways"),
    ("get", "/usable-gateways/x"),
    ("get", "/whoami"),
];

#[tokio::test]
async fn r1_every_operation_is_for_administrators_only() {
    let site = Site::new().await;
    let document = site.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 8, "{paths:?}");
    for (path, operations) in paths {
        let path = path.strip_prefix("/api/v1").unwrap().replace("{id}", "x");
        for method in operations.as_object().unwrap().keys() {
            let is_shared = SHARED.contains(&(&**method, &*path));
            let member = match is_shared {
                true => {
                    site.send(method, &path, Some(ADMIN), Some(json!({})))
                        .await
                        .status
                }
                false => 403,
            };
            assert_ne!(member == 403, is_shared, "{method} {path}");
            for (token, status) in [(None, 401), (Some("guessed"), 401), (Some(MEMBER), member)] {
                let response = site.send(method, &path, token, Some(json!({}))).await;
                assert_eq!(response.status, status, "{method} {path} {token:?}");
                if status >= 400 {
                    assert_eq!(response.body["status"], status, "{method} {path}");
                }
            }
            let response = site.send(method, &path, Some(ADMIN), Some(json!({}))).await;
            assert!(
                ![401, 403, 405, 500].contains(&response.status),
                "{method} {path}"
            );
        }
    }
    for path in ["", "/", "/nothing", "/users/x/y"] {
        assert_eq!(
            site.send("get", path, None, None).await.status,
            401,
            "{path}"
        );
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn r6_unknown_identifiers_are_plain_names() {
    let site = Site::new().await;
    let user = site.post("/users", json!({ "name": "ada" })).await;
    let user = user.body["user"]["id"].as_str().unwrap();
    let token = site.post("/tokens", json!({ "name": "ci" })).await;
    let token = token.body["token"]["id"].as_str().unwrap();
    let injections = [
        user,
        token,
        "usr_x",
        "..",
        "%2e%2e%2f",
        "~first",
        "'%20OR%201=1--",
        "%25",
        "a%00b",
        "%ff",
        "auth%2Fuser%2Fx",
        "{\"$gt\":\"\"}",
    ];
    for id in injections {
        let id = id.replace(['{', '}', '"', '$'], "_");
        for (method, path, own) in [
            ("get", format!("/users/{id}"), user),
            ("patch", format!("/users/{id}"), user),
            ("delete", format!("/users/{id}"), user),
            ("get", format!("/tokens/{id}"), token),
            ("delete", format!("/tokens/{id}"), token),
            ("post", format!("/tokens/{id}/rotate"), token),
            ("get", format!("/clients/{id}"), ""),
            ("delete", format!("/clients/{id}"), ""),
        ] {
            if id != own {
                let response = site.send(method, &path, Some(ADMIN), Some(json!({}))).await;
                assert_eq!(response.status, 404, "{method} {path}: {}", response.body);
            }
        }
    }
    assert_eq!(site.get(&format!("/users/{user}")).await.status, 200);
    assert_eq!(site.get(&format!("/tokens/{token}")).await.status, 200);
}

#[tokio::test]
async fn pages_have_every_entry_once() {
    let site = Site::new().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let name = format!("client-{number}");
        let made = site
            .post("/clients", json!({ "id": name, "secret": true }))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        expected.push(name);
        site.post("/tokens", json!({ "name": "t" })).await;
    }
    expected.push("configured".to_owned());
    for limit in 1..=7 {
        assert_eq!(site.all("/clients", limit).await, expected, "{limit}");
        let tokens = site.all("/tokens", limit).await;
        assert!(tokens.is_sorted() && tokens.len() == 5, "{tokens:?}");
    }
    for query in ["limit=0", "limit=501", "limit=x", "after=a%00", "page=2"] {
        assert_eq!(
            site.get(&format!("/users?{query}")).await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn users_are_created_changed_and_deleted() {
    let site = Site::new().await;
    let first = site
        .post(
            "/users",
            json!({ "name": "ada", "password": "correct horse" }),
        )
        .await;
    assert_eq!(first.body["user"]["role"], "member");
    assert!(first.body.get("password").is_none());
    let made = site
        .post("/users", json!({ "name": "bob", "teams": ["ops"] }))
        .await;
    assert_eq!(
        (made.status, &made.body["user"]["role"]),
        (201, &json!("member"))
    );
    assert!(made.body["password"].as_str().unwrap().len() > 40);
    let path = made.location.unwrap();
    let path = path.strip_prefix("/api/v1").unwrap();
    assert_eq!(site.get(path).await.body, made.body["user"]);

    let changes =
        json!({ "role": "admin", "teams": [], "disabled": true, "password": "new horse" });
    let changed = site.send("patch", path, Some(ADMIN), Some(changes)).await;
    assert_eq!(
        (
            &changed.body["role"],
            &changed.body["teams"],
            &changed.body["disabled"]
        ),
        (&json!("admin"), &json!([]), &json!(true))
    );
    assert_eq!(
        site.send("delete", path, Some(ADMIN), None).await.status,
        204
    );
    assert_eq!(site.get(path).await.status, 404);
    for (body, status, path) in [
        (json!({ "name": "ada" }), 409, None),
        (json!({ "name": "a/b" }), 422, Some("name")),
        (
            json!({ "name": "x", "password": "short" }),
            422,
            Some("password"),
        ),
        (
            json!({ "name": "x", "teams": ["a\u{0}"] }),
            422,
            Some("teams"),
        ),
        (json!({ "name": "x", "rôle": "admin" }), 422, Some("")),
        (json!({ "name": "x", "role": "owner" }), 422, Some("")),
        (json!([]), 422, Some("")),
    ] {
        let refused = site.post("/users", body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        let found = refused.body["errors"][0]["path"].as_str();
        assert_eq!(found, path, "{body}: {}", refused.body);
    }
}

#[tokio::test]
async fn the_secret_of_a_token_is_shown_once() {
    let site = Site::new().await;
    let body = json!({ "name": "ci", "team": "ops", "expiresIn": 3600 });
    let made = site.post("/tokens", body).await;
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    let id = made.body["token"]["id"].as_str().unwrap().to_owned();
    assert!(!site.get("/tokens").await.body.to_string().contains(&secret));
    assert!(
        !site
            .get(&format!("/tokens/{id}"))
            .await
            .body
            .to_string()
            .contains(&secret)
    );

    let rotated = site.post(&format!("/tokens/{id}/rotate"), json!({})).await;
    assert_ne!(rotated.body["secret"], secret);
    assert_eq!(rotated.body["token"]["team"], "ops");
    assert_eq!(site.get(&format!("/tokens/{id}")).await.status, 404);
    let orphan = json!({ "name": "x", "user": "usr_nobody" });
    assert_eq!(site.post("/tokens", orphan).await.status, 409);
    for body in [
        json!({ "name": "x", "user": "a", "team": "b" }),
        json!({ "name": "", "team": "b" }),
        json!({ "name": "x", "expiresIn": 0 }),
    ] {
        assert_eq!(
            site.post("/tokens", body.clone()).await.status,
            422,
            "{body}"
        );
    }
}

#[tokio::test]
async fn clients_of_the_configuration_are_read_only() {
    let site = Site::new().await;
    let configured = site.get("/clients/configured").await;
    assert_eq!(configured.body["from"], "configuration");
    let refused = site
        .send("delete", "/clients/configured", Some(ADMIN), None)
        .await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.body["detail"],
        "the client is defined in the configuration file"
    );
    let taken = site
        .post("/clients", json!({ "id": "configured", "secret": true }))
        .await;
    assert_eq!(taken.status, 409);
    for (body, path) in [
        (json!({ "id": "x" }), "secret"),
        (json!({ "id": "a b", "secret": true }), "id"),
        (
            json!({ "redirectUris": ["javascript:alert(1)"] }),
            "redirectUris[0]",
        ),
        (
            json!({ "secret": true, "grantTypes": ["password"] }),
            "grantTypes[0]",
        ),
        (json!({ "secret": true, "scopes": ["a b"] }), "scopes[0]"),
    ] {
        let refused = site.post("/clients", body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["path"]),
            (422, &json!(path))
        );
    }
}

#[tokio::test]
async fn every_change_has_an_actor() {
    let site = Site::new().await;
    let made = async |path: &str, body: Value| {
        let location = site.post(path, body).await.location.unwrap();
        location.strip_prefix("/api/v1").unwrap().to_owned()
    };
    let deleted = async |path: &str| site.send("delete", path, Some(ADMIN), None).await;
    let user = made("/users", json!({ "name": "ada" })).await;
    let teams = Some(json!({ "teams": ["a"] }));
    site.send("patch", &user, Some(ADMIN), teams).await;
    deleted(&user).await;
    deleted(&made("/tokens", json!({ "name": "ci" })).await).await;
    let client = json!({ "id": "c", "secret": true });
    deleted(&made("/clients", client).await).await;
    site.log.flush().await.unwrap();

    let expected = [
        "user.create",
        "user.setTeams",
        "user.disable",
        "user.delete",
        "token.create",
        "token.revoke",
        "client.create",
        "client.revoke",
    ];
    let found = AuditQuery::new()
        .with_subject("alice")
        .run(&*site.store)
        .await
        .unwrap();
    assert_eq!(found.records.len(), expected.len());
    let mut cursor = String::new();
    for action in expected {
        let path = format!("/audit?limit=1&subject=alice{cursor}");
        let page = site.get(&path).await.body;
        let [record] = page["items"].as_array().unwrap().as_slice() else {
            unreachable!("{page}");
        };
        assert_eq!(record["action"], action);
        assert_eq!(record["actor"]["subject"], "alice");
        cursor = format!("&after={}", page["next"].as_str().unwrap_or_default());
    }
    let path = "/audit?action=client.create&until=253402300799999";
    let one = site.get(path).await.body;
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn invalid_queries_of_the_audit_log_are_rejected() {
    let site = Site::new().await;
    for query in [
        "outcome=great",
        "since=x",
        "until=253402300800000",
        "server=a&page=1",
    ] {
        let refused = site.get(&format!("/audit?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
    }
}

#[tokio::test]
async fn r6_mistakes_are_problem_documents() {
    let site = Site::new().await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(300_000));
    for (method, path, kind, body, status) in [
        ("put", "/users", "application/json", "{}", 405),
        ("post", "/users", "text/plain", "{}", 415),
        ("post", "/users", "application/json", "{", 400),
        ("post", "/users", "application/json", "\u{0}", 400),
        ("post", "/users", "application/json", &large, 413),
    ] {
        let response = site.raw(method, path, kind, body.to_owned()).await;
        assert_eq!(response.status, status, "{method} {path} {kind}");
        assert_eq!(response.media_type, "application/problem+json");
        assert_eq!(response.body["type"], "about:blank");
        assert!(!response.body["title"].as_str().unwrap().is_empty());
    }
    let bare = Site::without_resources();
    for path in ["/users", "/tokens", "/clients", "/audit"] {
        let response = bare.get(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert!(
            response.body["detail"]
                .as_str()
                .unwrap()
                .starts_with("the gateway has no")
        );
    }
}

#[tokio::test]
async fn the_document_refers_to_what_it_defines() {
    let document = Site::new().await.get("/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut operations = Vec::new();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            operations.push(operation["operationId"].as_str().unwrap());
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("default"), "{operation}");
            for response in responses.values() {
                assert_ne!(response["description"].as_str(), None, "{operation}");
            }
        }
    }
    let count = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations.len(), count);
    check_references(&document, &document);
}

/// Checks that each reference within `part` has a target in `document`.
fn check_references(document: &Value, part: &Value) {
    if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let members = part
        .as_object()
        .into_iter()
        .flat_map(|members| members.values());
    let items = part.as_array().into_iter().flatten();
    members
        .chain(items)
        .for_each(|part| check_references(document, part));
}

#[tokio::test]
async fn connections_are_made_listed_and_ended() {
    let site = Site::new().await;
    let new = |owner: &str, token: &str| json!({ "owner": owner, "server": "github", "values": { "token": token } });
    for (owner, token, status) in [
        ("team/platform", "wrong", 422),
        ("team/platform", "", 422),
        ("team/platform", "later", 409),
        ("user/usr_1", "valid", 422),
        ("nobody", "valid", 422),
    ] {
        let answer = site.post("/connections", new(owner, token)).await;
        assert_eq!(answer.status, status, "{owner} {token}: {}", answer.body);
    }
    assert!(site.all("/connections", 1).await.is_empty());
    let mut untested = new("organization", "later");
    untested["untested"] = true.into();
    assert_eq!(site.post("/connections", untested).await.status, 201);
    let made = site
        .post("/connections", new("team/platform", "valid"))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.location, Some(format!("/api/v1/connections/{id}")));
    let found = site.get(&format!("/connections/{id}")).await.body;
    assert_eq!(found, made.body);
    assert_eq!(
        (&found["owner"], &found["kind"], &found["status"]),
        (
            &json!("team/platform"),
            &json!("inputs"),
            &json!("connected")
        )
    );
    assert!(!found.to_string().contains("valid"));
    let mut listed = site.all("/connections", 1).await;
    assert_eq!(listed.len(), 2);
    listed.retain(|listed| listed != id);

    site.connections.replace_input_servers([]);
    let found = site.get(&format!("/connections/{id}")).await.body;
    assert_eq!(found["status"], "unused");
    let path = format!("/connections/{id}");
    for status in [204, 404] {
        let answer = site.send("delete", &path, Some(ADMIN), None).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(site.all("/connections", 1).await, listed);
}
