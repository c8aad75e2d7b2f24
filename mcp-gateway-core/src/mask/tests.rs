use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

/// Returns `secret` as others quote it: percent-encoded, in JSON, in JSON of ASCII, in JSON in JSON, in
/// HTML, in Rust.
fn quoted(secret: &str) -> Vec<String> {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let ascii = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_string(),
        false => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect(),
    };
    let html = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    vec![
        secret.to_owned(),
        secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        percent.replace("%20", "+"),
        percent,
        json(secret),
        json(&json(secret)),
        secret.chars().map(ascii).collect(),
        secret.chars().map(html).collect(),
        format!("{secret:?}"),
    ]
}

/// Returns the Base64 texts of `secret` between other bytes.
fn encoded(before: &str, secret: &str, after: &str) -> [String; 2] {
    let text = format!("{before}{secret}{after}");
    [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]
}

/// Printable characters, and those that some form escapes.
const SECRET: &str = r#"[a-zA-Z0-9\\"'&<>/+=%. _~\u{e9}\u{1f511}-]{8,40}"#;

proptest! {
    #[test]
    fn category_quoted_secret_no_form_of_a_secret_remains(
        secret in SECRET,
        other in SECRET,
        (before, after) in (".{0,12}", ".{0,12}"),
    ) {
        let secret = secret.trim();
        prop_assume!(secret.chars().count() >= MIN_LENGTH);
        let header = HeaderValue::from_bytes(format!("Bearer {other}").as_bytes()).unwrap();
        let mask = Mask::new().with_secret(secret).with_header(&header);
        for form in quoted(secret) {
            let text = format!("{before}{form}{after}");
            let masked = mask.apply(&text);
            let is_masked = masked.contains(MARKER) && !masked.contains(&form);
            prop_assert!(is_masked && !masked.contains(secret), "{text:?} became {masked:?}");
        }
        for text in encoded(&before, secret, &after) {
            let masked = mask.apply(&text);
            prop_assert!(masked.contains(MARKER), "{text:?} became {masked:?}");
        }
    }

    #[test]
    fn any_text_is_masked_without_an_error(secret in ".{0,12}", text in ".{0,64}") {
        let mask = Mask::new().with_secret(&secret);
        let masked = mask.apply(&text);
        prop_assert!(masked == text || masked.contains(MARKER));
    }
}

#[test]
fn every_form_is_replaced_as_a_whole() {
    let secret = r#"p"s\w/ö&k 🔑"#;
    let mask = Mask::new().with_secret(secret);
    for form in quoted(secret) {
        let masked = mask.apply(&form);
        let rest = masked.replace(MARKER, "");
        assert!(
            rest.chars().all(|c| r#"\""#.contains(c)),
            "{form} became {masked}"
        );
    }
}

#[test]
fn a_short_secret_is_replaced_as_a_word() {
    let mask = Mask::new().with_secret("1234");
    let table = [
        ("pin 1234 rejected", "pin *** rejected"),
        ("pin=1234", "pin=***"),
        ("port 12345, 01234", "port 12345, 01234"),
        ("", ""),
    ];
    for (text, masked) in table {
        assert_eq!(mask.apply(text), masked);
    }
    assert_eq!(Mask::new().with_secret("").apply("a"), "a");
}

#[test]
fn a_secret_that_was_cut_is_replaced() {
    let mask = Mask::new().with_secret("ghp_16C7e42F292c6912E7710c838347Ae178B4a");
    assert_eq!(mask.apply("token ghp_16C7e42F292c69"), "token ***");
    assert_eq!(mask.apply("token ghp_16C"), "token ghp_16C");
    assert_eq!(
        mask.apply("ghp_16C7e42F292c69 is another"),
        "ghp_16C7e42F292c69 is another"
    );
}

#[test]
fn the_password_of_basic_authentication_is_a_secret() {
    let value = format!("Basic {}", STANDARD.encode("client:p%2Fssw%3Drd-1"));
    let mask = Mask::new().with_header(&HeaderValue::try_from(&value).unwrap());
    for text in [
        &*value,
        value.trim_start_matches("Basic "),
        "p/ssw=rd-1",
        "p%2Fssw%3Drd-1",
    ] {
        assert_eq!(mask.apply(text), MARKER, "{text}");
    }
    assert_eq!(mask.apply("client unknown"), "client unknown");
}

#[test]
fn the_lines_of_a_secret_are_secrets() {
    let mask = Mask::new().with_secret("-----BEGIN KEY-----\nMIIEvQIBADANBg\n");
    assert_eq!(
        mask.apply("cannot parse MIIEvQIBADANBg"),
        "cannot parse ***"
    );
}
