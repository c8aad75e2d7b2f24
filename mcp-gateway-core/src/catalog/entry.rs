//! One entry of a list.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytestring::ByteString;
use serde_json::Value;

use super::app::AppLink;
use super::param_header::{ParamHeaderSpecs, ParamMismatch};
use super::{DefinitionDigest, ListKind};
use crate::json::{Edits, Fields, object_json, string_json};

/// One tool, prompt, resource or resource template, as the server wrote it, apart from what clients
/// could not parse.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// JSON text of the entry.
    text: ByteString,
    /// JSON text of the server.
    source: ByteString,
    /// Digest of that text, once it was requested.
    digest: OnceLock<Option<DefinitionDigest>>,
    /// Name or URI of the entry on the server.
    name: Arc<str>,
    /// Span of the name in the text.
    name_span: Range<usize>,
    /// App of a tool.
    app: AppLink,
    /// Headers that mirror arguments of the tool.
    headers: ParamHeaderSpecs,
}

impl CatalogEntry {
    /// Parses an entry of a list of `kind`, as [`LintRules`](super::lint::LintRules) leave it.
    ///
    /// # Errors
    ///
    /// A description of the defect if no client could use the entry: a missing or unprintable name,
    /// a tool without an input schema, or an invalid header annotation.
    pub(super) fn parse(kind: ListKind, text: ByteString) -> Result<Self, String> {
        let fields = Fields::parse(&text, 0..text.len()).map_err(|error| error.to_string())?;
        let key = kind.key();
        let name = fields
            .string(&text, key)
            .ok_or_else(|| format!("missing {key}"))?;
        if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
            return Err(format!(
                "{key} is empty, longer than {MAX_NAME} bytes, or not printable"
            ));
        }
        let name = Arc::from(&*name);
        let mut headers = ParamHeaderSpecs::default();
        if kind == ListKind::Tools {
            let schema = fields
                .raw(&text, "inputSchema")
                .ok_or("missing inputSchema")?;
            let output = fields.raw(&text, OUTPUT_SCHEMA);
            let is_schema = |schema: &str| schema.starts_with('{');
            if !is_schema(schema) || !output.is_none_or(is_schema) {
                return Err("inputSchema and outputSchema must be objects".to_owned());
            }
            headers = ParamHeaderSpecs::parse(schema)?;
        }
        let name_span = fields.span(&text, key).unwrap_or_default();
        let app = AppLink::parse(&text, &fields);
        Ok(Self {
            name,
            name_span,
            app,
            headers,
            source: text.clone(),
            digest: OnceLock::new(),
            text,
        })
    }

    /// Sets the JSON text of the server, from which the entry was adapted.
    pub(super) fn with_source(self, source: ByteString) -> Self {
        Self { source, ..self }
    }

    /// Returns the name or URI on the server, without a prefix of the gateway.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the app of a tool.
    pub(crate) fn app(&self) -> &AppLink {
        &self.app
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.text
    }

    /// Returns the JSON text as the server wrote it, before any adaptation.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the digest of the [`source`](Self::source), which is computed once; `None` if readers
    /// could differ about its meaning.
    #[must_use]
    pub fn digest(&self) -> Option<DefinitionDigest> {
        let digest = || DefinitionDigest::of_json(&self.source);
        *self.digest.get_or_init(digest)
    }

    /// Appends the JSON text to `out` with its name replaced by `name`.
    ///
    /// `uri` maps the URI of a UI resource to that of the gateway; `None` leaves it unchanged.
    pub(crate) fn write_json(
        &self,
        name: &str,
        uri: impl Fn(&str) -> Option<String>,
        out: &mut Vec<u8>,
    ) {
        let mut edits = Edits::new();
        if *name != *self.name {
            edits.replace(self.name_span.clone(), string_json(name));
        }
        for span in self.app.uris() {
            let app = crate::json::string(&self.text[span.clone()]);
            if let Some(uri) = app.and_then(|app| uri(&app)) {
                edits.replace(span.clone(), string_json(&uri));
            }
        }
        out.extend_from_slice(&edits.apply(self.text.as_bytes()));
    }

    /// Returns the headers that mirror `arguments` of the tool.
    ///
    /// `sent` are the headers of the client's request, or `None` if its protocol version has no
    /// such headers.
    ///
    /// # Errors
    ///
    /// [`ParamMismatch`] if a header of the client contradicts the argument that it mirrors.
    pub(crate) fn param_headers(
        &self,
        arguments: Option<&str>,
        sent: Option<&http::HeaderMap>,
    ) -> Result<crate::protocol::header::ParamHeaders, ParamMismatch> {
        self.headers.headers_for(arguments, sent)
    }

    /// Returns the annotation `name` of a tool, such as `readOnlyHint`, or `None` if the server does
    /// not declare it as a boolean.
    ///
    /// Hints are claims of the server: a policy must not trust them of a server that it does not
    /// trust. See [MCP 2026-07-28, tool
    /// annotations](https://modelcontextprotocol.io/specification/2026-07-28/schema#toolannotations).
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::catalog::{ListKind, Listing};
    ///
    /// let result = r#"{"tools":[{"name":"read","inputSchema":{},"annotations":{"readOnlyHint":true}}]}"#;
    /// let listing = Listing::from_result("files", ListKind::Tools, &result.into())?;
    /// let entry = listing.get("read").unwrap();
    /// assert_eq!(entry.hint("readOnlyHint"), Some(true));
    /// assert_eq!(entry.hint("destructiveHint"), None);
    /// # Ok::<_, mcp_gateway_core::upstream::UpstreamError>(())
    /// ```
    #[must_use]
    #[doc(alias = "annotations")]
    pub fn hint(&self, name: &str) -> Option<bool> {
        let fields = Fields::parse(&self.text, 0..self.text.len()).ok()?;
        let annotations =
            Fields::parse(&self.text, fields.span(&self.text, "annotations")?).ok()?;
        annotations.raw(&self.text, name)?.parse().ok()
    }

    /// Returns the entry of a tool without its output schema.
    pub(super) fn without_output_schema(&self) -> Self {
        let text = &*self.text;
        let fields = Fields::parse(text, 0..text.len()).unwrap_or_default();
        if fields.raw(text, OUTPUT_SCHEMA).is_none() {
            return self.clone();
        }
        let rest = fields.iter(text).filter(|(key, _)| *key != OUTPUT_SCHEMA);
        let rest: Vec<_> = rest.map(|(key, span)| (key, text[span].into())).collect();
        // The remaining members have been parsed before.
        match Self::parse(ListKind::Tools, object_json(&rest).into()) {
            Ok(entry) => entry.with_source(self.source.clone()),
            Err(_) => self.clone(),
        }
    }

    /// Returns the entry as a JSON value, with all of its members.
    #[must_use]
    pub fn describe(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

const OUTPUT_SCHEMA: &str = "outputSchema";

/// Maximum length of a name or URI, in bytes: four times the maximum that the specification
/// recommends for names, because URIs may be longer.
const MAX_NAME: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ListKind, text: &'static str) -> Result<CatalogEntry, String> {
        CatalogEntry::parse(kind, ByteString::from_static(text))
    }

    fn written(entry: &CatalogEntry, name: &str) -> String {
        let mut out = Vec::new();
        entry.write_json(name, |uri| Some(format!("s+{uri}")), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_name_changes() {
        let text = r#"{"x-vendor":{"n":12345678901234567890123},"name":"echo","inputSchema":{"type":"object"}, "annotations":{"b":1,"a":1E400}}"#;
        let entry = read(ListKind::Tools, text).unwrap();
        assert_eq!(
            written(&entry, "s__echo"),
            text.replace("\"echo\"", "\"s__echo\"")
        );
        assert_eq!(written(&entry, "echo"), text);
    }

    #[test]
    fn the_resource_of_an_app_is_renamed_with_the_others() {
        let text = r#"{"name":"a","inputSchema":{},"_meta":{"ui":{"resourceUri":"ui://a/b"},"ui/resourceUri":"ui://a/b","openai/outputTemplate":"ui://a/b"}}"#;
        let entry = read(ListKind::Tools, text).unwrap();
        assert_eq!(written(&entry, "a"), text.replace("ui://a/b", "s+ui://a/b"));
    }

    #[test]
    fn what_clients_could_not_read_is_left_out() {
        for text in [
            "1",
            "{}",
            r#"{"name":""}"#,
            r#"{"name":7,"inputSchema":{}}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","inputSchema":null}"#,
            r#"{"name":"a","inputSchema":{},"outputSchema":[]}"#,
            r#"{"name":"a","name":"b","inputSchema":{}}"#,
            r#"{"name":"a\u0000","inputSchema":{}}"#,
        ] {
            assert!(read(ListKind::Tools, text).is_err(), "{text}");
        }
        assert!(read(ListKind::Prompts, r#"{"name":"a"}"#).is_ok());
        assert!(read(ListKind::Resources, r#"{"name":"a"}"#).is_err());
    }
}
