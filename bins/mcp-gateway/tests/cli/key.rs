//! Key of the state that is lost or replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_gateway_tests::postgres::Postgres;
use serde_json::{Value, json};

use crate::harness::{Done, Folder, Gateway, eventually, run_with_env};

/// Configuration of a gateway with accounts.
fn config(folder: &Folder, store: &Value, key: Option<&str>) -> String {
    let mut config = json!({
        "listen": "127.0.0.1:0",
        "store": store,
        "servers": [{ "name": "demo", "builtin": "demo" }],
    });
    if let Some(variable) = key {
        config["sessionKey"] = json!({ "env": variable });
    }
    folder.write("gateway.yaml", &config.to_string())
}

/// Asserts that neither `serve` nor a command accepts the state, for a reason with `expected`.
async fn is_rejected(config: &str, env: &[(&str, &str)], expected: &[&str]) {
    for command in ["serve", "user list", "audit verify"] {
        let args: Vec<_> = command.split(' ').chain(["--config", config]).collect();
        let Done { code, stderr, .. } = run_with_env(&args, env).await;
        assert_eq!(code, Some(1), "{command}: {stderr}");
        for part in expected {
            assert!(stderr.contains(part), "{command}: {stderr}");
        }
        assert!(
            stderr.contains("from a backup, or move the files of the database away"),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn category_lost_key_is_named_and_not_replaced() {
    let folder = Folder::new();
    let store = json!({ "sqlite": folder.path("gateway.db") });
    let config = config(&folder, &store, None);
    drop(Gateway::serve(&config).await);
    let key = folder.path("gateway.key");
    let backup = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    is_rejected(&config, &[], &[&format!("{key} is missing")]).await;
    assert!(fs::metadata(&key).is_err(), "no other key appears");

    fs::write(&key, [7; 32]).unwrap();
    let database = folder.path("gateway.db");
    let foreign = format!("{database} was encrypted with another key than {key}");
    is_rejected(&config, &[], &[&foreign]).await;

    fs::write(&key, backup).unwrap();
    drop(Gateway::serve(&config).await);
    // To start anew.
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        let _ = fs::rename(folder.path(file), folder.path(&format!("old-{file}")));
    }
    fs::remove_file(&key).unwrap();
    drop(Gateway::serve(&config).await);
    assert!(fs::metadata(&key).is_ok(), "a new database has a new key");
}

#[tokio::test]
async fn category_key_file_that_others_may_read_is_reported() {
    let folder = Folder::new();
    let store = json!({ "sqlite": folder.path("gateway.db") });
    let config = config(&folder, &store, None);
    let gateway = Gateway::serve(&config).await;
    assert!(
        !gateway.stderr().contains("other users"),
        "{}",
        gateway.stderr()
    );
    drop(gateway);
    let exposed = fs::Permissions::from_mode(0o640);
    fs::set_permissions(folder.path("gateway.key"), exposed).unwrap();
    let gateway = Gateway::serve(&config).await;
    let expected = "key readable by other users: mode 640 instead of 600";
    eventually(async || gateway.stderr().contains(expected)).await;
}

#[tokio::test]
async fn category_lost_key_replica_with_another_key_does_not_start() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let folder = Folder::new();
    let config = config(
        &folder,
        &json!({ "postgres": { "env": "DATABASE" } }),
        Some("KEY"),
    );
    let (own, foreign) = ("ab".repeat(32), "cd".repeat(32));
    let env = |key| [("DATABASE", &*database), ("KEY", key)];
    let _first = Gateway::serve_with(&config, &env(&own)).await;
    let _second = Gateway::serve_with(&config, &env(&own)).await;
    let expected = ["PostgreSQL was encrypted with another key than `sessionKey`"];
    is_rejected(&config, &env(&foreign), &expected).await;
}
