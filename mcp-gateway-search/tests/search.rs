//! Searches over small sets of tools.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use mcp_gateway_search::{Field, Found, Index, Relationship, Tool};
use proptest::prelude::*;
use serde_json::json;

/// Server, name and description of each tool.
const TOOLS: [(&str, &str, &str); 12] = [
    (
        "github",
        "create_issue",
        "Create a new issue in a repository.",
    ),
    ("github", "createPullRequest", "Create a pull request."),
    ("github", "search_repositories", "Search for repositories."),
    ("gitlab", "create_issue", "Create a new issue in a project."),
    ("git", "git_log", "Shows the commit logs."),
    ("git", "git_reset", "Unstages all staged changes."),
    (
        "files",
        "read_file",
        "Read the complete contents of a file.",
    ),
    ("files", "write_file", "Create a file, or overwrite it."),
    ("files", "delete-file", "Remove a file."),
    (
        "clock",
        "get_current_time",
        "Get the current time in a timezone.",
    ),
    ("charts", "generate_bar_chart", "Generate a bar chart."),
    (
        "webhooks",
        "listWebhooks",
        "List the webhooks of an account.",
    ),
];

fn index() -> Index {
    let mut index = Index::default();
    for (server, name, description) in TOOLS {
        index.insert(server, &Tool::new(name).description(description));
    }
    index
}

fn search<'i>(index: &'i Index, request: &str) -> Found<'i> {
    index.search(request, &index.select_all(), 5).unwrap()
}

#[track_caller]
fn assert_first(request: &str, tool: &str) {
    let index = index();
    let found = search(&index, request);
    let names: Vec<_> = found.hits.iter().map(|hit| hit.tool).collect();
    assert_eq!(names.first(), Some(&tool), "{request}: {names:?}");
}

#[test]
fn finds_forms_synonyms_and_parts_of_identifiers() {
    for (request, tool) in [
        ("creating pull requests", "createPullRequest"),
        ("read_file", "read_file"),
        ("files.read", "read_file"),
        ("erase a document", "delete-file"),
        ("which commits were made", "git_log"),
        ("what time is it", "get_current_time"),
        ("open a PR", "createPullRequest"),
        ("get rid of a file", "delete-file"),
    ] {
        assert_first(request, tool);
    }
}

#[test]
fn finds_other_spellings_and_compounds() {
    for (request, tool) in [
        ("serach repositries", "search_repositories"),
        ("pullrequest", "createPullRequest"),
        ("web hooks", "listWebhooks"),
        ("barchart", "generate_bar_chart"),
    ] {
        assert_first(request, tool);
    }
}

#[test]
fn finds_tools_for_requests_in_other_languages() {
    for (request, tool) in [
        ("Lies mir die Datei vor", "read_file"),
        ("Balkendiagramm erzeugen", "generate_bar_chart"),
        ("Dateien löschen", "delete-file"),
        ("borrar un archivo", "delete-file"),
        ("buscar repositorios", "search_repositories"),
        ("現在の時刻を教えて", "get_current_time"),
        ("プルリクエストを作成する", "createPullRequest"),
        ("删除文件", "delete-file"),
    ] {
        assert_first(request, tool);
    }
}

#[test]
fn finds_definitions_in_chinese() {
    let mut index = index();
    index.insert("news", &Tool::new("hot").description("获取最新的科技新闻"));
    assert_eq!(search(&index, "technology news").hits[0].tool, "hot");
    assert_eq!(search(&index, "科技新闻").hits[0].tool, "hot");
}

#[test]
fn prefers_the_server_that_the_request_names() {
    let index = index();
    for server in ["github", "gitlab"] {
        let found = search(&index, &format!("new {server} issue"));
        assert_eq!(
            (found.hits[0].server, found.hits[0].tool),
            (server, "create_issue")
        );
    }
}

#[test]
fn finds_a_tool_for_each_wish() {
    let index = index();
    let found = search(
        &index,
        "read the contents of the file, then make a bar chart and tell me the time",
    );
    let names: Vec<_> = found.hits.iter().take(3).map(|hit| hit.tool).collect();
    for tool in ["read_file", "generate_bar_chart", "get_current_time"] {
        assert!(names.contains(&tool), "{names:?}");
    }
}

#[test]
fn values_count_less_than_other_words() {
    let mut index = index();
    index.insert(
        "github",
        &Tool::new("list_branches").description("List the branches."),
    );
    for request in [
        "create an issue named 'branches list'",
        "create an issue about /list/branches.txt",
    ] {
        assert_eq!(
            search(&index, request).hits[0].tool,
            "create_issue",
            "{request}"
        );
    }
}

#[test]
fn reasons_name_word_relation_and_fields() {
    let schema = json!({ "properties": { "timezone": { "description": "IANA name" } } });
    let mut index = Index::default();
    index.insert(
        "clock",
        &Tool::new("now")
            .title("Clock")
            .description("The time.")
            .input_schema(&schema),
    );
    let found = search(&index, "hour of the IANA zzyzx timezone");
    let reasons = &found.hits[0].reasons;
    let reason = |word: &str| reasons.iter().find(|reason| reason.word == word).unwrap();
    assert_eq!(reason("hour").relationship, Relationship::Synonym);
    assert_eq!(reason("timezone").relationship, Relationship::Word);
    assert_eq!(reason("timezone").fields, [Field::Argument]);
    assert_eq!(reason("iana").fields, [Field::ArgumentText]);
    assert_eq!(found.unmatched, ["zzyzx"]);
}

#[test]
fn hidden_tools_leave_no_trace() {
    let full = index();
    let is_visible = |server: &str, tool: &str| server != "gitlab" && tool != "git_reset";
    let mut without = Index::default();
    for (server, name, description) in TOOLS.into_iter().filter(|it| is_visible(it.0, it.1)) {
        without.insert(server, &Tool::new(name).description(description));
    }
    let selection = full.select(is_visible);
    for request in [
        "unstage changes",
        "unstagse",
        "gitlab issue",
        "create an issue",
        "git reset",
    ] {
        let found = full.search(request, &selection, 9).unwrap();
        let expected = without.search(request, &without.select_all(), 9).unwrap();
        let names = |found: &Found<'_>| {
            found
                .hits
                .iter()
                .map(|it| (it.server.to_owned(), it.tool.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&found), names(&expected), "{request}");
        assert_eq!(found.unmatched, expected.unmatched, "{request}");
        assert_eq!(found.total, expected.total, "{request}");
    }
}

#[test]
fn a_selection_ends_with_the_next_change() {
    let mut index = index();
    let selection = index.select(|_, tool| tool != "git_reset");
    assert!(!index.insert(
        "git",
        &Tool::new("git_log").description("Shows the commit logs.")
    ));
    assert!(index.search("log", &selection, 5).is_some());
    index.remove("git", "git_log");
    index.insert("git", &Tool::new("git_secret"));
    assert!(!selection.is_current(&index));
    assert!(index.search("secret", &selection, 5).is_none());
}

#[test]
fn odd_texts_are_harmless() {
    let index = index();
    for request in [
        "",
        " ",
        "''",
        "\"",
        "the of a",
        "…",
        "ー",
        "é",
        "\u{301}",
        "🦀 emoji",
        "a'b'c",
        "名",
        "١٢٣",
    ] {
        let _ = search(&index, request);
    }
    assert!(search(&index, "xyzzy plugh").hits.is_empty());
    assert!(search(&Index::default(), "file").hits.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An index does not show the order of its changes.
    #[test]
    fn changes_leave_the_index_of_the_final_tools(
        changes in prop::collection::vec((0..12_usize, any::<bool>(), 0..3_usize), 0..60),
        request in 0..12_usize,
    ) {
        let texts = ["", "first change of the file", "second change of the issue"];
        let mut changed = Index::default();
        let mut tools = std::collections::BTreeMap::new();
        for (tool, removed, text) in changes {
            let (server, name, description) = TOOLS[tool];
            if removed {
                prop_assert_eq!(changed.remove(server, name), tools.remove(&tool).is_some());
            } else {
                let description = [description, texts[text]].join(" ");
                changed.insert(server, &Tool::new(name).description(&description));
                tools.insert(tool, description);
            }
        }
        let mut fresh = Index::default();
        for (&tool, description) in &tools {
            fresh.insert(TOOLS[tool].0, &Tool::new(TOOLS[tool].1).description(description));
        }
        prop_assert_eq!(changed.len(), fresh.len());
        for request in [TOOLS[request].2, "second change", "create_issue"] {
            let hits = |index: &Index| {
                let found = search(index, request);
                found.hits.iter().map(|it| (it.tool.to_owned(), it.score)).collect::<Vec<_>>()
            };
            prop_assert_eq!(hits(&changed), hits(&fresh));
        }
    }

    /// Any text is a request, and the text of a tool.
    #[test]
    fn any_text_is_accepted(request in "\\PC{0,60}", name in "\\PC{0,20}", text in "\\PC{0,60}") {
        let mut index = index();
        index.insert("any", &Tool::new(&name).description(&text));
        let _ = search(&index, &request);
        prop_assert!(index.remove("any", &name));
    }
}
