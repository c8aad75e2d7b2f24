//! Isolation of programs.

use mcp_gateway_core::upstream::Turns;
use mcp_gateway_platform::spec::Process;

use super::*;
use crate::document::NoEnvironment;

fn process(process: &str) -> Process {
    let config = read(&format!("servers: [{{ name: a, process: {process} }}]"));
    match config.platform.dynamic.servers[0].transport.clone() {
        ServerRuntime::Process(process) => process,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_placeholder_is_enough() {
    let plain = process("{ command: a, args: ['${x}', '$${y'], env: { A: { value: '${HOME}' } } }");
    assert_eq!(plain.isolation, None);
    assert_eq!(plain.env[0].0, "A");
    let table = [
        "{ command: a, args: ['--file=${state}/a'] }",
        "{ command: a, env: { A: { value: '${temp}' } } }",
        "{ command: a, directory: '${state}' }",
    ];
    for text in table {
        assert!(process(text).isolation.is_some(), "{text}");
    }
    assert!(process(table[0]).uses_state() && !process(table[1]).uses_state());
}

/// A secret is passed as it is, whatever it contains.
#[test]
fn secrets_have_no_placeholders() {
    let text = "{ command: a, ownHome: true, env: { A: { env: X }, B: { value: '${temp}' } } }";
    let process = process(text);
    assert_eq!(process.env.len(), 1);
    assert_eq!(
        process.isolation.unwrap().env,
        [("B".to_owned(), "${temp}".to_owned())]
    );
}

#[test]
fn sharing_follows_from_sessions_and_state() {
    let table = [
        ("process: { command: a }", None),
        (
            "process: { command: a, oneAtATime: true }",
            Some(Turns::PerPrincipal),
        ),
        (
            "sessions: shared, process: { command: a, oneAtATime: true }",
            Some(Turns::Shared),
        ),
        (
            "process: { command: a, oneAtATime: true, args: ['${state}'], state: { shared: true } }",
            Some(Turns::Shared),
        ),
    ];
    for (text, expected) in table {
        let config = read(&format!("servers: [{{ name: a, {text} }}]"));
        assert_eq!(
            config.platform.dynamic.servers[0].turns(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn mistakes_are_found() {
    let table = [
        (
            "process: { command: a, cleanup: [] }",
            "expected a program and its arguments",
        ),
        (
            "process: { command: a, ownHome: true, state: { maxSize: big } }",
            "is not a size",
        ),
        (
            "sessions: shared, process: { command: a, args: ['${state}'], state: { shared: false } }",
            "sessions: shared shares the process, and so its state",
        ),
    ];
    for (text, expected) in table {
        let lines = problems(&format!("servers: [{{ name: a, {text} }}]"));
        assert!(
            lines.len() == 1 && lines[0].contains(expected),
            "{text}\n{lines:?}"
        );
    }
}

#[test]
fn probable_mistakes_are_warned_of() {
    let table = [
        (
            "{ command: a, args: ['${stat}/a'] }",
            "did you mean ${state}?",
        ),
        ("{ command: a, state: { shared: true } }", "no effect"),
    ];
    for (text, expected) in table {
        let text = format!("servers: [{{ name: a, process: {text} }}]");
        let (_, warnings) = Config::read_from(&text, &NoEnvironment).unwrap();
        assert!(
            warnings.to_string().contains(expected),
            "{text}\n{warnings}"
        );
    }
}
