//! Identifier of a response that cannot be parsed.

use super::Id;

/// Returns the identifier of the response `text`, which is not a valid message; `None` if it has none
/// or several, or is not a response.
///
/// Finds it although the text is nested too deeply, is cut or is not UTF-8: only the members of the
/// envelope are read, and without recursion.
pub(super) fn response_id(text: &[u8]) -> Option<Id> {
    let (mut depth, mut key, mut id) = (0_usize, None, None);
    for token in (Tokens { rest: text }) {
        match token[0] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => break,
            b'}' | b']' => depth -= 1,
            _ if depth != 1 => {}
            b',' => key = None,
            b':' => {}
            _ => match key.as_deref() {
                None => key = Some(serde_json::from_slice::<String>(token).ok()?),
                Some("method") => return None,
                Some("id") if id.replace(token).is_some() => return None,
                Some(_) => {}
            },
        }
    }
    Id::from_token(std::str::from_utf8(id?).ok()?)
}

/// Tokens of a JSON text.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_ascii_start();
        let len = match rest.first()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_len(rest),
            _ => scalar_len(rest),
        };
        let (token, rest) = rest.split_at(len);
        self.rest = rest;
        Some(token)
    }
}

/// Returns the length of the string at the start of `text`.
fn string_len(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let ends = |byte: &u8| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    };
    let end = text[1..].iter().position(ends);
    end.map_or(text.len(), |end| end + 2)
}

/// Returns the length of the number or word at the start of `text`.
fn scalar_len(text: &[u8]) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
    text.iter().position(ends).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jsonrpc::Message;

    #[test]
    fn the_identifier_of_a_response_is_found_in_any_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let id = |text: &str| response_id(text.as_bytes());
        for text in [
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"id":8,"a":{deep}}}}}"#),
            format!(r#" {{"result" : {deep} , "i\u0064" : 7}}"#),
            r#"{"id":7,"result":{"a":"#.to_owned(),
            r#"{"result":{"a":"id\":8,"},"id":7,"error":1,"x":"method"}"#.to_owned(),
        ] {
            let found = id(&text);
            assert_eq!(found, Some(Id::from(7)), "{}", &text[..40.min(text.len())]);
        }
        assert_eq!(
            id(&format!(r#"{{"id":"a","result":{deep}}}"#)),
            Some(Id::from("a"))
        );
        assert_eq!(
            response_id(b"{\"id\":7,\"result\":\"\xff\"}"),
            Some(Id::from(7))
        );
        for text in [
            format!(r#"{{"id":7,"method":"ping","params":{deep}}}"#),
            format!(r#"{{"id":7,"id":8,"result":{deep}}}"#),
            format!(r#"{{"id":null,"result":{deep}}}"#),
            format!(r#"{{"result":{{"id":7}},"x":{deep}}}"#),
            format!(r#"[{{"id":7,"result":{deep}}}]"#),
            String::new(),
            "id".to_owned(),
        ] {
            assert_eq!(id(&text), None, "{}", &text[..20.min(text.len())]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = response_id(&text);
        }

        #[test]
        fn a_valid_response_has_the_identifier_that_a_parser_finds(
            id in -1000..1000_i64,
            result in "[a-z\"\\\\]{0,8}",
        ) {
            let result = crate::json::string_json(&result);
            let text = format!(r#"{{"result":{{"a":[{result}]}},"jsonrpc":"2.0","id":{id}}}"#);
            let Ok(Message::Response(response)) = Message::parse(text.clone().into()) else {
                return Err(TestCaseError::fail(text));
            };
            prop_assert_eq!(response_id(text.as_bytes()), response.id().cloned());
        }
    }
}
