//! The gateway as it is.

use std::time::Duration;

use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_server_in_the_process_answers() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_in-process"));
    command.env("LISTEN", "127.0.0.1:0");
    let mut gateway = Process::start(command).unwrap();
    let wire = Wire::new(gateway.url(SOON).await.unwrap());

    let list = wire.request("tools/list", json!({})).await.unwrap();
    let list = list.answer();
    assert_eq!(
        list["result"]["tools"][0]["name"], "moon__journey",
        "{list}"
    );

    let journey = wire
        .call("moon__journey", json!({ "kmh": 5_000 }))
        .await
        .unwrap();
    let journey = journey.answer();
    assert_eq!(
        journey["result"]["content"][0]["text"], "3 days",
        "{journey}"
    );
}
