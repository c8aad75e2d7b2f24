use std::ops::Range;

/// Walks over a JSON text once, checks it as [RFC 8259][rfc] wants it, and says where its parts
/// are.
///
/// Every message passes through here, so it neither allocates nor decodes.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc8259
#[derive(Clone, Debug)]
pub(crate) struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Why a text is not what it should be, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at offset {at}")]
pub(crate) struct WalkError {
    pub(crate) kind: WalkErrorKind,
    at: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WalkErrorKind {
    #[error("{0} is expected")]
    Expected(&'static str),
    #[error("something follows the value")]
    Trailing,
    #[error("brackets are nested too deep")]
    TooDeep,
}

/// A member of an object: its key, as it is written between the quotes, and its value.
pub(crate) struct Member {
    pub(crate) key: Range<usize>,
    pub(crate) escaped: bool,
    pub(crate) value: Range<usize>,
}

type Walked<T> = Result<T, WalkError>;

impl<'a> Walker<'a> {
    /// Walks over `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// Walks over the part of `text` at `span`; offsets are those in `text`.
    pub(crate) fn part(text: &'a str, span: Range<usize>) -> Self {
        Self {
            bytes: &text.as_bytes()[..span.end],
            at: span.start,
        }
    }

    /// The first byte of the next value.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    /// Checks that nothing follows.
    pub(crate) fn end(mut self) -> Walked<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error(WalkErrorKind::Trailing)),
        }
    }

    /// Walks over an object, and calls `member` for each of its members.
    pub(crate) fn object<E: From<WalkError>>(
        &mut self,
        mut member: impl FnMut(Member) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        self.space();
        let start = self.at;
        self.expect(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(start..self.at);
        }
        loop {
            self.space();
            let (key, escaped) = self.string()?;
            self.space();
            self.expect(b':', "a colon")?;
            let value = self.value()?;
            member(Member {
                key,
                escaped,
                value,
            })?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                _ => return Err(self.expected("a comma or a closing brace").into()),
            }
        }
    }

    /// Walks over a value of any kind.
    pub(crate) fn value(&mut self) -> Walked<Range<usize>> {
        self.space();
        let start = self.at;
        // One bit for each level: whether it is an object.
        let mut objects = 0_u128;
        let mut depth = 0_u32;
        loop {
            self.space();
            match self.bytes.get(self.at) {
                Some(b'{' | b'[') => {
                    let object = self.bytes[self.at] == b'{';
                    if depth == MAX_DEPTH {
                        return Err(self.error(WalkErrorKind::TooDeep));
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(object);
                    self.at += 1;
                    match (self.peek(), object) {
                        (Some(b'}'), true) | (Some(b']'), false) => {}
                        (_, true) => {
                            self.key()?;
                            continue;
                        }
                        (_, false) => continue,
                    }
                }
                Some(_) => self.scalar()?,
                None => return Err(self.expected("a value")),
            }
            // A value has ended; so may those that it is in.
            loop {
                if depth == 0 {
                    return Ok(start..self.at);
                }
                let object = objects & 1 == 1;
                match (self.peek(), object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        depth -= 1;
                        objects >>= 1;
                    }
                    _ => return Err(self.expected("a comma or a closing bracket")),
                }
            }
        }
    }

    fn key(&mut self) -> Walked<()> {
        self.space();
        self.string()?;
        self.space();
        self.expect(b':', "a colon")
    }

    fn scalar(&mut self) -> Walked<()> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.expected("a value")),
        }
    }

    /// Walks over a string; returns what is between its quotes, and whether there are escapes.
    fn string(&mut self) -> Walked<(Range<usize>, bool)> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]);
            let Some(plain) = plain else {
                self.at = self.bytes.len();
                return Err(self.expected("the end of a string"));
            };
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok((start..self.at - 1, escaped));
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.expected("an escape for a control character")),
            }
        }
    }

    fn escape(&mut self) -> Walked<()> {
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.expected("four hexadecimal digits"));
                }
                self.at += 5;
            }
            _ => return Err(self.expected("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Walked<()> {
        self.at += usize::from(self.bytes[self.at] == b'-');
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Walked<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        match digits {
            0 => Err(self.expected("a digit")),
            _ => Ok(()),
        }
    }

    fn literal(&mut self, literal: &'static str) -> Walked<()> {
        let rest = &self.bytes[self.at..];
        match rest.starts_with(literal.as_bytes()) {
            true => {
                self.at += literal.len();
                Ok(())
            }
            false => Err(self.expected("a value")),
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Walked<()> {
        match self.bytes.get(self.at) {
            Some(found) if *found == byte => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.expected(what)),
        }
    }

    fn expected(&self, what: &'static str) -> WalkError {
        self.error(WalkErrorKind::Expected(what))
    }

    fn error(&self, kind: WalkErrorKind) -> WalkError {
        WalkError { kind, at: self.at }
    }
}

/// How deep arrays and objects may be nested in a value.
pub(crate) const MAX_DEPTH: u32 = 126;

/// The bytes that end a run of plain characters in a string.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut walker = Walker::new(text);
        walker
            .value()
            .is_ok_and(|span| text[span] == *text.trim_matches([' ', '\t', '\n', '\r']))
            && walker.end().is_ok()
    }

    fn serde_says(text: &str) -> bool {
        serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
    }

    #[test]
    fn what_is_json_and_what_is_not() {
        let table = [
            ("{}", true),
            (" [ ] ", true),
            (r#"{"a":[1,{"b":null}],"c":true}"#, true),
            (r#""\u00e9\n\/""#, true),
            ("-0.5e+10", true),
            ("1E400", true),
            ("", false),
            ("{", false),
            ("[1,]", false),
            (r#"{"a":1,}"#, false),
            (r#"{"a"}"#, false),
            ("{a:1}", false),
            ("[1}", false),
            ("01", false),
            ("1.", false),
            (".5", false),
            ("+1", false),
            ("-", false),
            ("1e", false),
            ("tru", false),
            ("truee", false),
            (r#""\x""#, false),
            (r#""\u12g4""#, false),
            ("\"\u{1}\"", false),
            ("\"a", false),
            ("{} {}", false),
            ("nul", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_json(text), expected, "{text}");
            assert_eq!(serde_says(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_json(&nested(MAX_DEPTH as usize)));
        let error = Walker::new(&nested(MAX_DEPTH as usize + 1))
            .value()
            .unwrap_err();
        assert_eq!(error.kind, WalkErrorKind::TooDeep);
        let error = Walker::new(&"[{\"a\":".repeat(100_000))
            .value()
            .unwrap_err();
        assert_eq!(error.kind, WalkErrorKind::TooDeep);
    }

    proptest! {
        /// It takes what serde_json takes, and nothing else.
        #[test]
        fn it_agrees_with_serde_json(text in r#"[\[\]{}",:\\untrfalse0-9eE+. \-]{0,24}"#) {
            prop_assert_eq!(is_json(&text), serde_says(&text));
        }

        #[test]
        fn it_agrees_on_strings(text in r#""[a-z\\u0-9"/\n]{0,12}""#) {
            prop_assert_eq!(is_json(&text), serde_says(&text));
        }

        #[test]
        fn it_agrees_on_any_text(text: String) {
            prop_assert_eq!(is_json(&text), serde_says(&text));
        }
    }
}
