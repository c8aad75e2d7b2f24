//! Users who lose their access.

use serde_json::{Value, json};

use crate::harness::{ADMIN, Site};

#[tokio::test]
async fn category_last_administrator_stays() {
    let site = Site::new().await;
    let admin = async |name: &str| {
        let made = site.post("/users", json!({ "name": name, "role": "admin" }));
        let location = made.await.location.unwrap();
        location.strip_prefix("/api/v1").unwrap().to_owned()
    };
    let ada = admin("ada").await;
    let send = async |method: &str, path: &str, body: Value| {
        site.send(method, path, Some(ADMIN), Some(body)).await
    };
    for (method, body) in [
        ("patch", json!({ "role": "member" })),
        ("patch", json!({ "disabled": true, "teams": ["a"] })),
        ("delete", json!({})),
    ] {
        let refused = send(method, &ada, body).await;
        assert_eq!(refused.status, 409, "{method}: {}", refused.body);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(
            detail.contains("make another user an admin first"),
            "{detail}"
        );
    }
    // Nothing of a rejected change is made.
    assert_eq!(site.get(&ada).await.body["teams"], json!([]));

    let bob = admin("bob").await;
    assert_eq!(send("delete", &ada, json!({})).await.status, 204);
    assert_eq!(send("delete", &bob, json!({})).await.status, 409);
}

#[tokio::test]
async fn category_revived_credentials_of_a_disabled_user_do_not_exist() {
    let site = Site::new().await;
    let made = site.post("/users", json!({ "name": "ada" })).await;
    let user = made.body["user"]["id"].as_str().unwrap();
    let path = format!("/users/{user}");
    let token = json!({ "name": "ci", "user": user });
    let issued = site.post("/tokens", token.clone()).await;
    let id = issued.body["token"]["id"].as_str().unwrap();
    let rotated = site.post(&format!("/tokens/{id}/rotate"), json!({})).await;
    let secret = rotated.body["secret"].as_str().unwrap();
    let of_others = site.post("/tokens", json!({ "name": "other" })).await;
    assert!(site.accepts(secret).await);

    let set = async |disabled: bool| {
        let body = json!({ "disabled": disabled });
        let changed = site.send("patch", &path, Some(ADMIN), Some(body)).await;
        assert_eq!(
            (changed.status, &changed.body["disabled"]),
            (200, &json!(disabled))
        );
    };
    set(true).await;
    assert!(!site.accepts(secret).await);
    let refused = site.post("/tokens", token.clone()).await;
    assert_eq!(
        (refused.status, &refused.body["detail"]),
        (409, &json!("the user is disabled"))
    );
    let left = site.get("/tokens").await.body["items"].clone();
    assert_eq!(left, json!([of_others.body["token"]]));

    set(false).await;
    assert!(!site.accepts(secret).await);
    let issued = site.post("/tokens", token.clone()).await;
    let secret = issued.body["secret"].as_str().unwrap();
    assert!(site.accepts(secret).await);
    // It is enabled already.
    set(false).await;
    assert!(site.accepts(secret).await);

    assert_eq!(
        site.send("delete", &path, Some(ADMIN), None).await.status,
        204
    );
    assert!(!site.accepts(secret).await);
    assert_eq!(site.get("/tokens").await.body["items"], left);
    assert_eq!(site.post("/tokens", token).await.status, 409);
}

#[tokio::test]
async fn category_revived_credentials_are_not_issued_meanwhile() {
    for _ in 0..20 {
        let site = Site::new().await;
        let made = site.post("/users", json!({ "name": "ada" })).await;
        let user = made.body["user"]["id"].as_str().unwrap();
        let token = json!({ "name": "ci", "user": user });
        let issued = site.post("/tokens", token.clone()).await;
        let rotate = format!(
            "/tokens/{}/rotate",
            issued.body["token"]["id"].as_str().unwrap()
        );
        let path = format!("/users/{user}");
        let disable = Some(json!({ "disabled": true }));
        tokio::join!(
            site.post("/tokens", token.clone()),
            site.send("patch", &path, Some(ADMIN), disable),
            site.post(&rotate, json!({})),
            site.post("/tokens", token),
        );
        assert_eq!(site.get("/tokens").await.body["items"], json!([]));
    }
}

#[tokio::test]
async fn category_deleted_user_has_no_accounts() {
    let site = Site::new().await;
    let mut ids = Vec::new();
    for name in ["ada", "bob"] {
        let made = site.post("/users", json!({ "name": name })).await;
        ids.push(made.body["user"]["id"].as_str().unwrap().to_owned());
        site.connect(&ids[ids.len() - 1], "notes").await;
    }
    assert_eq!(site.accounts().await, 2);
    let path = format!("/users/{}", ids[0]);
    assert_eq!(
        site.send("delete", &path, Some(ADMIN), None).await.status,
        204
    );
    assert_eq!(site.accounts().await, 1);
    site.log.flush().await.unwrap();
    let record = site.get("/audit?action=account.disconnect").await.body;
    let object = format!("account/user/{}@notes", ids[0]);
    assert_eq!(record["items"][0]["object"], object);
    assert_eq!(record["items"][0]["actor"]["subject"], "alice");
}
