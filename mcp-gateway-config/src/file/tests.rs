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
mod client_credentials;
mod gateways;
mod isolation;
mod kubernetes;
mod mistakes;
mod origins;
mod restart;
mod token_exchange;
mod workloads;

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
    let isolation = process.isolation.as_ref().unwrap();
    assert!(isolation.own_home && isolation.shared_state && process.one_at_a_time);
    assert_eq!(isolation.max_bytes, 64 << 20);
    assert_eq!(isolation.cleanup, ["tmux", "-L", "${id}", "kill-server"]);
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
fn headers_refer_to_inputs() {
    let config = read(
        "auth: { login: { local: true } }
servers:
  - name: github
    inputs:
      - { name: token, title: Access token, description: Of your account }
      - { name: tools, secret: false, required: false, default: all, choices: [all, few] }
    remote:
      url: https://mcp.example.com/mcp
      bearer: { value: \"${input:token}\" }
      headers: { X-Tools: { value: \"${input:tools}\" }, X-Tenant: { value: acme } }
",
    );
    let server = &config.platform.dynamic.servers[0];
    let [token, tools] = &server.inputs[..] else {
        panic!("{server:?}");
    };
    assert!(token.is_secret && token.is_required && !tools.is_secret && !tools.is_required);
    assert_eq!(token.label(), "Access token");
    assert_eq!(tools.default.as_deref(), Some("all"));
    let ServerRuntime::Remote(remote) = &server.transport else {
        panic!("{server:?}");
    };
    assert_eq!(remote.headers.len(), 1);
    let templates = remote.templates.iter();
    let templates: Vec<_> = templates
        .map(|(name, template)| (name.as_str(), template.references().collect::<Vec<_>>()))
        .collect();
    let expected = [("x-tools", vec!["tools"]), ("authorization", vec!["token"])];
    assert_eq!(templates, expected);
}

#[test]
fn urls_refer_to_inputs() {
    let file = |input: &str, url: &str| {
        format!(
            "auth: {{ login: {{ local: true }} }}\nservers: [{{ name: a, inputs: [{{ name: x, \
             {input} }}], remote: {{ url: '{url}' }} }}]"
        )
    };
    let url = "https://${input:x}.example.com/mcp";
    let config = read(&file(
        "format: number, placeholder: '7', secret: false",
        url,
    ));
    let server = &config.platform.dynamic.servers[0];
    let input = &server.inputs[0];
    assert_eq!(input.placeholder.as_deref(), Some("7"));
    assert!(input.check("8").is_ok() && input.check("b").is_err() && input.check("-1").is_err());
    let ServerRuntime::Remote(remote) = &server.transport else {
        panic!("{server:?}");
    };
    assert_eq!(remote.address(), url);
    for (input, url, expected) in [
        ("", "https://${input:x}/mcp", "would decide the host"),
        (
            "",
            "https://a.example.com:${input:x}/",
            "would decide the host",
        ),
        ("", "${input:x}/mcp", "would decide the host"),
        (
            "",
            "https://${input:x}@a.example.com/",
            "cannot be part of the scheme",
        ),
        (
            "",
            "https://a.example.com/#${input:x}",
            "cannot be part of the scheme",
        ),
        ("", "https://a.example.com/${input:y}", "unknown input"),
        (
            "",
            "http://a.example.com/${input:x}",
            "requires a url with https",
        ),
        ("required: false", url, "must be required or have a default"),
        (
            "secret: false, default: a/b",
            url,
            "expected the name of a host",
        ),
        ("format: text", url, "unknown value"),
    ] {
        let lines = problems(&file(input, url));
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{url} {lines:?}"
        );
    }
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
