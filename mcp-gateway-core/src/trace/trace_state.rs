//! Validation of `tracestate`.

/// Returns `text` if it is a valid `tracestate` with at least one member.
///
/// The value reaches JSON texts and headers of other servers, so that nothing else passes.
pub(super) fn validated(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() || text.len() > MAX_LEN {
        return None;
    }
    let mut keys: Vec<&str> = Vec::new();
    for member in text.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let is_new = !keys.contains(&key);
        if !is_new || keys.len() == MAX_MEMBERS || !is_key(key) || !is_value(value) {
            return None;
        }
        keys.push(key);
    }
    (!keys.is_empty()).then_some(text)
}

/// Returns `true` if `key` is a valid key, with or without the name of a tenant.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, max: usize, digit_first: bool| {
        let first = part.bytes().next();
        let starts =
            first.is_some_and(|it| it.is_ascii_lowercase() || (digit_first && it.is_ascii_digit()));
        let rest = |it: u8| {
            it.is_ascii_lowercase()
                || it.is_ascii_digit()
                || matches!(it, b'_' | b'-' | b'*' | b'/')
        };
        starts && part.len() <= max && part.bytes().all(rest)
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
        None => is_part(key, 256, true),
    }
}

/// Returns `true` if `value` is a valid value.
fn is_value(value: &str) -> bool {
    let is_valid = |it: u8| (b' '..=b'~').contains(&it) && !matches!(it, b',' | b'=');
    (1..=256).contains(&value.len()) && value.bytes().all(is_valid) && !value.ends_with(' ')
}

/// Maximum length that is passed on, the one that the recommendation demands at least.
const MAX_LEN: usize = 512;

/// Maximum number of members.
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_states_are_passed_on() {
        for valid in [
            "a=1",
            "a=1,b=2",
            "congo=t61rcWkgMzE , rojo=00f0",
            "t@s=x\"\\",
            "0a=1,,",
        ] {
            assert!(validated(valid).is_some(), "{valid}");
        }
        let long = format!("a={}", "x".repeat(257));
        let many: Vec<_> = (0..33).map(|number| format!("k{number}=1")).collect();
        let many = many.join(",");
        for invalid in [
            "",
            " ",
            ",",
            "a",
            "a=",
            "A=1",
            "a=1,a=2",
            "a=\u{7f}",
            "a=1\r\nx: y",
            "a=é",
            "@=1",
            "a@0=1",
            &long,
            &many,
        ] {
            assert_eq!(validated(invalid), None, "{invalid}");
        }
    }
}
