//! Somebody with a browser and an MCP client.

use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{Endpoint, Harness, ISSUER, Replica};
use crate::session::{Messages, Session};

/// Somebody with a browser and an MCP client.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) browser: Browser,
    pub(crate) token: String,
}

impl Person {
    pub(crate) async fn new(endpoint: &Endpoint, name: &'static str, password: &str) -> Self {
        let user = BrowserUser::log_in(endpoint, name, password).await;
        let client = register(endpoint, &json!({})).await.unwrap();
        let client = client.text("client_id");
        let (code, _) = user.code(&client).await.unwrap();
        let tokens = endpoint.token(&redemption(&client, &code)).await.unwrap();
        let mut browser = Browser::new();
        let url = format!("{}/api/auth/login", endpoint.url);
        let csrf = browser.get(&url).await.field("csrf");
        let form = [("csrf", &*csrf), ("name", name), ("password", password)];
        browser.post(&url, &form).await;
        Self {
            name,
            browser,
            token: tokens.text("access_token"),
        }
    }

    /// Returns the result of the tool `name`.
    pub(crate) async fn call(&self, endpoint: &Endpoint, name: &str) -> Value {
        let wire = endpoint.wire(&self.token);
        let reply = wire.call(name, json!({})).await.unwrap();
        reply.answer()["result"].clone()
    }

    /// Returns the result of the tool `name` in a session of the legacy era.
    pub(crate) async fn call_in_session(&self, endpoint: &Endpoint, name: &str) -> Value {
        let session = Session::begin(endpoint, &self.token, json!({})).await;
        let mut call = session.call(name).await;
        call.response().await["result"].clone()
    }

    /// Returns the names of the tools.
    pub(crate) async fn tools(&self, endpoint: &Endpoint) -> Vec<String> {
        let wire = endpoint.wire(&self.token);
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        let answer = reply.answer();
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// Follows the link of a failed call of the tool `name`.
    pub(crate) async fn follow_link(&mut self, endpoint: &Endpoint, name: &str) -> Page {
        let result = self.call(endpoint, name).await;
        assert_eq!(result["isError"], true, "{result}");
        let problem = &result["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["reason"], "not_connected", "{result}");
        let link = problem["url"].as_str().unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(link), "{result}");
        // The address that all replicas are known by leads nowhere here.
        self.browser.get(&link.replace(ISSUER, &endpoint.url)).await
    }

    /// Subscribes to changed lists of tools. The result completes after the next one.
    pub(crate) async fn subscribe(&self, endpoint: &Endpoint) -> impl Future<Output = ()> + use<> {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let at = (endpoint, &*self.token);
        let mut changes = Messages::of_request(at, "subscriptions/listen", params).await;
        changes
            .method("notifications/subscriptions/acknowledged")
            .await;
        async move {
            changes.method("notifications/tools/list_changed").await;
        }
    }

    /// Subscribes to changed lists of tools in a session. The result completes after the next one.
    pub(crate) async fn subscribe_in_session(
        &self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = ()> + use<> {
        let session = Session::begin(endpoint, &self.token, json!({})).await;
        let mut changes = session.listen().await;
        async move {
            changes.method("notifications/tools/list_changed").await;
            drop(session);
        }
    }
}

pub(crate) async fn people(harness: &Harness, replica: &Replica) -> [Person; 2] {
    let endpoint = replica.endpoint();
    let password = replica.password.clone().unwrap();
    let created = harness.operate(&["user", "create", "zoe"]).await;
    let password_of_zoe = created.rsplit(' ').next().unwrap();
    [
        Person::new(&endpoint, "admin", &password).await,
        Person::new(&endpoint, "zoe", password_of_zoe).await,
    ]
}
