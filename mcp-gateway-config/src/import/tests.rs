use std::io;

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
            "TOKEN" | "API_KEY" => Lookup::Found(Secret::from("t0k3n")),
            "EMPTY" => Lookup::Found(Secret::from("")),
            _ => Lookup::Missing,
        }
    }

    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        match path.to_str() {
            Some("/project/.env") => Ok(Lookup::Found(Secret::from(
                "# comment\n\nA=1\nexport B = \"two words\"\nC='3'\n",
            ))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn read_in(folder: &str, text: &str) -> Result<(Vec<ServerSpec>, Diagnostics), Diagnostics> {
    read(text, Path::new(folder), &Stage)
}

/// What a file describes, a line for each server.
fn described(text: &str) -> Vec<String> {
    let servers = match read_in("/project/.vscode", text) {
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
    let problems = match read_in("/project", text) {
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
    insta::assert_snapshot!(described(text).join("\n"), @r#"
    search: /project/bin/search ["--region", "eu", "//$x"] A="1" B="two words" C="3" KEY="t0k3n" C="" in /project/sub
    remote: http://localhost:3000/mcp None x-key: t0k3n
    "#);
    let settings = format!(r#"{{ "editor.fontSize": 12, "mcp": {text} }}"#);
    assert_eq!(described(&settings), described(text));
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
fn what_has_no_effect_is_said() {
    let text = r#"{ "mcpServers": {
  "My Server": { "command": "a", "timeout": 5, "disabledTools": ["x"] },
  "my-server": { "command": "b" },
  "my server": { "url": "https://c.example.com", "headers": { "Host": "d" } }
} }"#;
    insta::assert_snapshot!(problems(text).join("\n"), @r#"
    f:2:16: warning: mcpServers.My Server: server renamed to "My-Server", because its name is a prefix of tool names
    f:2:34: warning: mcpServers.My Server: unknown key "timeout" is ignored
    f:2:48: warning: mcpServers.My Server: unknown key "disabledTools" is ignored
    f:4:16: warning: mcpServers.my server: server renamed to "my-server-2", because its name is a prefix of tool names
    f:4:71: warning: mcpServers.my server.headers.Host: the header belongs to the connection or the protocol; ignored
    "#);
}

#[test]
fn all_mistakes_are_found_at_once() {
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
    f:4:26: warning: mcpServers.c: unknown key "command" is ignored
    f:5:18: mcpServers.d.type: unknown value "websocket"; available: stdio, local, http, streamable-http, streamableHttp, sse
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
fn other_files_are_told_apart() {
    assert_eq!(
        problems("{}"),
        ["f:1:1: expected one of: mcpServers, servers, context_servers"]
    );
    assert_eq!(problems("[]"), ["f:1:1: expected a map, not a list"]);
    assert!(problems("mcpServers: {}")[0].contains("invalid JSON"));
}
