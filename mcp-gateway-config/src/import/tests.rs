use std::io;

use mcp_gateway_core::limit::Limits;
use mcp_gateway_platform::spec::{Secret, ServerRuntime};

use super::*;
use crate::document::Lookup;

/// A system with a few variables and a file.
#[derive(Debug)]
struct Stage;

impl Environment for Stage {
    fn variable(&self, name: &str) -> Lookup {
        match name {
            "HOME" => Lookup::Found(Secret::from("/home/alice")),
            "TOKEN" | "API_KEY" | "COPILOT_MCP_KEY" => Lookup::Found(Secret::from("t0k3n")),
            "EMPTY" => Lookup::Found(Secret::from("")),
            _ => Lookup::Missing,
        }
    }

    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        match path.to_str() {
            Some("/project/.env") => Ok(Lookup::Found(Secret::from(
                "# comment\n\nA=1\nexport B = \"two words\"\nC='3'\n",
            ))),
            Some("/project/key.txt") => Ok(Lookup::Found(Secret::from("k3y"))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn read_at(path: &str, text: &str) -> Result<(Vec<ServerSpec>, Diagnostics), Diagnostics> {
    read(text, Path::new(path), &Stage)
}

/// Returns the content of a file, a line for each server.
fn described(text: &str) -> Vec<String> {
    described_at("/project/mcp.json", text)
}

/// The same for a file at `path`.
fn described_at(path: &str, text: &str) -> Vec<String> {
    let servers = match read_at(path, text) {
        Ok((servers, _)) => servers,
        Err(problems) => panic!("{problems}"),
    };
    servers.iter().map(describe).collect()
}

fn describe(server: &ServerSpec) -> String {
    let name = &server.name;
    match &server.transport {
        ServerRuntime::Process(process) => {
            let env: Vec<_> = process
                .env
                .iter()
                .map(|(name, value)| format!(" {name}={:?}", value.expose()))
                .collect();
            let directory = process
                .directory
                .as_ref()
                .map(|folder| format!(" in {}", folder.display()));
            format!(
                "{name}: {} {:?}{}{}",
                process.command,
                process.args,
                env.concat(),
                directory.unwrap_or_default()
            )
        }
        ServerRuntime::Remote(remote) => {
            let headers: Vec<_> = remote
                .headers
                .iter()
                .map(|(name, value)| format!(" {name}: {}", value.to_str().unwrap()))
                .collect();
            format!(
                "{name}: {} {:?}{}",
                remote.url,
                remote.protocol,
                headers.concat()
            )
        }
        other => panic!("{other:?}"),
    }
}

fn problems(text: &str) -> Vec<String> {
    problems_at("/project/mcp.json", text)
}

fn problems_at(path: &str, text: &str) -> Vec<String> {
    let problems = match read_at(path, text) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems.lines("f").collect()
}

#[test]
fn files_of_claude_are_taken_as_they_are() {
    let text = r#"{
      "mcpServers": {
        "filesystem": {
          "command": "npx",
          "args": ["-y", "@modelcontextprotocol/server-filesystem", "${HOME}/Desktop"],
          "env": { "LEVEL": "${LEVEL:-info}", "KEY": "${TOKEN}", "E": "${EMPTY:-x}" }
        },
        "github": {
          "type": "http",
          "url": "https://api.example.com/mcp/",
          "headers": { "Authorization": "Bearer ${TOKEN}" }
        },
        "old": { "type": "sse", "url": "${BASE:-https://old.example.com}/sse" },
        "off": { "command": "x", "disabled": true }
      },
      "globalShortcut": "Ctrl+Space"
    }"#;
    insta::assert_snapshot!(described(text).join("\n"), @r#"
    filesystem: npx ["-y", "@modelcontextprotocol/server-filesystem", "/home/alice/Desktop"] LEVEL="info" KEY="t0k3n" E="x"
    github: https://api.example.com/mcp/ None authorization: Bearer t0k3n
    old: https://old.example.com/sse Some(Sse)
    "#);
    assert!(problems(text).is_empty());
}

#[test]
fn files_of_editors_are_taken_as_they_are() {
    let text = r#"{
      // VS Code
      "inputs": [
        { "type": "promptString", "id": "api-key", "description": "Key", "password": true },
        { "type": "promptString", "id": "region", "default": "eu" },
      ],
      "servers": {
        "search": {
          "type": "stdio",
          "command": "${workspaceFolder}/bin/search",
          "args": ["--region", "${input:region}", "${pathSeparator}${/}$x"],
          "env": { "KEY": "${input:api-key}", "C": null },
          "envFile": "${workspaceFolder}/.env",
          "cwd": "sub",
          "dev": { "watch": "src/**" },
        },
        "remote": { "url": "http://localhost:3000/mcp", "headers": { "X-Key": "${env:API_KEY}" } },
      },
    }"#;
    let path = "/project/.vscode/mcp.json";
    insta::assert_snapshot!(described_at(path, text).join("\n"), @r#"
    search: /project/bin/search ["--region", "eu", "//$x"] A="1" B="two words" C="3" KEY="t0k3n" C="" in /project/sub
    remote: http://localhost:3000/mcp None x-key: t0k3n
    "#);
    let settings = format!(r#"{{ "editor.fontSize": 12, "mcp": {text} }}"#);
    assert_eq!(described_at(path, &settings), described_at(path, text));
}

#[test]
fn other_clients_have_other_names_for_the_same() {
    let text = r#"{ "mcpServers": {
        "windsurf": { "serverUrl": "https://a.example.com/mcp", "disabled": false },
        "gemini": { "httpUrl": "https://b.example.com/mcp", "trust": true },
        "cline": { "type": "streamableHttp", "url": "https://c.example.com/mcp", "autoApprove": [] },
        "copilot": { "type": "local", "command": "d", "args": [] }
    } }"#;
    insta::assert_snapshot!(described(text).join("\n"), @r#"
    windsurf: https://a.example.com/mcp None
    gemini: https://b.example.com/mcp None
    cline: https://c.example.com/mcp None
    copilot: d []
    "#);
}

#[test]
fn ignored_keys_are_reported() {
    let text = r#"{ "mcpServers": {
  "My Server": { "command": "a", "colour": 5, "disabledTools": ["x"] },
  "my-server": { "command": "b", "tools": ["*"] },
  "my server": { "url": "https://c.example.com", "headers": { "Host": "d" } }
} }"#;
    insta::assert_snapshot!(problems(text).join("\n"), @r#"
    f:2:16: warning: mcpServers.My Server: server renamed to "My-Server", because its name is a prefix of tool names
    f:2:34: warning: mcpServers.My Server: unknown key "colour" is ignored
    f:4:16: warning: mcpServers.my server: server renamed to "my-server-2", because its name is a prefix of tool names
    f:4:71: warning: mcpServers.my server.headers.Host: the header belongs to the connection or the protocol; ignored
    "#);
}

#[test]
fn all_errors_are_found_at_once() {
    let text = r#"{ "mcpServers": {
  "a": {},
  "b": { "command": "x", "url": "https://b.example.com" },
  "c": { "type": "http", "command": "x" },
  "d": { "type": "websocket", "url": "wss://d" },
  "e": { "url": "wss://e?key=secret" },
  "f": { "command": "${MISSING}", "args": ["${input:the.key}", "${command:x}", "${open"] },
  "g": { "command": "x", "envFile": "none.env", "args": "y" },
  "h": 1
} }"#;
    let lines = problems(text);
    insta::assert_snapshot!(lines.join("\n"), @r#"
    f:2:8: mcpServers.a: missing command or url
    f:3:8: mcpServers.b: command and url are mutually exclusive
    f:4:8: mcpServers.c: missing url
    f:5:18: mcpServers.d.type: unsupported transport "websocket"
    f:6:17: mcpServers.e.url: must begin with http:// or https://; expected a URL such as https://mcp.example.com/mcp
    f:7:21: mcpServers.f.command: environment variable MISSING is not set
    f:7:44: mcpServers.f.args[0]: cannot prompt for input "the.key"; set the environment variable THE_KEY
    f:7:64: mcpServers.f.args[1]: unsupported reference ${command:x}
    f:7:80: mcpServers.f.args[2]: "${" without "}"
    f:8:37: mcpServers.g.envFile: cannot read /project/none.env: entity not found
    f:8:57: mcpServers.g.args: expected a list, not a string
    f:9:8: mcpServers.h: expected a map, not a number
    "#);
    assert!(!lines.concat().contains("secret"));
}

#[test]
fn other_files_are_rejected() {
    assert_eq!(
        problems("{}"),
        ["f:1:1: expected one of: mcpServers, servers, context_servers, mcp_servers, extensions"]
    );
    assert_eq!(problems("[]"), ["f:1:1: expected a map, not a list"]);
    assert!(problems("mcpServers: {}")[0].contains("invalid JSON"));
}

#[test]
fn an_invalid_entry_does_not_affect_the_others() {
    let text = r#"{ "mcpServers": {
  "a": { "url": "https://a.example.com", "headers": { "Authorization": "Bearer ${MISSING}" } },
  "b": { "command": "b" }
} }"#;
    assert_eq!(described(text), ["b: b []"]);
    assert_eq!(
        problems(text),
        [
            "f:2:8: warning: mcpServers.a: server \"a\" is not served",
            "f:2:72: warning: mcpServers.a.headers.Authorization: environment variable MISSING is not set",
        ]
    );
}

#[test]
fn an_entry_without_a_program_is_reported_with_the_reason_alone() {
    let text = r#"{ "mcpServers": {
  "a": { "command": [], "args": ["x"] },
  "d": { "command": "" },
  "b": { "type": "stdio", "cwd": "/srv", "args": ["x"], "env": { "A": "1" } },
  "c": { "command": "c" }
} }"#;
    assert_eq!(described(text), ["c: c []"]);
    assert_eq!(
        problems(text),
        [
            "f:2:8: warning: mcpServers.a: server \"a\" is not served",
            "f:2:21: warning: mcpServers.a.command: the list is empty: missing program",
            "f:3:8: warning: mcpServers.d: server \"d\" is not served",
            "f:3:21: warning: mcpServers.d.command: empty: missing program",
            "f:4:8: warning: mcpServers.b: missing key \"command\"",
            "f:4:8: warning: mcpServers.b: server \"b\" is not served",
        ]
    );
}

#[test]
fn transports_have_several_spellings() {
    let entry = |kind: &str| {
        let text = format!(
            r#"{{ "mcpServers": {{ "a": {{ {kind}, "url": "https://a.example.com" }} }} }}"#
        );
        described(&text).concat()
    };
    for kind in [
        "HTTP",
        "streamableHttp",
        "streamable_http",
        "Streamable-HTTP",
    ] {
        let described = entry(&format!(r#""type": "{kind}""#));
        assert_eq!(described, "a: https://a.example.com/ None", "{kind}");
    }
    let sse = entry(r#""transportType": "sse""#);
    assert_eq!(sse, "a: https://a.example.com/ Some(Sse)");
}

#[test]
fn a_time_never_costs_the_server() {
    let read = |timeout: &str| {
        let text = format!(r#"{{ "mcpServers": {{ "a": {{ "command": "a", {timeout} }} }} }}"#);
        let (servers, warnings) = read_at("/project/mcp.json", &text).unwrap();
        (servers[0].limits.calls.clone(), warnings.len())
    };
    let limits = |seconds| Limits::default().with_timeout(std::time::Duration::from_secs(seconds));
    let table = [
        (r#""timeout": 30"#, limits(30), 0),
        (r#""timeout": "30s""#, limits(30), 0),
        (r#""timeout": "30""#, limits(30), 0),
        (r#""timeout": 30000"#, limits(30), 0),
        (r#""read_timeout_seconds": 3000"#, limits(3000), 0),
        (r#""timeout": 0"#, Limits::default(), 0),
        (r#""timeout": -1"#, Limits::default(), 0),
        (r#""timeout": "soon""#, Limits::default(), 1),
        (r#""timeout": {}"#, Limits::default(), 1),
    ];
    for (timeout, expected, warnings) in table {
        assert_eq!(read(timeout), (expected, warnings), "{timeout}");
    }
}

#[test]
fn a_login_of_the_client_is_reported() {
    let warnings = |login: &str| {
        let text = format!(
            r#"{{ "mcpServers": {{ "a": {{ "url": "https://a.example.com", {login} }} }} }}"#
        );
        problems(&text)
    };
    for login in [
        r#""oauth": { "clientId": "x" }, "scopes": ["a"]"#,
        r#""auth": "oauth""#,
        r#""authProviderType": "google_credentials""#,
        r#""headersHelper": "/bin/headers""#,
        r#""oauth": { "enabled": true }"#,
    ] {
        let lines = warnings(login);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("neither logs in to servers"), "{lines:?}");
    }
    for login in [
        r#""oauth": false"#,
        r#""oauth": {}, "scopes": []"#,
        r#""oauth": { "enabled": false }"#,
    ] {
        assert!(warnings(login).is_empty(), "{login}");
    }
}

#[test]
fn the_last_of_several_entries_with_a_name_counts() {
    let text = r#"{ "mcpServers": { "a": { "command": "a" }, "b": { "command": "b" }, "a": { "command": "c" } } }"#;
    assert_eq!(described(text), ["b: b []", "a: c []"]);
    assert!(problems(text)[0].contains("duplicate key \"a\""));
}

#[test]
fn inactive_entries_are_skipped() {
    let text = r#"{ "mcpServers": { "a": { "command": "a", "isActive": false }, "b": { "command": "b", "isActive": true } } }"#;
    assert_eq!(described(text), ["b: b []"]);
    assert!(problems(text).is_empty());
}

#[test]
fn client_files_in_yaml_have_their_keys() {
    for key in ["mcpServers", "mcp_servers", "context_servers", "mcp"] {
        assert!(
            is_client_file(&format!("{key}: {{ a: {{ command: a }} }}")),
            "{key}"
        );
    }
    let text = "mcp: { servers: { a: { transport: stdio, command: a } } }";
    assert_eq!(
        described_at("/srv/fastagent.config.yaml", text),
        ["a: a []"]
    );
}

/// An environment in which every variable is set, and that records the secrets.
#[derive(Debug, Default)]
struct Recorder {
    secrets: std::sync::Mutex<Vec<String>>,
}

impl Environment for Recorder {
    fn variable(&self, _: &str) -> Lookup {
        Lookup::Found(Secret::from("value"))
    }

    fn secret(&self, name: &str) -> Lookup {
        self.secrets.lock().unwrap().push(name.to_owned());
        self.variable(name)
    }

    fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
        Err(io::ErrorKind::NotFound.into())
    }
}

mod clients;
mod editors;
mod registry;
mod variables;
