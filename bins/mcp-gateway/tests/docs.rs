//! What the documentation shows works.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of code in the documentation.
struct Example {
    file: PathBuf,
    /// The line in which it begins.
    line: usize,
    language: String,
    text: String,
}

impl Example {
    /// The name for a file with it, if it is the configuration of a gateway.
    fn configuration(&self) -> Option<&'static str> {
        let of_gateway = self.file.ends_with("docs/configuration.md")
            || self.text.lines().any(|line| line.starts_with("servers:"));
        match &*self.language {
            "yaml" if of_gateway => Some("gateway.yaml"),
            "json" if self.text.contains("\"mcpServers\"") => Some("mcp.json"),
            _ => None,
        }
    }
}

/// The examples in all files of the folder that end in `.md`, and in folders within.
fn examples(folder: &Path) -> Vec<Example> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            examples.extend(self::examples(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            examples.extend(examples_in(&path));
        }
    }
    examples
}

fn examples_in(path: &Path) -> Vec<Example> {
    let text = fs::read_to_string(path).unwrap();
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Example {
                    file: path.to_owned(),
                    line: at + 2,
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => examples.extend(open.take()),
            (None, Some(example)) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
            (None, None) => {}
        }
    }
    examples
}

#[test]
fn every_configuration_in_the_documentation_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut examples = examples(&root.join("docs"));
    let readme = root.join("README.md");
    if readme.exists() {
        examples.extend(examples_in(&readme));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for example in examples {
        let Some(name) = example.configuration() else {
            continue;
        };
        let path = folder.path().join(name);
        fs::write(&path, &example.text).unwrap();
        let program = env!("CARGO_BIN_EXE_mcp-gateway");
        let output = Command::new(program)
            .arg("check")
            .arg("--without-secrets")
            .arg(&path)
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let place = format!("{}:{}", example.file.display(), example.line);
        assert!(
            output.status.success() && said.starts_with("ok"),
            "{place}\n{said}"
        );
        checked += 1;
    }
    assert!(checked > 5, "the documentation has examples");
}
