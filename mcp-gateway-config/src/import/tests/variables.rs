//! Variables and filters of entries.

use super::*;

#[test]
fn tools_are_filtered_as_in_the_client() {
    let filter = |entry: &str| {
        let text = format!(r#"{{ "mcpServers": {{ "a": {{ "command": "a", {entry} }} }} }}"#);
        let (servers, warnings) = read(&text, Path::new("f"), &NoEnvironment).unwrap();
        assert!(warnings.is_empty(), "{entry}: {warnings}");
        let tools = ["get", "set", "del"].into_iter();
        let shown = tools.filter(|tool| servers[0].tools.allows(tool));
        shown.collect::<Vec<_>>().join(" ")
    };
    let table = [
        (r#""tools": ["*"]"#, "get set del"),
        (r#""tools": ["get"]"#, "get"),
        (r#""tools": []"#, ""),
        (
            r#""enabled_tools": ["get", "set"], "disabled_tools": ["set"]"#,
            "get",
        ),
        (
            r#""includeTools": ["get(a)", "del"], "excludeTools": ["del"]"#,
            "get",
        ),
        (r#""available_tools": []"#, "get set del"),
        (r#""available_tools": ["set"]"#, "set"),
        (r#""disabledTools": ["*et"]"#, "del"),
        (
            r#""tools": { "get": true, "set": false, "del": { "enabled": false } }"#,
            "get",
        ),
        (r#""toolFilter": { "allowedToolNames": ["get"] }"#, "get"),
        (r#""toolFilter": { "exclude": ["get"] }"#, "set del"),
        (
            r#""autoApprove": ["get"], "alwaysAllow": ["get"]"#,
            "get set del",
        ),
    ];
    for (entry, shown) in table {
        assert_eq!(filter(entry), shown, "{entry}");
    }
}

#[test]
fn variables_of_an_entry_precede_those_of_the_environment() {
    let text = r#"{ "mcpServers": { "a": {
        "command": "npx",
        "args": ["mcp-remote", "--header", "Authorization:${AUTH}", "${TOKEN}"],
        "env": { "AUTH": "Bearer ${TOKEN}", "TOKEN": "${TOKEN}" }
    }, "b": { "command": "b", "args": ["${AUTH:-none}"] } } }"#;
    assert_eq!(
        described(text),
        [
            r#"a: npx ["mcp-remote", "--header", "Authorization:Bearer t0k3n", "t0k3n"] AUTH="Bearer t0k3n" TOKEN="t0k3n""#,
            r#"b: b ["none"]"#,
        ]
    );
}

#[test]
fn every_variable_that_a_file_refers_to_is_a_secret() {
    let text = r#"{ "mcpServers": { "a": {
        "command": "${PROGRAM:-x}", "args": ["${HOME}/b"], "env": { "KEY": "${TOKEN}" }
    } } }"#;
    let environment = Recorder::default();
    read(text, Path::new("/project/mcp.json"), &environment).unwrap();
    assert_eq!(*environment.secrets.lock().unwrap(), ["TOKEN", "PROGRAM"]);
}

#[test]
fn missing_inputs_are_all_named() {
    let text = r#"{ "servers": { "r": {
  "type": "http",
  "url": "https://${input:app-name}.example.com/mcp",
  "headers": { "x-functions-key": "${input:app-key}" }
} } }"#;
    let lines = problems(text);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("APP_NAME"), "{lines:?}");
    assert!(lines[1].contains("APP_KEY"), "{lines:?}");
}
