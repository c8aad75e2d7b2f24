use std::io;
use std::path::Path;
use std::time::Duration;

use mcp_gateway_core::results::Overflow;
use mcp_gateway_core::upstream::{RootsPolicy, SessionPolicy};
use mcp_gateway_platform::spec::{
    Anonymous, ParkedCallLimits, Secret, ServerRuntime, SessionLimits,
};

use super::*;
use crate::document::Lookup;

mod arbitrary;
mod origins;

/// A system whose variables and files are named after what is in them.
#[derive(Debug)]
struct Stage;

impl Environment for Stage {
    fn variable(&self, name: &str) -> Lookup {
        match name {
            "MISSING" => Lookup::Missing,
            name => Lookup::Found(Secret::from(format!("value-of-the-variable-{name}"))),
        }
    }

    fn builtins(&self) -> &[&str] {
        &["demo"]
    }

    fn file(&self, path: &Path) -> Result<Lookup, io::Error> {
        match path.to_str() {
            Some("/missing") => Err(io::ErrorKind::NotFound.into()),
            Some("/empty") => Ok(Lookup::Found(Secret::from(""))),
            _ => Ok(Lookup::Found(Secret::from("0f".repeat(32)))),
        }
    }
}

fn read(text: &str) -> Config {
    match Config::read_from(text, &Stage) {
        Ok((config, warnings)) => {
            assert!(warnings.is_empty(), "{warnings}");
            config
        }
        Err(problems) => panic!("{text}\n{problems}"),
    }
}

/// The lines about what is wrong, without the name of the file.
fn problems(text: &str) -> Vec<String> {
    let problems = match Config::read_from(text, &Stage) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    let lines = problems.lines("");
    lines
        .map(|line| line.trim_start_matches(':').to_owned())
        .collect()
}

#[test]
fn what_is_left_out_has_defaults() {
    let config = read("servers: [{ name: demo, builtin: demo }]");
    let (serving, fixed) = (&config.serving, &config.platform.fixed);
    assert_eq!(serving.listen, "127.0.0.1:8080".parse().unwrap());
    assert!(fixed.public_url.is_none() && fixed.replica_url.is_none());
    assert!(config.platform.has_no_callers() && fixed.session_key.is_none());
    assert_eq!(serving.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(fixed.sessions, SessionLimits::default());
    assert_eq!(fixed.parked, ParkedCallLimits::default());
    assert!(serving.connections.is_none() && serving.idle_timeout.is_none());
    assert!(serving.workers.is_none());
    let config = config.platform.dynamic;
    assert!(config.hosts.is_empty() && config.origins.is_empty() && config.max_body.is_none());
    let [gateway] = &*config.gateways else {
        panic!("{:?}", config.gateways);
    };
    assert_eq!(
        (&*gateway.name, &*gateway.servers),
        ("default", &["demo".into()][..])
    );
    let server = &config.servers[0];
    assert_eq!(
        (&*server.prefix, server.sessions),
        ("demo", SessionPolicy::Shared)
    );
}

#[test]
fn every_key_is_read() {
    let config = read(include_str!("tests/full.yaml"));
    insta::assert_debug_snapshot!(config);
    let config = config.platform.dynamic;
    let ServerRuntime::Remote(remote) = &config.servers[0].transport else {
        panic!("{config:?}");
    };
    let headers: Vec<_> = remote
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        [
            ("x-tenant", "acme"),
            ("x-api-key", "value-of-the-variable-KEY"),
            ("authorization", "Bearer value-of-the-variable-GITHUB"),
        ]
    );
    let ServerRuntime::Process(process) = &config.servers[1].transport else {
        panic!("{config:?}");
    };
    assert_eq!(process.args, ["-y", "server-files", "8080"]);
    assert_eq!(process.env[1], ("LEVEL".to_owned(), Secret::new("3")));
}

#[test]
fn all_mistakes_are_found_at_once() {
    let lines = problems(include_str!("tests/mistakes.yaml"));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn programs_are_not_shared_by_accident() {
    let config = read("servers: [{ name: a, process: { command: a } }]");
    assert_eq!(
        config.platform.dynamic.servers[0].sessions,
        SessionPolicy::PerPrincipal
    );
}

#[test]
fn budgets_of_tools_complete_that_of_their_server() {
    let results =
        |results: &str| format!("servers: [{{ name: a, builtin: demo, results: {results} }}]");
    let config = read(&results(
        "{ maxBytes: 64KiB, over: link, tools: { b: { over: error }, c: { maxBytes: 1KiB } } }",
    ));
    let budgets = &config.platform.dynamic.servers[0].results;
    let budget = |tool| {
        let budget = budgets.of(tool);
        (budget.max_bytes(), budget.overflow())
    };
    assert_eq!(budget("a"), (Some(64 * 1024), Overflow::Link));
    assert_eq!(budget("b"), (Some(64 * 1024), Overflow::Reject));
    assert_eq!(budget("c"), (Some(1024), Overflow::Link));
    let config = read(&results("{ tools: { b: { project: $.items } } }"));
    let budgets = &config.platform.dynamic.servers[0].results;
    assert!(budgets.of("a").is_empty() && !budgets.of("b").is_empty());
    let lines = problems(&results("{ over: cut, tools: { b: { project: $.a } } }"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].ends_with("results: over has no effect without maxBytes"),
        "{lines:?}"
    );
    let lines = problems(&results(
        "{ tools: { b: { project: items }, c: { maxBytes: 1000, over: ling } } }",
    ));
    let ends = [
        "b.project: \"items\" is not a JSON path: expected a form such as $.items[*].name: at position 0, parser error",
        "c.maxBytes: must be at least 1024",
        "c.over: unknown value \"ling\"; did you mean \"link\"? Available: cut, link, error",
    ];
    assert_eq!(lines.len(), ends.len(), "{lines:?}");
    for (line, end) in lines.iter().zip(ends) {
        assert!(
            line.ends_with(&format!("servers[0].results.tools.{end}")),
            "{line}"
        );
    }
}

#[test]
fn roots_are_allowed_in_directories_only() {
    let roots = |server: &str| {
        let config = read(&format!("servers: [{{ name: a, {server} }}]"));
        config.platform.dynamic.servers[0].roots.clone()
    };
    let (program, remote) = (
        "process: { command: a }",
        "remote: { url: https://a.example }",
    );
    assert_eq!(roots(program), None);
    assert_eq!(
        roots(&format!("{program}, roots: off")),
        Some(RootsPolicy::Off)
    );
    assert_eq!(
        roots(&format!("{program}, roots: [/srv/files, /srv/other]")),
        Some(RootsPolicy::inside(["/srv/files", "/srv/other"]))
    );
    assert_eq!(
        roots(&format!("{remote}, roots: off")),
        Some(RootsPolicy::Off)
    );
    assert_eq!(
        roots(&format!("{remote}, roots: on")),
        Some(RootsPolicy::Unchecked)
    );
}

#[test]
fn one_mistake_has_one_message() {
    for (text, expected) in MISTAKES {
        let lines = problems(text);
        assert!(
            lines.iter().any(|line| line == expected),
            "{text}\n{lines:#?}"
        );
    }
}

/// Without a value, each of these keys would have a default that is wider than it seems.
#[test]
fn category_empty_value_is_rejected() {
    for (text, path) in [
        (
            "servers: [{ name: a, builtin: demo, tools: }]",
            "servers[0].tools",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { allow: } }]",
            "servers[0].tools.allow",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { deny: null } }]",
            "servers[0].tools.deny",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { rename: ~ } }]",
            "servers[0].tools.rename",
        ),
        (
            "servers: [{ name: a, remote: { url: http://a }, roots: }]",
            "servers[0].roots",
        ),
        ("gateways: [{ name: a, servers: }]", "gateways[0].servers"),
        ("gateways: [{ name: a, teams: }]", "gateways[0].teams"),
        (
            "auth: { issuers: [{ issuer: https://a.example, audience: }] }",
            "auth.issuers[0].audience",
        ),
        (
            "auth: { issuers: [{ issuer: https://a.example, requiredScopes: }] }",
            "auth.issuers[0].requiredScopes",
        ),
        (
            "auth: { oauth: { clients: [{ id: a, scopes: }] } }",
            "auth.oauth.clients[0].scopes",
        ),
        ("origins:", "origins"),
        ("servers: [{ name: }]", "servers[0].name"),
    ] {
        let expected =
            format!("{path}: missing value; use [] for an empty list, or remove the key");
        let lines = problems(text);
        assert!(
            lines.iter().any(|line| line.ends_with(&expected)),
            "{text}\n{lines:#?}"
        );
    }
}

/// Texts, and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "servers: [{ name: a, process: { command: a }, roots: on }]",
        "1:54: servers[0].roots: on is for remote servers only; list the allowed directories",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: [/srv, files] }]",
        "1:61: servers[0].roots[1]: \"files\" is not a directory: expected an absolute path",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: [] }]",
        "1:54: servers[0].roots: at least one directory is required; use off for no roots",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: /srv }]",
        "1:54: servers[0].roots: unknown value \"/srv\"; available: off, on",
    ),
    ("", "1:1: the file is empty"),
    ("[]", "1:1: expected a map, not a list"),
    (
        "x: 1",
        "1:1: unknown key \"x\"; available: listen, publicUrl, hosts, origins, replicaUrl, servers, gateways, defaultGateway, auth, limits, sessionKey, store, audit, metrics, log, shutdownTimeout",
    ),
    (
        "auth: { oauth: { clients: [{ id: a, jwks: { env: A } }] } }",
        "1:43: auth.oauth.clients[0].jwks: expected a JSON Web Key Set with a public key",
    ),
    (
        "auth: { oauth: { clients: [{ id: a }] } }",
        "1:28: auth.oauth.clients[0]: the grant type client_credentials requires secret, jwks or jwksUrl",
    ),
    (
        "auth: { forward: [{ name: default, url: https://a.example }] }",
        "1:7: auth: \"default\" is already the name of another resource",
    ),
    (
        "auth: { forward: [{ name: a, url: https://a.example/?x }] }",
        "1:35: auth.forward[0].url: \"https://a.example/?x\" is not the URL of a server: must not have a query or fragment",
    ),
    (
        "replicaUrl: http://10.0.0.7:8080",
        "1:1: replicaUrl requires a sessionKey, common to all replicas",
    ),
    (
        "replicaUrl: http://10.0.0.7:8080/x",
        "1:13: replicaUrl: \"http://10.0.0.7:8080/x\" is not the URL of a replica: expected a URL without a path, such as http://10.0.0.7:8080",
    ),
    (
        "listen: 127.0.0.1:80\nlisten: 127.0.0.1:80",
        "2:1: duplicate key \"listen\"; first in line 1",
    ),
    (
        "gateways: []",
        "1:11: gateways: at least one gateway is required; omit the key for one over all servers",
    ),
    (
        "gateways: [{ name: sse }]",
        "1:20: gateways[0].name: \"sse\" is not the name of a gateway: reserved for the default gateway",
    ),
    (
        "limits: { workers: 1000000000 }",
        "1:20: limits.workers: must be at most 1024",
    ),
    (
        "defaultGateway: x",
        "1:17: defaultGateway: unknown gateway \"x\"; available: default",
    ),
    (
        "servers: [{ name: a__b, builtin: demo }]",
        "1:19: servers[0].name: the name is not a valid prefix; set prefix: \"a__b\" cannot be a prefix: use letters, digits, '-', '.' and single '_', neither beginning nor ending with '_', up to 32 characters",
    ),
    (
        "servers: [{ name: a, builtin: demo, prefix: '' }, { name: b, builtin: demo, prefix: '' }]",
        "1:10: servers: \"b\" cannot have the prefix \"\", which \"a\" has",
    ),
    (
        "servers: [{ name: a }]",
        "1:11: servers[0]: missing one of: builtin, process, remote",
    ),
    (
        "servers: [{ name: a, builtin: demo, remote: { url: http://a } }]",
        "1:11: servers[0]: only one of these is allowed: builtin, process, remote",
    ),
    (
        "servers: [{ name: a, process: { command: npx -y x } }]",
        "1:42: warning: servers[0].process.command: the program name contains spaces; arguments belong in args",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a, headers: { host: { value: x } } } }]",
        "1:64: servers[0].remote.headers.host: the header belongs to the connection or the protocol",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a, headers: { Authorization: { value: x } } } }]",
        "1:75: servers[0].remote.headers.Authorization: unknown key \"value\"; available: env, file",
    ),
    (
        "auth: { anonymous: 'true' }",
        "1:20: auth.anonymous: expected true or false without quotes",
    ),
    (
        "auth: { tokens: [{ name: a, token: hunter2 }] }",
        "1:36: auth.tokens[0].token: secrets must not be in this file; expected { env: NAME } or { file: PATH }",
    ),
    (
        "auth: { tokens: [{ name: a, token: { env: A } }, { name: b, token: { env: A } }] }",
        "1:17: auth.tokens: duplicate token of \"b\"",
    ),
    (
        "sessionKey: { env: A }",
        "1:13: sessionKey: the key must have 32 bytes; generate one with: openssl rand -base64 32",
    ),
    (
        "log: { level: loud }",
        "1:15: log.level: \"loud\" is not a level: expected one of: trace, debug, info, warn, error, off",
    ),
    (
        "limits: { sessions: { idle: 2d } }",
        "1:21: limits.sessions: idle must not exceed lifetime",
    ),
    (
        "auth: { login: { oidc: [{ name: a, issuer: https://a.example, clientId: a, allowedGroups: [] }] } }",
        "1:91: auth.login.oidc[0].allowedGroups: an empty list would allow everybody; remove the key to do so",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { \"get_*\": x } } }]",
        "1:65: servers[0].tools.rename.get_*: expected the name of one tool, without *",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { \"\": x } } }]",
        "1:60: servers[0].tools.rename.: \"\" is not the name of a tool: expected printable characters, up to 2048 bytes",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { b: x y } } }]",
        "1:59: servers[0].tools.rename.b: \"x y\" is not an alias: expected letters, digits, '-', '_' and '.', up to 64 characters",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { b: x, c: x } } }]",
        "1:65: servers[0].tools.rename.c: duplicate alias \"x\"",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { deny: [b], rename: { b: x } } }]",
        "1:70: warning: servers[0].tools.rename.b: the alias has no effect, because the tool is not offered",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { allow: [\"\"] } }]",
        "1:54: servers[0].tools.allow[0]: \"\" is not the name of a tool: expected printable characters, up to 2048 bytes",
    ),
];

#[test]
fn an_open_gateway_has_to_be_asked_for() {
    for open in ["listen: 0.0.0.0:80", "publicUrl: https://mcp.example.com"] {
        let problems = problems(&format!("{open}\nauth: {{ anonymous: true }}"));
        assert!(problems[0].contains("insecureAnonymous"), "{problems:?}");
    }
    read("publicUrl: http://localhost:9000\nauth: { anonymous: true }");
    let config = read("listen: 0.0.0.0:80\nauth: { insecureAnonymous: true }");
    assert_eq!(
        config.platform.dynamic.auth.anonymous,
        Anonymous::Everywhere
    );
    let config = read("auth: { anonymous: true }");
    assert_eq!(config.platform.dynamic.auth.anonymous, Anonymous::Local);
}

#[test]
fn a_file_can_be_read_by_itself() {
    let config = parse(include_str!("tests/full.yaml")).unwrap();
    assert_eq!(config.platform.dynamic.auth.tokens[0].secret.expose(), "");
}

#[test]
fn servers_are_compared_by_what_is_said_of_them() {
    let server = |text: &str| {
        let config = read(&format!("servers:\n{text}"));
        config.platform.dynamic.servers[0].clone()
    };
    let one = server("- { name: a, process: { command: a, env: { X: { env: A } } } }");
    let moved = server("- process:\n    env: { X: { env: A } }\n    command: a\n  name: a");
    let other = server("- { name: a, process: { command: a, env: { X: { env: B } } } }");
    assert!(one == moved && one != other);
}

fn fixed_keys(before: &str, after: &str) -> Vec<&'static str> {
    let config = |text: &str| parse(&format!("log: {{ level: info }}\n{text}\n")).unwrap();
    config(before).restart_keys(&config(after))
}

#[test]
fn what_cannot_change_in_a_process_is_known() {
    let issuer = "auth: { issuers: [{ issuer: https://a.example }] }";
    for (before, after, expected) in [
        (
            "auth: { oauth: {} }",
            "auth: { oauth: { registration: off } }",
            &[][..],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: {}, forward: [{ name: a, url: https://a.example }] }",
            &[],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: { accessTokenLifetime: 5m, rateLimits: { register: 1 } } }",
            &["auth.oauth.accessTokenLifetime", "auth.oauth.rateLimits"],
        ),
        (
            "auth: { oauth: {} }",
            "auth: { login: { local: true } }",
            &["auth.login"],
        ),
        (
            "auth: { anonymous: true }",
            "auth: { oauth: {} }",
            &["auth.oauth"],
        ),
        ("auth: { anonymous: true }", issuer, &["auth.issuers"]),
        (
            issuer,
            "auth: { issuers: [{ issuer: https://b.example }] }",
            &[],
        ),
        (
            issuer,
            "auth: { issuers: [{ issuer: https://a.example }], allowedNetworks: [10.0.0.0/8] }",
            &["auth.allowedNetworks"],
        ),
        ("", "publicUrl: https://gw.example", &[]),
        (
            "auth: { oauth: {} }",
            "auth: { oauth: {}, trustedProxies: [10.0.0.0/8] }\npublicUrl: https://gw.example",
            &["auth.trustedProxies", "publicUrl"],
        ),
    ] {
        assert_eq!(fixed_keys(before, after), expected, "{before} -> {after}");
    }
}
