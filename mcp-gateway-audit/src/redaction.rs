//! Redaction of names and URIs that clients choose.

use url::Url;

/// Returns the scheme, host and path of `uri`. All other parts are replaced.
///
/// They may contain secrets: user information, queries, fragments, path parameters, and the bodies
/// of `data:` URIs. So may a path that is not a sequence of plain names, if no host precedes it. A
/// URI that cannot be parsed is replaced as a whole.
pub(crate) fn redacted_uri(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else {
        return HIDDEN.to_owned();
    };
    let mut kept = format!("{}:", url.scheme());
    if url.has_authority() {
        kept.push_str("//");
        if !url.username().is_empty() || url.password().is_some() {
            kept.push_str(HIDDEN);
            kept.push('@');
        }
        kept.push_str(redacted_host(url.host_str().unwrap_or_default()));
        if let Some(port) = url.port() {
            kept.push_str(&format!(":{port}"));
        }
        kept.push_str(&redacted_path(url.path()));
    } else if url.scheme() != "data" && url.path().chars().all(is_plain) {
        kept.push_str(url.path());
    } else {
        kept.push_str(HIDDEN);
    }
    for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
        if part.is_some() {
            kept.push(mark);
            kept.push_str(HIDDEN);
        }
    }
    shortened(&kept)
}

/// Replaces a host that is no name and no address: in most schemes, it may contain anything.
fn redacted_host(host: &str) -> &str {
    match host.chars().all(|c| is_plain(c) || "[]".contains(c)) {
        true => host,
        false => HIDDEN,
    }
}

/// Replaces the parameters in a path with all that follows, and what ends with `@`.
fn redacted_path(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let parameters = [";", "%3b"]
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min();
    let named = &lower[..parameters.unwrap_or(path.len())];
    // The scope of a package begins with `@`, and nobody's name is before it.
    let is_user = |at: &usize| !named[..*at].ends_with('/');
    let last = |mark| named.rmatch_indices(mark).map(|(at, _)| at).find(is_user);
    let user = ["@", "%40"].into_iter().filter_map(last).max();
    let mut kept = String::new();
    if user.is_some() {
        kept.push('/');
        kept.push_str(HIDDEN);
    }
    kept.push_str(&path[user.unwrap_or_default()..named.len()]);
    if parameters.is_some() {
        kept.push(';');
        kept.push_str(HIDDEN);
    }
    kept
}

/// Returns `true` for the characters of names and of what separates them.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~/:+".contains(c)
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
    fn scheme_host_and_path_are_kept() {
        for uri in [
            "file:///etc/hosts",
            "file:///a%20b/c.txt",
            "note://a/b",
            "note:today",
            "urn:isbn:0451450523",
            "https://h:8443/a/b/",
            "https://[::1]/a",
            "npm://h/@scope/name",
            "x:/a/b",
        ] {
            assert_eq!(redacted_uri(uri), uri);
        }
        let long = format!("x:{}", "a".repeat(9000));
        assert_eq!(redacted_uri(&long).len(), MAX_NAME);
    }

    #[test]
    fn category_audited_uri_everything_else_is_replaced() {
        let cases = [
            ("https://u:p@h/a", "https://redacted@h/a"),
            ("https://t0ken@h:8443/a", "https://redacted@h:8443/a"),
            ("x://u:p@h/a", "x://redacted@h/a"),
            ("https:u:p@h/a", "https://redacted@h/a"),
            ("https://h/a?sig=s3cr3t&x=1", "https://h/a?redacted"),
            ("https://h/a?s3cr3t", "https://h/a?redacted"),
            ("https://h/#token=s3cr3t", "https://h/#redacted"),
            ("https://h/a;tok=s3cr3t/b;c", "https://h/a;redacted"),
            ("https://h/a%3Btok=s3cr3t", "https://h/a;redacted"),
            ("https://h/a/u:p/p@h/a", "https://h/redacted@h/a"),
            ("https://h/u:p%40h;c@d", "https://h/redacted%40h;redacted"),
            ("file:///u:p@h/a", "file:///redacted@h/a"),
            ("x://h;s3cr3t/a", "x://redacted/a"),
            ("x://u%40p;s3cr3t", "x://redacted"),
            ("ssh:git:p@h", "ssh:redacted"),
            ("ssh:git:p%40h", "ssh:redacted"),
            ("ssh:/git:p@h/a?b", "ssh:redacted?redacted"),
            ("jdbc:mysql://u:p@h/a?password=p", "jdbc:redacted?redacted"),
            ("jdbc:sqlserver://h;password=p", "jdbc:redacted"),
            ("view-source:data:,s3cr3t", "view-source:redacted"),
            ("data:text/plain,s3cr3t", "data:redacted"),
            ("data:s3cr3t", "data:redacted"),
            ("DATA:s3cr3t", "data:redacted"),
            ("x:a;tok=s3cr3t", "x:redacted"),
            (
                "note:today?tok=s3cr3t#s3cr3t",
                "note:today?redacted#redacted",
            ),
            ("password: hunter2", "password:redacted"),
            ("no uri", "redacted"),
        ];
        for (uri, expected) in cases {
            assert_eq!(redacted_uri(uri), expected, "{uri}");
        }
    }

    proptest::proptest! {
        #[test]
        fn category_audited_uri_secrets_never_remain(path in "[a-z/]{0,10}", query in "[a-z&=;?]{0,9}") {
            let uri = format!("https://a:S3CR3T@example.com/{path}?{query}S3CR3T#S3CR3T");
            proptest::prop_assert!(!redacted_uri(&uri).contains("S3CR3T"));
        }

        #[test]
        fn category_audited_uri_secrets_after_a_mark_never_remain(
            start in "(x:|x:/|x://h/|https://h/|ssh:u:)",
            // A slash here could begin an authority, in which the mark does not end the host.
            path in "([a-z@:][a-z/@:]{0,5})?",
            mark in "[;?#]",
            rest in "[a-z/;@?#:]{0,6}",
        ) {
            let uri = format!("{start}{path}{mark}{rest}S3CR3T");
            proptest::prop_assert!(!redacted_uri(&uri).contains("S3CR3T"), "{}", uri);
        }
    }
}
