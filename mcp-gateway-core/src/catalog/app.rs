//! The app of a tool, as its definition declares it.
//!
//! See [MCP Apps](https://github.com/modelcontextprotocol/ext-apps) of 2026-01-26.

use std::ops::Range;

use crate::json::{Fields, each_item, each_member};

/// Members of `_meta` that refer to the app of a tool: of earlier drafts, and of ChatGPT.
const FLAT_URIS: [&str; 2] = ["ui/resourceUri", "openai/outputTemplate"];

/// Link of a tool to an app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AppLink {
    /// Spans of the URI of the user interface, in its several places.
    uris: Vec<Range<usize>>,
    /// `true` if the tool has a user interface, or declares who may call it.
    exists: bool,
    /// `true` if apps may call the tool.
    is_callable: bool,
    /// `true` if models may call the tool.
    is_for_models: bool,
}

impl AppLink {
    /// Reads the `_meta` of the tool definition `text`, whose members are `fields`.
    ///
    /// Members of the same name are all read: which of them counts depends on the reader.
    pub(super) fn parse(text: &str, fields: &Fields) -> Self {
        let mut link = Self {
            uris: Vec::new(),
            exists: false,
            is_callable: true,
            is_for_models: true,
        };
        let meta = fields.span(text, "_meta").unwrap_or_default();
        each_member(text, meta, |key, value| {
            if FLAT_URIS.contains(&key) {
                link.uris.push(value);
            } else if key == "ui" && text[value.clone()].starts_with('{') {
                link.exists = true;
                link.add_ui(text, value);
            }
        });
        link.exists |= !link.uris.is_empty();
        link
    }

    /// Adds what the member `ui` at `span` declares.
    fn add_ui(&mut self, text: &str, span: Range<usize>) {
        each_member(text, span, |key, value| match key {
            "resourceUri" => self.uris.push(value),
            "visibility" => {
                let (mut app, mut model) = (false, false);
                each_item(text, value, |item| match &text[item] {
                    "\"app\"" => app = true,
                    "\"model\"" => model = true,
                    _ => {}
                });
                self.is_callable &= app;
                self.is_for_models &= model;
            }
            _ => {}
        });
    }

    /// Returns the spans of the URI of the user interface.
    pub(super) fn uris(&self) -> &[Range<usize>] {
        &self.uris
    }

    /// Returns `true` if the tool has a user interface, or is called by one.
    pub(crate) fn exists(&self) -> bool {
        self.exists
    }

    /// Returns `true` if a call of the tool opens an app.
    pub(crate) fn opens(&self) -> bool {
        !self.uris.is_empty()
    }

    /// Returns `true` if models may call the tool.
    pub(crate) fn is_for_models(&self) -> bool {
        self.is_for_models
    }

    /// Returns `true` if apps of the same server may call the tool.
    pub(crate) fn is_callable(&self) -> bool {
        self.is_callable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(meta: &str) -> (AppLink, Vec<String>) {
        let text = format!(r#"{{"_meta":{meta}}}"#);
        let fields = Fields::parse(&text, 0..text.len()).unwrap();
        let link = AppLink::parse(&text, &fields);
        let uris = link.uris().iter().map(|uri| text[uri.clone()].to_owned());
        let uris = uris.collect();
        (link, uris)
    }

    #[test]
    fn the_app_is_what_any_member_declares() {
        for (meta, uris, exists, is_callable) in [
            ("{}", 0, false, true),
            ("null", 0, false, true),
            (
                r#"{"ui":null,"other":{"resourceUri":"ui://a"}}"#,
                0,
                false,
                true,
            ),
            (r#"{"ui":{}}"#, 0, true, true),
            (r#"{"ui":{"resourceUri":"ui://a"}}"#, 1, true, true),
            (
                r#"{"ui/resourceUri":"ui://a","openai/outputTemplate":"ui://a"}"#,
                2,
                true,
                true,
            ),
            (r#"{"ui":{"visibility":["app"]}}"#, 0, true, true),
            (r#"{"ui":{"visibility":["model","app"]}}"#, 0, true, true),
            (r#"{"ui":{"visibility":["model"]}}"#, 0, true, false),
            (r#"{"ui":{"visibility":[]}}"#, 0, true, false),
            // Readers differ in which of two members counts.
            (
                r#"{"ui":{"resourceUri":"a","resourceUri":"b"},"ui":{"resourceUri":"c"}}"#,
                3,
                true,
                true,
            ),
            (
                r#"{"ui":{"visibility":["app"],"visibility":["model"]}}"#,
                0,
                true,
                false,
            ),
        ] {
            let (link, found) = link(meta);
            assert_eq!(found.len(), uris, "{meta}");
            assert_eq!(
                (link.exists(), link.is_callable()),
                (exists, is_callable),
                "{meta}"
            );
            assert_eq!(link.opens(), uris > 0, "{meta}");
        }
    }
}
