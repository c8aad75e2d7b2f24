//! A gateway over a server that lies and one that does not.

use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, Steps};
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};

/// Timeout of steps that take no time on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// Timeout of a server that is silent.
pub(super) const SILENCE: Duration = Duration::from_millis(400);

/// The eras of the server.
pub(super) const ERAS: [bool; 2] = [true, false];

/// A gateway over two servers, of which `liar` does as it is told.
#[derive(Debug)]
pub(super) struct Harness {
    pub(super) gateway: TestGateway,
    pub(super) liar: Scripted,
    pub(super) honest: Scripted,
}

impl Harness {
    /// The tool `lie` does as `script` says.
    pub(super) async fn new(
        modern: bool,
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> Self {
        Self::limited(modern, patient(), script).await
    }

    /// The same, with limits of the server.
    pub(super) async fn limited(
        modern: bool,
        limits: Limits,
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> Self {
        let liar = match modern {
            true => Scripted::modern(script).await.unwrap(),
            false => Scripted::legacy(script).await.unwrap(),
        };
        Self::over(liar, limits).await
    }

    /// A gateway over a server.
    pub(super) async fn over(liar: Scripted, limits: Limits) -> Self {
        let honest = Scripted::modern(|_| Vec::new()).await.unwrap();
        let gateway = Backends::new()
            .with_limits("liar", "liar", remote("liar", &liar.url).build(), limits)
            .with("honest", "honest", remote("honest", &honest.url).build())
            .start()
            .await;
        Self {
            gateway,
            liar,
            honest,
        }
    }

    pub(super) fn wire(&self) -> Wire {
        let token = HeaderValue::from_static("Bearer alice");
        Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token)
    }

    /// Calls a tool.
    pub(super) async fn call(&self, tool: &str) -> Reply {
        self.wire().call(tool, json!({})).await.unwrap()
    }

    /// The reason that the gateway gives for the failure of the tool `lie`.
    pub(super) async fn reason(&self) -> String {
        reason(&self.call("liar__lie").await)
    }

    /// Fails unless the next call works, of this server and of the other one.
    pub(super) async fn goes_on(&self, what: &str) {
        for tool in ["honest__truth", "liar__truth"] {
            let answer = self.call(tool).await.answer();
            let text = &answer["result"]["content"][0]["text"];
            assert_eq!(text, "true", "{tool} after {what}: {answer}");
        }
    }

    /// The names of the tools.
    pub(super) async fn tools(&self) -> Vec<String> {
        let reply = self.wire().request("tools/list", json!({})).await.unwrap();
        let answer = reply.answer();
        let tools = answer["result"]["tools"].as_array().unwrap();
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        tools.iter().map(name).collect()
    }
}

/// The reason in an error of the gateway; the whole answer if it is none.
#[track_caller]
pub(super) fn reason(reply: &Reply) -> String {
    let answer = reply.answer();
    assert_eq!(answer["id"], 1, "{reply:?}");
    let error = &answer["error"];
    let message = error["message"].as_str().unwrap_or_default();
    assert!(error.is_null() || message.len() > 8, "{answer}");
    assert!(
        error.is_null() || message.contains("liar"),
        "the error does not say whose it is: {answer}"
    );
    match error["data"]["reason"].as_str() {
        Some(reason) => reason.to_owned(),
        None => answer.to_string(),
    }
}

/// Limits that do not matter to a test.
pub(super) fn patient() -> Limits {
    Limits::default()
        .with_timeout(SOON)
        .with_breaker(1000, Duration::from_secs(1))
}

/// Limits of a server that is going to be silent.
pub(super) fn impatient() -> Limits {
    patient().with_timeout(SILENCE)
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < SOON, "not so after {SOON:?}: {what}");
        tokio::task::yield_now().await;
    }
}
