use serde_json::{Value, json};

use super::*;

fn linted(policy: LintPolicy, era: Era, kind: ListKind, entry: &Value) -> (Value, Vec<Finding>) {
    let text = entry.to_string();
    let linted = LintRules { policy, era }.check(kind, text.into());
    let adapted = serde_json::from_str(&linted.text).unwrap();
    (adapted, linted.findings)
}

fn tool(member: &str, value: Value) -> Value {
    let mut tool = json!({ "name": "a", "inputSchema": { "type": "object" } });
    tool[member] = value;
    tool
}

/// A tool whose arguments have a property `p`.
fn property(schema: &Value) -> Value {
    tool(
        "inputSchema",
        json!({ "type": "object", "properties": { "p": schema } }),
    )
}

fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// Checks that `member` of a tool becomes what is expected, in both eras and without an option.
fn assert_adapted(table: &[(&str, Value, Option<Value>)]) {
    for era in [Era::Legacy, Era::Modern] {
        for (member, value, expected) in table {
            let tool = tool(member, value.clone());
            let (adapted, findings) = linted(LintPolicy::Report, era, ListKind::Tools, &tool);
            let found = adapted.get(member);
            assert_eq!(found, expected.as_ref(), "{tool} {findings:?}");
            let is_adapted = |it: &Finding| it.outcome == Outcome::Adapted;
            assert!(findings.iter().any(is_adapted), "{tool}");
        }
    }
}

#[test]
fn schemas_that_break_the_list_of_a_client_are_adapted() {
    let object = || Some(json!({ "type": "object" }));
    let table = [
        ("inputSchema", Value::Null, object()),
        ("inputSchema", json!("x"), object()),
        ("inputSchema", json!({}), object()),
        (
            "inputSchema",
            json!({ "type": ["object", "null"] }),
            object(),
        ),
        (
            "inputSchema",
            json!({ "type": "Object", "$schema": 7 }),
            object(),
        ),
        (
            "inputSchema",
            json!({ "anyOf": [{ "required": ["a"] }] }),
            Some(json!({ "anyOf": [{ "required": ["a"] }], "type": "object" })),
        ),
        ("outputSchema", Value::Null, None),
        ("outputSchema", json!([]), None),
    ];
    assert_adapted(&table);
    let tool = json!({ "name": "a" });
    let (adapted, _) = linted(LintPolicy::Report, Era::Modern, ListKind::Tools, &tool);
    assert_eq!(adapted.get("inputSchema"), object().as_ref());
}

#[test]
fn members_that_break_the_list_of_a_client_are_adapted() {
    let icon = json!({ "src": "https://example.com/a.png" });
    assert_adapted(&[
        ("description", Value::Null, None),
        ("description", json!(7), None),
        ("title", json!(["a"]), None),
        ("_meta", Value::Null, None),
        ("_meta", json!([]), None),
        (
            "execution",
            json!({ "taskSupport": "maybe" }),
            Some(json!({})),
        ),
        (
            "annotations",
            json!({ "title": null, "readOnlyHint": "true", "openWorldHint": 1, "x": null }),
            Some(json!({ "readOnlyHint": true, "x": null })),
        ),
        (
            "icons",
            json!([icon, "a.png", { "mimeType": "image/png" }, null]),
            Some(json!([icon])),
        ),
        (
            "icons",
            json!({ "src": "a", "sizes": "48x48", "theme": null }),
            Some(json!([{ "src": "a", "sizes": ["48x48"] }])),
        ),
    ]);
}

#[test]
fn libraries_of_the_legacy_era_reject_more() {
    let input = |schema| tool("inputSchema", schema);
    let output = |schema| tool("outputSchema", schema);
    let table = [
        (
            input(json!({ "type": "object", "properties": { "a": true, "b": false, "c": "int" } })),
            input(json!({ "type": "object", "properties": {
                "a": {}, "b": { "not": {} }, "c": { "type": "integer" } } })),
        ),
        (
            input(json!({ "type": "object", "properties": null, "required": [1, "a"] })),
            input(json!({ "type": "object", "required": ["a"] })),
        ),
        (
            input(json!({ "type": "object", "properties": { "a": {}, "required": ["a"] } })),
            input(json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] })),
        ),
        (output(json!({})), output(json!({ "type": "object" }))),
        (
            output(json!({ "type": "array" })),
            json!({ "name": "a", "inputSchema": { "type": "object" } }),
        ),
        (
            output(json!({ "type": "object", "properties": {
                "a": { "type": "int" }, "b": { "$ref": "#/$defs/x" }, "c": { "enum": [] } } })),
            output(json!({ "type": "object", "properties": {
                "a": { "type": "integer" }, "b": {}, "c": {} } })),
        ),
    ];
    for (tool, expected) in table {
        let (adapted, findings) = linted(LintPolicy::Report, Era::Legacy, ListKind::Tools, &tool);
        assert_eq!(adapted, expected, "{findings:?}");
        let (adapted, _) = linted(LintPolicy::Report, Era::Modern, ListKind::Tools, &tool);
        assert_eq!(adapted, tool);
    }
}

#[test]
fn what_models_reject_is_adapted_or_held_back_as_configured() {
    let table = [
        (
            property(&json!({ "type": "int" })),
            property(&json!({ "type": "integer" })),
            "inputSchema.properties.p has the unknown type \"int\"",
        ),
        (
            property(&json!({ "type": ["STRING", "none", "money"] })),
            property(&json!({ "type": ["string", "null"] })),
            "inputSchema.properties.p has the unknown type \"STRING\"",
        ),
        (
            property(&json!({ "type": "money" })),
            property(&json!({})),
            "inputSchema.properties.p has the unknown type \"money\"",
        ),
        (
            property(&json!({ "$ref": "#/$defs/x", "title": null })),
            property(&json!({})),
            "inputSchema.properties.p refers to #/$defs/x, which does not exist",
        ),
        (
            property(&json!({ "items": [{ "minimum": "1", "enum": [] }, null] })),
            property(&json!({ "items": [{ "minimum": 1 }, {}] })),
            "inputSchema.properties.p.items[0].minimum is not a number",
        ),
    ];
    for (tool, expected, first) in table {
        let (listed, findings) = linted(LintPolicy::Report, Era::Legacy, ListKind::Tools, &tool);
        assert_eq!(listed, tool);
        assert!(texts(&findings).contains(&first.to_owned()), "{findings:?}");
        for policy in [LintPolicy::Adapt, LintPolicy::HoldBack] {
            let (adapted, findings) = linted(policy, Era::Legacy, ListKind::Tools, &tool);
            assert_eq!(adapted, expected);
            assert!(findings.iter().all(|it| it.outcome == Outcome::Adapted));
        }
    }
}

#[test]
fn flags_become_required_names() {
    let flagged = json!({ "type": "object", "properties": {
        "a": { "required": true }, "b": { "required": false }, "c": {} }, "required": ["c"] });
    let (adapted, findings) = linted(
        LintPolicy::Adapt,
        Era::Legacy,
        ListKind::Tools,
        &tool("inputSchema", flagged),
    );
    assert_eq!(
        adapted["inputSchema"],
        json!({ "type": "object", "properties": { "a": {}, "b": {}, "c": {} },
            "required": ["c", "a"] })
    );
    assert_eq!(findings.len(), 2);
}

#[test]
fn what_cannot_be_adapted_is_held_back_if_configured() {
    let combined = tool("inputSchema", json!({ "type": "object", "oneOf": [true] }));
    let mut named = tool("title", json!("A"));
    named["name"] = json!("a b");
    for (tool, text) in [
        (combined, "inputSchema has oneOf at the top level"),
        (
            named,
            "name has characters other than letters, digits, '-', '_' and '.'",
        ),
    ] {
        for (policy, outcome) in [
            (LintPolicy::Report, Outcome::Reported),
            (LintPolicy::Adapt, Outcome::Reported),
            (LintPolicy::HoldBack, Outcome::HeldBack),
        ] {
            let (listed, findings) = linted(policy, Era::Modern, ListKind::Tools, &tool);
            assert_eq!(
                (listed, texts(&findings)),
                (tool.clone(), vec![text.to_owned()])
            );
            assert_eq!(findings[0].outcome, outcome);
        }
    }
}

#[test]
fn other_kinds_are_checked_as_well() {
    let table = [
        (
            ListKind::Prompts,
            json!({ "name": "a", "arguments": [{ "name": "b", "description": null, "required": "true" }, {}] }),
            json!({ "name": "a", "arguments": [{ "name": "b", "required": true }] }),
        ),
        (
            ListKind::Resources,
            json!({ "uri": "a:b", "name": "c", "size": "7", "mimeType": null, "annotations": { "audience": "user" } }),
            json!({ "uri": "a:b", "name": "c", "size": 7, "annotations": { "audience": ["user"] } }),
        ),
        (
            ListKind::Templates,
            json!({ "uriTemplate": "a:{b}", "name": "c", "description": {} }),
            json!({ "uriTemplate": "a:{b}", "name": "c" }),
        ),
    ];
    for (kind, entry, expected) in table {
        let (adapted, findings) = linted(LintPolicy::Report, Era::Legacy, kind, &entry);
        assert_eq!(adapted, expected, "{findings:?}");
    }
}

#[test]
fn valid_definitions_stay_byte_for_byte() {
    let text = r##"{"name": "a.b-c_1", "title":"A", "inputSchema": {"type":"object","properties":
        {"a":{"type":["string","null"],"default":null,"minimum":1E400},"b":{"$ref":"#/$defs/b~1c"},
        "c":{"items":{"anyOf":[true,{"$ref":"#"},{"$ref":"#anchor"}]}},"required":{"type":"boolean"}},
        "required":["a"],"$defs":{"b/c":{"enum":[null]}},"additionalProperties":false,"x-null":null},
        "outputSchema":{"type":"object","properties":{"r":{"$id":"https://a.example/r",
        "items":{"$ref":"#/$defs/d"},"$defs":{"d":{}}},"s":{"$ref":"https://a.example/r"}}},"vendor":null,"annotations":{"readOnlyHint":true}}"##;
    for era in [Era::Legacy, Era::Modern] {
        for policy in [LintPolicy::Report, LintPolicy::Adapt, LintPolicy::HoldBack] {
            let rules = LintRules { policy, era };
            let linted = rules.check(ListKind::Tools, text.into());
            assert_eq!(linted.findings, [], "{era:?}");
            assert_eq!(linted.text, text);
        }
    }
}

#[test]
fn only_the_defects_differ() {
    let text = r#"{"x-vendor":{"n":12345678901234567890123},"description":null,"name":"a","inputSchema":{"default":1E400,"type":"object"}}"#;
    let linted = LintRules::default().check(ListKind::Tools, text.into());
    assert_eq!(linted.text, text.replace(r#""description":null,"#, ""));
}

#[test]
fn deep_and_long_definitions_end() {
    let mut schema = json!({ "type": "int" });
    for _ in 0..50 {
        schema = json!({ "type": "object", "properties": { "a": schema } });
    }
    let (_, findings) = linted(
        LintPolicy::Report,
        Era::Legacy,
        ListKind::Tools,
        &tool("inputSchema", schema),
    );
    assert_eq!(findings.len(), 1);
    let icons: Vec<Value> = (0..1000).map(Value::from).collect();
    let (adapted, findings) = linted(
        LintPolicy::Report,
        Era::Legacy,
        ListKind::Tools,
        &tool("icons", icons.into()),
    );
    assert_eq!(
        (&adapted["icons"], findings.len()),
        (&json!([]), MAX_FINDINGS)
    );
    let text = "[".repeat(10_000);
    let linted = LintRules::default().check(ListKind::Tools, text.clone().into());
    assert_eq!(linted.text, text);
}

#[test]
fn combined_schemas_are_merged() {
    let table = [
        (
            json!({ "type": "object", "properties": { "a": {}, "b": {} }, "required": ["a"],
                "anyOf": [{ "required": ["a", "b"] }, { "required": ["b", "c"] }] }),
            json!({ "type": "object", "properties": { "a": {}, "b": {} }, "required": ["a", "b"] }),
        ),
        (
            json!({ "oneOf": [{ "$ref": "#/$defs/x" }, { "properties": { "p": { "type": "int" } } }],
                "$defs": { "x": { "properties": { "p": { "type": "string" }, "q": {} },
                    "required": ["q"] } } }),
            json!({ "$defs": { "x": { "properties": { "p": { "type": "string" }, "q": {} },
                    "required": ["q"] } }, "type": "object",
                "properties": { "p": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
                    "q": {} } }),
        ),
        (
            json!({ "type": "object", "allOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({ "type": "object", "required": ["a", "b"] }),
        ),
    ];
    for (schema, expected) in table {
        let tool = tool("inputSchema", schema);
        for policy in [LintPolicy::Adapt, LintPolicy::HoldBack] {
            let (adapted, findings) = linted(policy, Era::Legacy, ListKind::Tools, &tool);
            assert_eq!(adapted["inputSchema"], expected);
            assert!(findings.iter().all(|it| it.outcome == Outcome::Adapted));
        }
        let (listed, _) = linted(LintPolicy::Report, Era::Modern, ListKind::Tools, &tool);
        assert_eq!(
            listed["inputSchema"].get("properties"),
            tool["inputSchema"].get("properties")
        );
    }
}

#[test]
fn huge_schemas_are_not_adapted() {
    let branch = |n: usize| json!({ "properties": { "x": { "const": n } } });
    let branches: Vec<_> = (0..5_000).map(branch).collect();
    let combined = tool(
        "inputSchema",
        json!({ "type": "object", "anyOf": branches }),
    );
    let (same, _) = linted(LintPolicy::Adapt, Era::Legacy, ListKind::Tools, &combined);
    assert_eq!(same, combined);

    let reference = |n: usize| (format!("p{n}"), json!({ "$ref": format!("#/x{n}") }));
    let properties: serde_json::Map<_, _> = (0..20_000).map(reference).collect();
    let schema = json!({ "type": "object", "properties": properties });
    let referring = tool("inputSchema", schema);
    let (same, findings) = linted(LintPolicy::Report, Era::Legacy, ListKind::Tools, &referring);
    assert_eq!((same, findings.len()), (referring, 0));
}
