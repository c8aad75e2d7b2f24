#!/usr/bin/env bash
# crates.io kube 5.0.0 (kube-runtime 5.0.0) with k8s-openapi 0.29.0.
#
# Seen: watcher(...).default_backoff() at an API server that answers each list with 403 lists again after about a second,
# for as long as it runs: 10 minutes have hundreds of lists, where the documented backoff of 0.8 to 30 seconds would have
# about 25. The watcher gives Ok(Event::Init) before each list, also before one that fails, and the backoff is reset by any
# Ok. A watch of something that the role does not permit is therefore a steady load, and each attempt is an error of the
# stream: whoever logs them, logs one each second. A program that wants longer pauses must not count Init as a success.
#
# Usage: findings/kube-failing-list-backoff.sh    (needs cargo; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "backoff"
version = "0.1.0"
edition = "2024"

[dependencies]
futures-util = "=0.3.33"
http = "1"
k8s-openapi = { version = "=0.29.0", features = ["earliest"] }
kube = { version = "=5.0.0", default-features = false, features = ["client", "runtime"] }
tokio = { version = "1", features = ["macros", "rt", "test-util", "time"] }
tower = { version = "0.5", features = ["util"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::{convert::Infallible, pin::pin, time::Duration};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, client::Body};
use tokio::time::{Instant, timeout_at};

const FORBIDDEN: &str =
    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"pods is forbidden"}"#;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let server = tower::service_fn(|_: http::Request<Body>| async {
        let answer = http::Response::builder().status(403).header("content-type", "application/json");
        Ok::<_, Infallible>(answer.body(Body::from(FORBIDDEN.as_bytes().to_vec())).unwrap())
    });
    let pods: Api<Pod> = Api::default_namespaced(Client::new(server, "default"));
    let mut events = pin!(watcher(pods, watcher::Config::default()).default_backoff());
    // The clock of tokio is advanced whenever nothing else is to be done.
    let end = Instant::now() + Duration::from_secs(600);
    let (mut begun, mut failed) = (0, 0);
    while let Ok(Some(event)) = timeout_at(end, events.next()).await {
        match event {
            Ok(watcher::Event::Init) => begun += 1,
            Ok(_) => panic!("the list is forbidden"),
            Err(_) => failed += 1,
        }
    }
    println!("kube 5.0.0: {begun} times Ok(Init) and {failed} errors within 10 minutes");
    assert!(begun >= failed && failed > 300, "the pauses grow");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet --manifest-path "$folder/Cargo.toml"
