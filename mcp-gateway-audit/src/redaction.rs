//! Redaction of names and URIs that clients choose.

use url::Url;

/// Returns `uri` without its user information, query and fragment.
///
/// These may contain secrets, such as signatures of links. A URI that cannot be parsed is replaced
/// as a whole.
pub(crate) fn redacted_uri(uri: &str) -> String {
    let Ok(mut url) = Url::parse(uri) else {
        return HIDDEN.to_owned();
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Only URLs without a host reject this, and they have no user information.
        let _ = url.set_password(None);
        let _ = url.set_username(HIDDEN);
    }
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    if url.fragment().is_some() {
        url.set_fragment(Some(HIDDEN));
    }
    shortened(url.as_str())
}

/// Returns at most the first 256 characters of `name`; clients may invent names of any length.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// Maximum number of characters of a recorded name.
const MAX_NAME: usize = 256;

/// Replacement of a hidden part.
const HIDDEN: &str = "redacted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_parts_are_replaced_and_the_rest_is_kept() {
        let cases = [
            ("file:///etc/hosts", "file:///etc/hosts"),
            ("note://a/b", "note://a/b"),
            ("https://u:p@h/a", "https://redacted@h/a"),
            ("https://h/a?sig=s3cr3t&x=1", "https://h/a?redacted"),
            ("https://h/a?s3cr3t", "https://h/a?redacted"),
            ("https://h/#token=s3cr3t", "https://h/#redacted"),
            ("password: hunter2", "password: hunter2"),
            ("no uri", "redacted"),
        ];
        for (uri, expected) in cases {
            assert_eq!(redacted_uri(uri), expected);
        }
        assert_eq!(
            redacted_uri(&format!("x:{}", "a".repeat(9000))).len(),
            MAX_NAME
        );
    }

    proptest::proptest! {
        #[test]
        fn secrets_never_remain(path in "[a-z/]{0,10}", query in "[a-z&=;?]{0,9}") {
            let uri = format!("https://a:S3CR3T@example.com/{path}?{query}S3CR3T#S3CR3T");
            proptest::prop_assert!(!redacted_uri(&uri).contains("S3CR3T"));
        }
    }
}
