use proptest::prelude::*;

use super::*;

/// Returns the output for `text`, which arrives in pieces that end at `cuts`.
fn scan(
    text: &str,
    cuts: &[usize],
    server: &Id,
    caller: &Id,
) -> Result<(String, ScanResult), ScanError> {
    let mut scanner = Scanner::new(server.clone(), caller);
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let mut out = Vec::new();
    for cut in cuts.windows(2) {
        let piece = Bytes::copy_from_slice(&text.as_bytes()[cut[0]..cut[1]]);
        scanner.feed(&piece, &mut out)?;
    }
    let seen = scanner.finish()?;
    Ok((String::from_utf8(out.concat()).unwrap(), seen))
}

fn scan_whole(text: &str) -> Result<(String, ScanResult), ScanError> {
    scan(text, &[], &Id::from(7), &Id::from("me"))
}

#[test]
fn the_callers_id_takes_the_place_of_the_servers() {
    let table = [
        (
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"me","result":{}}"#,
        ),
        (
            r#"{"result":{"id":1},"id" : 7 }"#,
            r#"{"result":{"id":1},"id" : "me" }"#,
        ),
        (
            r#"{"result":[{"id":8}],"i\u0064":7}"#,
            r#"{"result":[{"id":8}],"i\u0064":"me"}"#,
        ),
        (
            r#"{"id":null,"error":{"code":-1}}"#,
            r#"{"id":"me","error":{"code":-1}}"#,
        ),
        (
            r#"{"error":{"code":-1}}"#,
            r#"{"error":{"code":-1},"id":"me"}"#,
        ),
        (
            "{\"result\":\"}{\\\"\",\"id\":7}\n",
            "{\"result\":\"}{\\\"\",\"id\":\"me\"}\n",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(scan_whole(text).unwrap().0, expected);
    }
}

#[test]
fn what_is_not_the_response_is_refused() {
    let deep = format!("{{\"id\":7,\"result\":{}", "[".repeat(1000));
    let table = [
        (r#"{"id":8,"result":{}}"#, ScanError::WrongId),
        (r#"{"id":"8","result":{}}"#, ScanError::WrongId),
        (r#"{"id":"07","result":{}}"#, ScanError::WrongId),
        (r#"{"id":7,"id":7,"result":{}}"#, ScanError::WrongId),
        (r#"{"result":{}}"#, ScanError::NotAResponse),
        (r#"{"id":null,"result":{}}"#, ScanError::NotAResponse),
        (
            r#"{"id":7,"result":{},"error":{}}"#,
            ScanError::NotAResponse,
        ),
        (r#"{"id":7}"#, ScanError::NotAResponse),
        (r#"{"id":7,"method":"x"}"#, ScanError::NotAResponse),
        (
            r#"{"id":7,"result":{}}{"id":7,"result":{}}"#,
            ScanError::Trailing,
        ),
        (r#"{"id":7,"result":{}} x"#, ScanError::Trailing),
        (r#"{"id":7,"result":{}"#, ScanError::Truncated),
        ("", ScanError::Truncated),
        ("[]", ScanError::Malformed),
        ("<html>", ScanError::Malformed),
        (r#"{"id":7,"result":[}}"#, ScanError::Malformed),
        (r#"{"id":{},"result":1}"#, ScanError::Malformed),
        (r#"{id:7,"result":1}"#, ScanError::Malformed),
        (&deep, ScanError::Malformed),
    ];
    for (text, expected) in table {
        assert_eq!(scan_whole(text).map(|_| ()), Err(expected), "{text}");
    }
}

#[test]
fn it_is_noted_how_the_call_ended() {
    let seen = |text| scan_whole(text).unwrap().1;
    let result = ScanResult {
        result: true,
        ..ScanResult::default()
    };
    assert_eq!(seen(r#"{"id":7,"result":{"x":{"isError":true}}}"#), result);
    assert_eq!(
        seen(r#"{"id":7,"isError":true,"result":{"isError":false}}"#),
        result
    );
    let tool_error = ScanResult {
        tool_error: true,
        ..result
    };
    assert_eq!(
        seen(r#"{"result":{"content":[{"a":1}],"isError": true},"id":7}"#),
        tool_error
    );
    let error = ScanResult {
        error: true,
        code: Some(-32602),
        ..ScanResult::default()
    };
    assert_eq!(
        seen(r#"{"id":7,"error":{"message":"code","code":-32602}}"#),
        error
    );
}

#[test]
fn an_id_that_is_right_is_not_copied() {
    let piece = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    let mut out = Vec::new();
    Scanner::new(Id::from(7), &Id::from(7))
        .feed(&piece, &mut out)
        .unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].as_ptr(), piece.as_ptr());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[a-z\"\\\\{}\\[\\]:,é]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            Just("id".to_owned()),
            Just("isError".to_owned()),
            "[a-z\"]{0,4}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    /// However a response is cut into pieces, only its identifier changes.
    #[test]
    fn cuts_do_not_matter(
        result in json(),
        id_last: bool,
        server: i64,
        caller: String,
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let (server, caller) = (Id::from(server), Id::from(&*caller));
        let text = |id: &Id| match id_last {
            true => format!("{{\"result\":{result},\"id\":{}}}", id.to_token()),
            false => format!("{{\"id\":{},\"result\":{result}}}", id.to_token()),
        };
        let (out, seen) = scan(&text(&server), &cuts, &server, &caller).unwrap();
        prop_assert_eq!(out, text(&caller));
        prop_assert_eq!(seen.tool_error, result.get("isError") == Some(&true.into()));
    }

    #[test]
    fn any_bytes_are_answered(pieces: Vec<Vec<u8>>) {
        let mut scanner = Scanner::new(Id::from(7), &Id::from(8));
        let mut out = Vec::new();
        for piece in pieces {
            if scanner.feed(&piece.into(), &mut out).is_err() {
                break;
            }
        }
        let _ = scanner.finish();
    }
}
