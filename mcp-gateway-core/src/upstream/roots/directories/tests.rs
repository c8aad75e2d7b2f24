use std::fs;
use std::os::unix::fs::symlink;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// A folder with directories that are allowed and others.
struct Stage(PathBuf);

impl Stage {
    fn new(name: &str) -> Self {
        let folder = format!("mcp-gateway-roots-{}-{name}", std::process::id());
        let base = std::env::temp_dir().canonicalize().unwrap().join(folder);
        for directory in ["files/a/b", "files/c d%20#", "files-other/x", "outside/a"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        symlink(base.join("outside"), base.join("files/leads-outside")).unwrap();
        symlink(base.join("files/a"), base.join("outside/leads-inside")).unwrap();
        symlink(base.join("nowhere"), base.join("files/leads-nowhere")).unwrap();
        Self(base)
    }

    fn directories(&self) -> Directories {
        Directories::new(&[self.0.join("files")])
    }

    /// The path, below the folder, of what passes.
    fn resolve(&self, uri: &str) -> Option<String> {
        let path = self.directories().resolve(uri)?;
        let below = path.strip_prefix(&self.0).unwrap();
        Some(below.to_str().unwrap().to_owned())
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.0.display())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn only_what_is_inside_after_resolution_passes() {
    let stage = Stage::new("table");
    let table = [
        ("files", Some("files")),
        ("files/", Some("files")),
        ("files/a", Some("files/a")),
        ("files/a/b/..", Some("files/a")),
        ("files/%61", Some("files/a")),
        ("files%2Fa", Some("files/a")),
        ("files/c%20d%2520%23", Some("files/c d%20#")),
        ("outside/leads-inside/b", Some("files/a/b")),
        ("", None),
        ("files-other", None),
        ("files-other/x", None),
        ("outside", None),
        ("files/..", None),
        ("files/../outside", None),
        ("files/%2e%2e/outside", None),
        ("files/..%2Foutside", None),
        ("files/a/../../outside/a", None),
        ("files/leads-outside", None),
        ("files/leads-outside/a", None),
        ("files/leads-outside/../files-other", None),
        ("files/leads-nowhere", None),
        ("files/missing", None),
        ("files/a%00", None),
        ("files/a?x", None),
        ("files/a#x", None),
        ("files/%ff", None),
    ];
    for (path, expected) in table {
        let resolved = stage.resolve(&stage.uri(path));
        assert_eq!(resolved.as_deref(), expected, "{path}");
    }
}

#[test]
fn only_plain_uris_of_this_machine_are_accepted() {
    let stage = Stage::new("uris");
    let path = format!("{}/files", stage.0.display());
    for uri in ["file://", "FILE://", "file://localhost", "file://LOCALHOST"] {
        let uri = format!("{uri}{path}");
        assert!(stage.resolve(&uri).is_some(), "{uri}");
    }
    let others = [
        "",
        "file:",
        "file:/",
        "http://",
        "http://localhost",
        "file://host",
        "file://localhost:1",
        "file://me@localhost",
        "file://127.0.0.1",
        "file://.",
        " file://",
        "filex://",
    ];
    for uri in others {
        let uri = format!("{uri}{path}");
        assert!(stage.resolve(&uri).is_none(), "{uri}");
    }
}

#[test]
fn what_does_not_exist_is_inside_of_everything_alone() {
    let stage = Stage::new("missing");
    let uri = stage.uri("files/missing");
    let everything = Directories::new(&["/srv".into(), "/".into()]);
    assert_eq!(
        everything.resolve(&uri),
        Some(stage.0.join("files/missing"))
    );
    let link = everything.resolve(&stage.uri("outside/leads-inside"));
    assert_eq!(
        link,
        Some(stage.0.join("files/a")),
        "what exists is resolved"
    );
    assert_eq!(everything.resolve("http:///srv"), None);
    for directories in [vec![stage.0.clone()], vec!["".into()], vec![]] {
        let resolved = Directories::new(&directories).resolve(&uri);
        assert_eq!(resolved, None, "{directories:?}");
    }
}

#[test]
fn a_directory_holds_only_what_is_in_it() {
    let stage = Stage::new("directories");
    let inside = |directory: PathBuf, path: &str| {
        let directories = Directories::new(&[directory]);
        directories.resolve(&stage.uri(path)).is_some()
    };
    assert!(inside(stage.0.join("files/leads-outside"), "outside/a"));
    assert!(!inside(stage.0.join("files/leads-outside"), "files/a"));
    assert!(!inside(stage.0.join("missing"), "files"));
    assert!(!inside("".into(), "files"));
    assert!(!inside(".".into(), "files"));
    assert!(inside("/".into(), "files"));
    assert!(Directories::new(&[]).resolve(&stage.uri("files")).is_none());
}

#[tokio::test]
async fn an_answer_keeps_only_what_passes() {
    let stage = Stage::new("answer");
    let roots = json!({
        "roots": [
            { "uri": stage.uri("files/a/b/.."), "name": "a", "_meta": { "x": 1 } },
            { "uri": stage.uri("outside"), "name": "outside" },
            { "uri": stage.uri("files/leads-outside") },
            { "uri": stage.uri("files/c%20d%2520%23"), "name": 1 },
            { "uri": 1 },
            "file:///",
        ],
        "_meta": { "x": 1 },
        "more": [],
    });
    let confined = stage.directories().confine(&roots.to_string()).await;
    let confined: Value = serde_json::from_str(&confined).unwrap();
    let expected = json!({ "roots": [
        { "uri": stage.uri("files/a"), "name": "a" },
        { "uri": stage.uri("files/c%20d%2520%23") },
    ] });
    assert_eq!(confined, expected);
    for result in ["{}", "[]", r#"{"roots":{}}"#, "{", ""] {
        let confined = stage.directories().confine(result).await;
        assert_eq!(confined, r#"{"roots":[]}"#, "{result}");
    }
}

proptest! {
    #[test]
    fn nothing_outside_ever_passes(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "files", "files-other", "outside", "a", "b", "x", "..", ".", "", "leads-outside",
                "leads-inside", "leads-nowhere", "%2e%2e", "%2E.", "..%2f", "%2f", "a%2f..", "%00", "~",
            ]),
            0..8,
        ),
    ) {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        let stage = STAGE.get_or_init(|| Stage::new("property"));
        let asked = stage.uri(&parts.join("/"));
        if let Some(resolved) = stage.directories().resolve(&asked) {
            let files = stage.0.join("files");
            prop_assert!(resolved.starts_with(&files), "{asked} became {}", resolved.display());
            prop_assert_eq!(&resolved.canonicalize().unwrap(), &resolved);
            // What is passed on names the same, without anything to be resolved.
            prop_assert_eq!(path(&uri(&resolved).unwrap()), Some(resolved));
        }
    }

    #[test]
    fn any_text_is_survived(text in ".{0,60}") {
        let directories = Directories::new(&["/nothing-is-here".into()]);
        for uri in [text.clone(), format!("file://{text}"), format!("file:///{text}")] {
            prop_assert_eq!(directories.resolve(&uri), None);
        }
    }
}
