//! Files as they are published.

use serde_json::{Value, json};

use super::*;
use crate::{Entry, EntryDocument, EntryStatus};

/// Reads a file; what is published again must be valid, and mean the same.
fn entry(file: &Value) -> Entry {
    let found = read(file).unwrap_or_else(|error| panic!("{error}: {file}"));
    let mut document = EntryDocument::new(found.entry.clone(), 0);
    document.published = Some(found.published.clone());
    let published = write(&document);
    assert_eq!(violations(&published), [], "{published:#}");
    let again = read(&published).unwrap().entry;
    assert_eq!(again.server, found.entry.server, "{published:#}");
    // Without the file, too.
    document.published = None;
    let written = write(&document);
    assert_eq!(violations(&written), [], "{written:#}");
    found.entry
}

fn package(package: &Value) -> Entry {
    entry(
        &json!({ "name": "com.example/a", "description": "A", "version": "1.0.0", "packages": [package] }),
    )
}

fn remote(remote: &Value) -> Entry {
    entry(
        &json!({ "name": "com.example/a", "description": "A", "version": "1.0.0", "remotes": [remote] }),
    )
}

fn stdio(kind: &str, identifier: &str, version: &str) -> Value {
    json!({ "registryType": kind, "identifier": identifier, "version": version, "transport": { "type": "stdio" } })
}

fn args(entry: &Entry) -> String {
    let process = &entry.server.as_ref().unwrap()["process"];
    format!(
        "{} {}",
        process["command"].as_str().unwrap(),
        process["args"]
    )
}

#[test]
fn packages_are_run_by_their_programs() {
    for (kind, identifier, version, expected) in [
        (
            "npm",
            "@example/a",
            "1.0.0",
            r#"npx ["-y","@example/a@1.0.0"]"#,
        ),
        ("npm", "a", "latest", r#"npx ["-y","a"]"#),
        ("pypi", "a", "1.0.0", r#"uvx ["a==1.0.0"]"#),
        (
            "oci",
            "ghcr.io/example/a:1",
            "1.0.0",
            r#"docker ["run","-i","--rm","ghcr.io/example/a:1"]"#,
        ),
        (
            "docker",
            "localhost:5000/a",
            "1.0.0",
            r#"docker ["run","-i","--rm","localhost:5000/a:1.0.0"]"#,
        ),
        (
            "nuget",
            "Example.A",
            "1.0.0",
            r#"dnx ["--yes","Example.A@1.0.0"]"#,
        ),
    ] {
        assert_eq!(args(&package(&stdio(kind, identifier, version))), expected);
    }
    for (reason, file) in [
        (
            "MCPB",
            stdio("mcpb", "https://a.example.com/a.mcpb", "1.0.0"),
        ),
        ("cargo", stdio("cargo", "a", "1.0.0")),
        ("no type", json!({ "identifier": "a" })),
        ("no identifier", json!({ "registryType": "npm" })),
        (
            "listens",
            json!({ "registryType": "npm", "identifier": "a", "transport": { "type": "streamable-http", "url": "http://localhost:8080/mcp" } }),
        ),
        (
            "hash",
            json!({ "registryType": "npm", "identifier": "a", "fileSha256": "0".repeat(64) }),
        ),
    ] {
        let entry = package(&file);
        let unsupported = entry.unsupported.clone().unwrap();
        assert!(
            unsupported.contains(reason) && !entry.is_installable(),
            "{unsupported}"
        );
    }
}

#[test]
fn r12_a_package_passes_no_options_to_its_program() {
    for (identifier, version) in [
        ("--registry=https://evil", "1"),
        ("a", "-1"),
        ("a b", "1"),
        ("a", "1 2"),
    ] {
        let entry = package(&stdio("npm", identifier, version));
        assert!(
            entry.unsupported.unwrap().contains("invalid"),
            "{identifier}"
        );
    }
    let mut other = stdio("npm", "a", "1.0.0");
    other["registryBaseUrl"] = "https://npm.example.com/".into();
    assert_eq!(
        args(&package(&other)),
        r#"npx ["-y","--registry","https://npm.example.com","a@1.0.0"]"#
    );
    other["registryBaseUrl"] = "http://npm.example.com".into();
    assert!(package(&other).unsupported.is_some());
}

#[test]
fn undeclared_names_in_headers_are_secret_inputs() {
    let entry = remote(&json!({
        "type": "streamable-http", "url": "https://{tenant}.example.com/mcp",
        "variables": { "tenant": { "default": "eu" } },
        "headers": [
            { "name": "Authorization", "value": "Bearer {token}", "isRequired": true },
            { "name": "X-API-Key", "description": "Key" },
            { "name": "X-Region", "value": "{region}", "variables": { "region": { "choices": ["a", "b"] } } },
        ],
    }));
    let inputs: Vec<_> = entry
        .inputs
        .iter()
        .map(|it| (&*it.name, it.secret, it.required))
        .collect();
    let expected = [
        ("tenant", false, false),
        ("token", true, true),
        ("X-API-Key", true, false),
        ("region", false, false),
    ];
    assert_eq!(inputs, expected);
    let values = [("token".to_owned(), "t".to_owned())].into();
    let server = entry.install("a", &values).unwrap();
    // A secret without a value is asked of each connection.
    let headers = json!({
        "Authorization": { "secret": "Bearer t" },
        "X-API-Key": { "value": "${input:X-API-Key}" },
    });
    let expected = json!({ "url": "https://eu.example.com/mcp", "headers": headers });
    assert_eq!(server["remote"], expected);
    assert_eq!(server["inputs"][0]["required"], false);
}

#[test]
fn older_and_deviating_files_are_read() {
    let old = json!({
        "name": "io.github.example/old", "description": "x".repeat(300), "status": "deprecated",
        "version_detail": { "version": "0.1.0" }, "repository": {}, "$schema": "",
        "packages": [{
            "registry_name": "npm", "name": "old", "version": "0.1.0",
            "package_arguments": ["serve", { "type": "named", "name": "unit", "value_hint": "unit", "is_required": true }],
            "environment_variables": [{ "name": "OLD_TOKEN", "is_required": true }, {}, 5],
        }],
        "unknown": [1],
    });
    let found = entry(&old);
    assert_eq!(
        (&*found.version, found.status),
        ("0.1.0", EntryStatus::Deprecated)
    );
    assert_eq!(
        args(&found),
        r#"npx ["-y","old@0.1.0","serve",["unit","{unit}"]]"#
    );
    assert!(
        found
            .inputs
            .iter()
            .any(|it| it.name == "OLD_TOKEN" && it.secret && it.required)
    );
    let http = remote(&json!({ "transportType": "http", "url": "https://a.example.com" }));
    assert_eq!(
        http.server.unwrap()["remote"]["url"],
        "https://a.example.com"
    );
    let both = entry(&json!({
        "name": "com.example/a", "version": "1.0.0", "title": "Both",
        "packages": [stdio("npm", "a", "1.0.0")],
        "remotes": [{ "type": "websocket", "url": "wss://a" }, { "type": "sse", "url": "https://a.example.com/sse" }],
    }));
    assert_eq!(
        (
            both.description.as_str(),
            &both.server.unwrap()["remote"]["protocol"]
        ),
        ("Both", &json!("sse"))
    );
    let none = entry(&json!({ "name": "com.example/a", "version": "1", "description": "A" }));
    assert!(none.unsupported.unwrap().contains("neither"));
    for invalid in [
        json!(null),
        json!([1]),
        json!({}),
        json!({ "name": "a" }),
        json!({ "name": "a/b/c", "version": "1" }),
        json!({ "name": "a", "version": "latest" }),
    ] {
        assert!(read(&invalid).is_err(), "{invalid}");
    }
}

#[test]
fn visible_secrets_are_asked_of_each_connection() {
    let mut file = stdio("npm", "a", "1.0.0");
    file["packageArguments"] = json!([{ "type": "named", "name": "--api-key", "isSecret": true }]);
    let program = package(&file);
    let url = remote(
        &json!({ "type": "sse", "url": "https://a.example.com/{key}", "variables": { "key": { "isSecret": true } } }),
    );
    for (entry, input, place, expected) in [
        (program, "api-key", "/process/args/3", "${input:api-key}"),
        (
            url,
            "key",
            "/remote/url",
            "https://a.example.com/${input:key}",
        ),
    ] {
        assert_eq!(entry.unsupported, None);
        let server = entry.install("a", &[].into()).unwrap();
        assert_eq!(server["inputs"][0]["name"], input, "{server}");
        assert_eq!(server.pointer(place).unwrap(), expected, "{server}");
        // The administrator would show it to all.
        let values = [(input.to_owned(), "hunter2".to_owned())].into();
        let found = entry.install("a", &values).unwrap_err();
        assert!(found[0].message.contains("visible"), "{found:?}");
    }
}

#[test]
fn written_files_keep_the_inputs() {
    let mut entry = Entry::new("com.example/notes", "1.0.0", "Notes");
    entry.server = Some(json!({ "process": {
        "command": "docker",
        "args": ["run", "-i", "--rm", "-e", "KEY", "example/notes:1", ["--unit", "{unit}"], "{folder}"],
        "env": { "KEY": "{key}", "MODE": { "value": "fast" } },
    } }));
    entry.inputs = ["unit", "folder", "key"].map(crate::Input::new).into();
    entry.inputs[2].secret = true;
    let file = write(&EntryDocument::new(entry.clone(), 0));
    assert_eq!(violations(&file), []);
    let again = read(&file).unwrap().entry;
    assert_eq!(
        args(&again),
        r#"docker ["run","-i","--rm","-e","KEY","-e","MODE","example/notes:1",["--unit","{unit}"],"{folder}"]"#
    );
    let key = again.inputs.iter().find(|it| it.name == "KEY").unwrap();
    assert!(key.secret, "{:?}", again.inputs);
}

#[test]
fn invalid_files_are_found() {
    let valid = json!({ "name": "com.example/a", "description": "A", "version": "1.0.0",
        "packages": [{ "registryType": "npm", "identifier": "a", "version": "1.0.0", "transport": { "type": "stdio" },
            "packageArguments": [{ "type": "positional", "value": "a" }], "environmentVariables": [{ "name": "A" }] }],
        "remotes": [{ "type": "sse", "url": "https://a.example.com", "variables": { "a": {} } }],
        "repository": { "url": "https://a.example.com", "source": "git" }, "icons": [{ "src": "https://a.example.com/a.png" }] });
    assert_eq!(violations(&valid), []);
    for (path, value) in [
        ("/name", json!("a")),
        ("/description", json!("x".repeat(101))),
        ("/version", json!(1)),
        ("/packages/0/version", json!("latest")),
        (
            "/packages/0/transport",
            json!({ "type": "http", "url": "http://localhost" }),
        ),
        ("/packages/0/packageArguments/0", json!("a")),
        (
            "/packages/0/packageArguments/0",
            json!({ "type": "positional" }),
        ),
        (
            "/packages/0/environmentVariables/0",
            json!({ "name": "A", "isRequired": "true" }),
        ),
        ("/remotes/0/type", json!("http")),
        ("/remotes/0/url", json!("a")),
        ("/remotes/0/variables/a", json!([])),
        ("/repository", json!({ "url": "https://a.example.com" })),
        ("/icons/0/src", json!("a")),
        ("/packages", json!({})),
    ] {
        let mut invalid = valid.clone();
        *invalid.pointer_mut(path).unwrap() = value;
        assert_eq!(
            violations(&invalid).len(),
            1,
            "{path} {:?}",
            violations(&invalid)
        );
    }
}
