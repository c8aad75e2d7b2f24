//! Assignments and visibility of gateways.

use mcp_gateway_auth::accounts::SharedOwner;
use mcp_gateway_platform::spec::{Assignment, Visibility};

use super::{Config, NoEnvironment, parse};

/// Gateways with all keys of assignments and visibility.
const TEXT: &str = "
servers:
  - { name: demo, builtin: demo }
  - { name: notes, remote: { url: 'https://notes.example.com', auth: { oauth: {} } } }
auth: { login: { local: true }, oauth: {} }
gateways:
  - name: team
    title: Team
    description: Tools of the team
    servers: [demo]
    assignments:
      - { server: notes, tools: [search, read], connection: { team: ops } }
    visibility: { teams: [ops] }
  - { name: own, assignments: [{ server: notes, tools: '*' }], visibility: { user: usr_1 } }
  - { name: all, visibility: organization }
  - { name: old, teams: [ops] }
";

#[test]
fn gateways_have_assignments_and_a_visibility() {
    let config = parse(TEXT).unwrap();
    let [team, own, all, old] = &*config.platform.dynamic.gateways else {
        panic!("{:?}", config.platform.dynamic.gateways);
    };
    assert_eq!(team.servers, ["demo".into(), "notes".into()]);
    let owner = SharedOwner::Team("ops".into());
    let tools = ["search".into(), "read".into()];
    let assignment = Assignment::new("notes").with_tools(tools).pinned_to(owner);
    assert_eq!(team.assignments, [assignment]);
    assert_eq!(team.visibility, Visibility::Teams(vec!["ops".into()]));
    assert_eq!(team.visibility, old.visibility);
    assert_eq!(own.assignments, [Assignment::new("notes")]);
    assert_eq!(own.visibility, Visibility::User("usr_1".into()));
    assert!(all.has_all && !own.has_all && !team.has_all);
}

#[test]
fn assignments_and_visibility_are_checked() {
    for (change, path) in [
        (
            ("[search, read]", "[search, search]"),
            "gateways[0].assignments[0].tools[1]",
        ),
        (
            ("{ team: ops }", "enterprises"),
            "gateways[0].assignments[0].connection",
        ),
        (
            ("{ team: ops }", "{ user: ada }"),
            "gateways[0].assignments[0].connection",
        ),
        (
            ("server: notes, tools: [", "server: demo, tools: ["),
            "gateways[0].assignments[0]",
        ),
        (
            ("server: notes, tools: [", "server: nots, tools: ["),
            "gateways[0].assignments[0]",
        ),
        (("    visibility: { teams: [ops] }\n", ""), "gateways[0]"),
        ((", auth: { oauth: {} } } }", " } }"), "gateways[0]"),
    ] {
        let text = TEXT.replacen(change.0, change.1, 1);
        let found = parse(&text).unwrap_err();
        let lines: Vec<_> = found.lines("f").collect();
        let expected = format!(": {path}: ");
        assert!(
            lines.iter().any(|line| line.contains(&expected)),
            "{change:?}: {lines:#?}"
        );
    }
}

#[test]
fn rules_about_servers_that_do_not_exist_cause_warnings() {
    let warnings = |store: &str, servers: &str| {
        let text = format!(
            "servers: [{{ name: files, builtin: demo }}]\n{store}policy:\n  \
             rules: [{{ name: a, effect: deny, servers: {servers} }}]\n  \
             results: [{{ name: b, effect: block, servers: {servers} }}]\n"
        );
        let (_, warnings) = Config::read_from(&text, &NoEnvironment).unwrap();
        warnings.to_string()
    };
    let unknown = warnings("", "[file, 'fi*']");
    for place in ["policy.rules[0].servers", "policy.results[0].servers"] {
        let warning =
            format!("{place}: no server of this file is named \"file\"; did you mean \"files\"?");
        assert!(unknown.contains(&warning), "{unknown}");
    }
    assert_eq!(unknown.lines().count(), 2, "{unknown}");
    // Others may be in the store.
    assert_eq!(warnings("", "[wiki]"), "");
    let unknown = warnings("store: memory\n", "[wiki]");
    assert!(
        unknown.contains("no server of this file is named \"wiki\""),
        "{unknown}"
    );
}
