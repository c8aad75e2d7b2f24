//! Whole results, which are read in pieces.

use std::borrow::Cow;
use std::sync::Arc;

use bytestring::ByteString;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;

use super::tool_result::{ToolResult, prefix_within};
use crate::catalog::CacheScope;
use crate::json::{object_json, string_json};
use crate::protocol::{Era, meta};

/// A result as a text.
#[derive(Debug)]
pub(super) struct Document {
    text: ByteString,
    mime_type: &'static str,
    /// Maximum size of a piece in bytes.
    max_piece: usize,
    /// `true` if the offsets of the document are those of the only text of the result.
    is_text: bool,
}

/// Link to a document.
#[derive(Debug)]
pub(super) struct Link {
    /// URI of the document.
    pub(super) uri: String,
    document: Arc<Document>,
    /// `true` if the client accepts resource links.
    pub(super) is_block: bool,
}

/// Reference to a part of a document.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct PieceUri<'a> {
    /// Server of the result.
    pub(crate) server: Cow<'a, str>,
    /// Identifier of the document.
    pub(super) id: Cow<'a, str>,
    /// Position of the first byte.
    pub(super) offset: usize,
}

impl Document {
    /// Creates the document of `result`: its only text, or its JSON text. It is read in pieces of up
    /// to `max_piece` bytes.
    pub(super) fn new(result: &ToolResult<'_>, max_piece: usize) -> Self {
        let single = result.single_text();
        let is_text = single.is_some();
        let text = single.unwrap_or_else(|| {
            let structured = result.structured.filter(|_| result.blocks.is_empty());
            structured.unwrap_or(result.text).into()
        });
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        Self {
            text: ByteString::from(&*text),
            mime_type: if is_json {
                "application/json"
            } else {
                "text/plain"
            },
            max_piece,
            is_text,
        }
    }

    /// Returns the size in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Returns the result of `resources/read` for the part from `offset` on; `uri` is that of the
    /// document.
    pub(super) fn piece(&self, uri: &str, offset: usize, era: Era) -> String {
        let boundary = |at: &usize| self.text.is_char_boundary(*at);
        let offset = (0..=offset.min(self.bytes())).rfind(boundary);
        let offset = offset.unwrap_or_default();
        // The URI occurs three times.
        let room = self
            .max_piece
            .saturating_sub(3 * uri.len() + PIECE_OVERHEAD);
        let room = room.max(MIN_PIECE);
        let text = prefix_within(&self.text[offset..], room);
        let end = offset + text.len();
        let rest = self.bytes() - end;
        let next = (rest > 0).then(|| piece_uri(uri, end));
        let item = |uri: &str, mime_type: &str, text: &str| {
            json!({ "uri": uri, "mimeType": mime_type, "text": text }).to_string()
        };
        let mut contents = vec![item(&piece_uri(uri, offset), self.mime_type, text)];
        if let Some(next) = &next {
            let note = format!(
                "[{rest} of {} bytes follow: read this resource]",
                self.bytes()
            );
            contents.push(item(next, "text/plain", &note));
        }
        let piece = json!({ "offset": offset, "size": self.bytes(), "next": next });
        let mut members = vec![
            ("contents", format!("[{}]", contents.join(",")).into()),
            ("_meta", json!({ meta::PIECE: piece }).to_string().into()),
        ];
        if era == Era::Modern {
            members.push(("resultType", "\"complete\"".into()));
            members.push(("ttlMs", "0".into()));
            members.push(("cacheScope", CacheScope::Private.to_json().into()));
        }
        object_json(&members)
    }
}

impl Link {
    /// Creates the link to `document` under `uri`; `is_block` is `true` if the client accepts
    /// resource links.
    pub(super) fn new(uri: String, document: Arc<Document>, is_block: bool) -> Self {
        Self {
            uri,
            document,
            is_block,
        }
    }

    /// Returns the URI of the part that follows the first `shown` bytes of the content.
    pub(super) fn from(&self, shown: usize) -> String {
        match self.document.is_text {
            true => piece_uri(&self.uri, shown),
            false => self.uri.clone(),
        }
    }

    /// Returns the JSON text of the resource link.
    pub(super) fn block(&self) -> Option<String> {
        let size = self.document.bytes();
        self.is_block.then(|| {
            object_json(&[
                ("type", "\"resource_link\"".into()),
                ("uri", string_json(&self.uri).into()),
                ("name", "\"result\"".into()),
                ("description", "\"Whole result\"".into()),
                ("mimeType", string_json(self.document.mime_type).into()),
                ("size", size.to_string().into()),
            ])
        })
    }

    /// Creates a link for tests.
    #[cfg(test)]
    pub(super) fn sample(bytes: usize) -> Self {
        let document = Document {
            text: "x".repeat(bytes).into(),
            mime_type: "application/json",
            max_piece: 0,
            is_text: true,
        };
        Self::new(
            document_uri("server", &"i".repeat(22)),
            Arc::new(document),
            true,
        )
    }
}

impl<'a> PieceUri<'a> {
    /// Parses the URI of a part of a document; `None` if it is not one.
    ///
    /// Equivalent URIs are accepted: scheme and host in any case, and percent-encoded characters; see
    /// [RFC 3986, section 6.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2).
    pub(crate) fn parse(uri: &'a str) -> Option<Self> {
        let decoded = |text: &'a str| percent_decode_str(text).decode_utf8().ok();
        let (scheme, rest) = uri.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let is_result =
            scheme.eq_ignore_ascii_case(SCHEME) && decoded(host)?.eq_ignore_ascii_case(HOST);
        let (server, whole) = path.split_once('/').filter(|_| is_result)?;
        let part = whole.split_once("?offset=");
        let part = part.and_then(|(id, offset)| Some((id, offset.parse().ok()?)));
        // A text that is not an offset belongs to an unknown identifier.
        let (id, offset) = part.unwrap_or((whole, 0));
        Some(Self {
            server: decoded(server)?,
            id: decoded(id)?,
            offset,
        })
    }
}

/// Returns `true` if `uri` has the scheme of kept results, in any spelling that a lenient reader takes
/// for it. No server receives such a URI.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::results::is_reserved;
///
/// assert!(is_reserved("MCP-Gateway://results/notes/1"));
/// assert!(!is_reserved("file:///notes/1"));
/// ```
#[must_use]
pub fn is_reserved(uri: &str) -> bool {
    let mut bytes = percent_decode_str(uri).filter(u8::is_ascii_graphic);
    let mut is_next = |expected: &u8| {
        bytes
            .next()
            .is_some_and(|byte| byte.eq_ignore_ascii_case(expected))
    };
    SCHEME.as_bytes().iter().all(&mut is_next) && is_next(&b':')
}

/// Returns the URI of the document `id` of `server`.
pub(super) fn document_uri(server: &str, id: &str) -> String {
    let server = utf8_percent_encode(server, NON_ALPHANUMERIC);
    format!("{SCHEME}://{HOST}/{server}/{id}")
}

/// Returns the URI of the part of the document `uri` from `offset` on.
fn piece_uri(uri: &str, offset: usize) -> String {
    match offset {
        0 => uri.to_owned(),
        offset => format!("{uri}?offset={offset}"),
    }
}

const SCHEME: &str = "mcp-gateway";

const HOST: &str = "results";

/// Size of a piece without its text and URIs, in bytes.
const PIECE_OVERHEAD: usize = 500;

/// Minimum size of the JSON string of a piece, so that reading proceeds.
const MIN_PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::results::ResultBudget;

    fn document_of(result: &str, max: usize) -> Document {
        Document::new(&ToolResult::parse(result).unwrap(), max)
    }

    fn document(text: &str, max: usize) -> Document {
        let block = super::super::tool_result::text_block(text);
        document_of(&format!(r#"{{"content":[{block}]}}"#), max)
    }

    #[test]
    fn a_document_is_the_only_text_or_the_whole_result() {
        let text = document("{\"a\":1}", 0);
        assert_eq!(
            (&*text.text, text.mime_type),
            ("{\"a\":1}", "application/json")
        );
        assert_eq!(document("a", 0).mime_type, "text/plain");
        for result in [
            r#"{"content":[{"type":"image","data":"AA"}]}"#,
            r#"{"content":[{"type":"text","text":"a"}],"structuredContent":{"b":1}}"#,
        ] {
            let whole = document_of(result, 0);
            assert_eq!(
                (&*whole.text, whole.mime_type),
                (result, "application/json")
            );
        }
        let only = r#"{"content":[],"structuredContent":{"b":1}}"#;
        assert_eq!(document_of(only, 0).text, r#"{"b":1}"#);
    }

    #[test]
    fn the_uri_of_a_piece_names_server_and_document() {
        let uri = document_uri("a b", "id");
        assert_eq!(uri, "mcp-gateway://results/a%20b/id");
        let piece = |uri| {
            let piece = PieceUri::parse(uri)?;
            Some((
                piece.server.into_owned(),
                piece.id.into_owned(),
                piece.offset,
            ))
        };
        let part = |id: &str, offset| Some(("a b".to_owned(), id.to_owned(), offset));
        assert_eq!(piece(&uri), part("id", 0));
        let later = piece_uri(&uri, 7);
        assert_eq!(piece(&later), part("id", 7));
        for alike in [
            "MCP-Gateway://Results/a%20b/id",
            "mcp-gateway://%72esults/%61 b/%69d",
        ] {
            assert_eq!(piece(alike), part("id", 0), "{alike}");
        }
        for other in [
            "mcp-gateway://result/a%20b/id",
            "mcp-gateway://results/%ff/id",
            "file:///a",
        ] {
            assert_eq!(piece(other), None, "{other}");
        }
        let invalid = format!("{uri}?offset=-1");
        assert_eq!(piece(&invalid), part("id?offset=-1", 0));
    }

    #[test]
    fn the_scheme_is_reserved_in_any_spelling() {
        for uri in [
            "mcp-gateway:x",
            "MCP-GATEWAY://a",
            "mcp%2Dgateway%3A//a",
            " m\tcp-gateway://",
        ] {
            assert!(is_reserved(uri), "{uri}");
        }
        for uri in [
            "mcp-gateway",
            "mcp-gateways://a",
            "file:///mcp-gateway://a",
            "",
        ] {
            assert!(!is_reserved(uri), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_document(
            text in "[a-zä😀\"\n\u{1}]{0,4000}",
            max in ResultBudget::MIN_BYTES..3000,
        ) {
            let document = document(&text, max);
            let uri = document_uri("server", &"i".repeat(22));
            let (mut read, mut next) = (String::new(), Some(uri.clone()));
            while let Some(at) = next {
                let PieceUri { offset, .. } = PieceUri::parse(&at).unwrap();
                prop_assert_eq!(offset, read.len());
                let piece = document.piece(&uri, offset, Era::Modern);
                prop_assert!(piece.len() <= max, "{} of {max}", piece.len());
                let piece: Value = serde_json::from_str(&piece).unwrap();
                prop_assert_eq!(&piece["contents"][0]["uri"], &at);
                read += piece["contents"][0]["text"].as_str().unwrap();
                next = piece["_meta"][meta::PIECE]["next"].as_str().map(str::to_owned);
                prop_assert_eq!(piece["contents"][1]["uri"].as_str(), next.as_deref());
            }
            prop_assert_eq!(read, text);
        }
    }
}
