use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Message, MessageError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn request(text: &str) -> Request {
    match parse(text) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_keeps_its_text() {
    let text = r#"{"method":"tools/call","id":"a","jsonrpc":"2.0",
        "params":{"name":"t\u00e9","arguments":{"n":1E400},"_meta":{"progressToken":7}}}"#;
    let request = request(text);
    assert_eq!(request.text(), text);
    assert_eq!(request.id(), &Id::from("a"));
    assert_eq!(request.method(), &Method::ToolsCall);
    assert_eq!(request.name().as_deref(), Some("té"));
    assert_eq!(request.param("arguments"), Some(r#"{"n":1E400}"#));
    assert_eq!(request.meta("progressToken"), Some("7"));
    assert_eq!(&text[request.id_span()], "\"a\"");
}

#[test]
fn what_is_not_a_message_says_why() {
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"x\":{}",
        "[".repeat(200)
    );
    let table = [
        (
            "{",
            "the body is not valid JSON: expected a string at offset 1",
        ),
        (
            "{\"a\":1}}",
            "the body is not valid JSON: trailing data after the value at offset 7",
        ),
        ("[]", "batches"),
        ("[", "the body is not valid JSON"),
        (" [{}]", "batches"),
        (
            "\"a\"",
            "not a JSON-RPC message: the message must be an object",
        ),
        (
            r#"{"id":1,"method":"m"}"#,
            "not a JSON-RPC message: the member jsonrpc",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
            "not a JSON-RPC message: the id",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            "not a JSON-RPC message: the id",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            "not a JSON-RPC message: duplicate",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            "not a JSON-RPC message: the method",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1}"#,
            "not a JSON-RPC message: it has neither",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
            "not a JSON-RPC message: it has",
        ),
        (&deep, "the body is nested deeper than 127 levels"),
    ];
    for (text, expected) in table {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn params_are_an_object_without_doubts() {
    let table = [
        ("[1]", "invalid params: expected an object"),
        (r#"{"a":1,"a":2}"#, "invalid params: duplicate"),
        (r#"{"_meta":3}"#, "invalid params: expected an object"),
    ];
    for (params, expected) in table {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_no_text_is_not_a_message() {
    let error = Message::parse(Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap_err();
    assert!(matches!(error, MessageError::Syntax { .. }), "{error:?}");
}

#[test]
fn errors_carry_the_id_where_it_could_be_read() {
    let error = parse(r#"{"jsonrpc":"2.0","id":9,"method":"m","params":[1]}"#).unwrap_err();
    assert!(matches!(error, MessageError::Params { id: Some(id), .. } if id == Id::from(9)));
}

#[test]
fn the_other_kinds_are_told_apart() {
    let Ok(Message::Notification(notification)) =
        parse(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#)
    else {
        panic!("not a notification");
    };
    assert_eq!(notification.method(), &Method::Progress);
    assert_eq!(notification.param("progress"), Some("1"));

    let Ok(Message::Response(response)) = parse(r#"{"jsonrpc":"2.0","id":4,"result":{"a":1}}"#)
    else {
        panic!("not a response");
    };
    assert_eq!(response.id(), Some(&Id::from(4)));
    assert_eq!(response.result(), Ok(r#"{"a":1}"#));

    let Ok(Message::Response(response)) = parse(r#"{"jsonrpc":"2.0","error":{"code":1}}"#) else {
        panic!("not a response");
    };
    assert_eq!(response.id(), None);
    assert_eq!(response.result(), Err(r#"{"code":1}"#));
}

#[test]
fn messages_of_the_gateway_read_back() {
    let request = Request::new(&Id::from(3), &Method::ToolsList, r#"{"cursor":"x"}"#);
    let again = self::request(request.text());
    assert_eq!(again.param("cursor"), request.param("cursor"));
    assert_eq!(again.id_span(), request.id_span());

    let notification = Notification::new(&Method::Initialized, None);
    assert!(matches!(
        parse(notification.text()),
        Ok(Message::Notification(_))
    ));

    let response = Response::new(&Id::from("x"), "{}");
    let Ok(Message::Response(again)) = parse(response.text()) else {
        panic!("not a response");
    };
    assert_eq!(again.result(), response.result());
    assert_eq!(again.id_span(), response.id_span());
}

#[test]
fn responses_take_the_id_of_their_caller() {
    for text in [
        r#"{"jsonrpc":"2.0","id":4,"result":{"a":1}}"#,
        r#"{"result":{"a":1},"id":4,"jsonrpc":"2.0"}"#,
        r#"{"result":{"a":1},"id":"longer than it was","jsonrpc":"2.0"}"#,
    ] {
        let Ok(Message::Response(response)) = parse(text) else {
            panic!("not a response");
        };
        let response = response.with_id(&Id::from("caller"));
        assert_eq!(response.result(), Ok(r#"{"a":1}"#));
        assert_eq!(&response.text()[response.id_span().unwrap()], "\"caller\"");
        assert!(parse(response.text()).is_ok());
    }
    let Ok(Message::Response(error)) = parse(r#"{"jsonrpc":"2.0","error":{"code":1}} "#) else {
        panic!("not a response");
    };
    let error = error.with_id(&Id::from(9));
    assert_eq!(
        error.text(),
        r#"{"jsonrpc":"2.0","error":{"code":1},"id":9} "#
    );
    assert_eq!(&error.text()[error.id_span().unwrap()], "9");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = Message::parse(bytes.into());
    }

    #[test]
    fn any_text_like_json_is_answered(text in r#"[\[\]{}",:a\\ 0-9]{0,64}"#) {
        let _ = parse(&text);
    }

    #[test]
    fn names_are_read_as_they_were_meant(name: String, argument: String) {
        let params = serde_json::json!({"name": name, "arguments": {"x": argument}});
        let request = Request::new(&Id::from(1), &Method::ToolsCall, &params.to_string());
        let read = request.name();
        prop_assert_eq!(read.as_deref(), Some(&*name));
    }
}

#[test]
fn all_members_may_be_nested_equally_deep() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let places = [
        (1, r#"{"jsonrpc":"2.0","method":"m","x":HERE}"#),
        (2, r#"{"jsonrpc":"2.0","method":"m","params":{"x":HERE}}"#),
        (
            3,
            r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{"x":HERE}}}"#,
        ),
        (
            3,
            r#"{"jsonrpc":"2.0","method":"m","params":{"\u005fmeta":{"x":HERE}}}"#,
        ),
    ];
    for (outer, text) in places {
        let deepest = nested(Message::MAX_DEPTH - outer);
        assert!(parse(&text.replace("HERE", &deepest)).is_ok(), "{text}");
        let deeper = nested(Message::MAX_DEPTH - outer + 1);
        let error = parse(&text.replace("HERE", &deeper)).unwrap_err();
        assert_eq!(error, MessageError::TooDeep, "{text}");
    }
}

#[test]
fn what_is_wrong_with_params_is_told_after_the_id() {
    for params in [
        r#"{"a":1,"a":2}"#,
        r#"{"_meta":7}"#,
        r#"{"_meta":{"a":1,"a":2}}"#,
        "[1]",
    ] {
        for text in [
            format!(r#"{{"jsonrpc":"2.0","method":"m","params":{params},"id":7}}"#),
            format!(r#"{{"jsonrpc":"2.0","method":"m","id":7,"params":{params}}}"#),
        ] {
            let error = parse(&text).unwrap_err();
            let MessageError::Params { id, .. } = &error else {
                panic!("{text}: {error:?}");
            };
            assert_eq!(id.as_ref(), Some(&Id::from(7)), "{text}");
        }
    }
}
