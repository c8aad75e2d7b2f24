//! Validating JSON tokenizer.
//!
//! It validates a text against [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) in one pass and
//! yields spans. Every message passes through it, so it neither allocates nor decodes, and its
//! stack use does not depend on the input.
//!
//! Three kinds of input that could exhaust resources are harmless: deep nesting is limited, numbers
//! are not computed, and strings are not copied. Property tests hold it to accept exactly the texts
//! that `serde_json` accepts.

use std::ops::Range;

use super::plain::plain_len;
use super::walk_error::{WalkError, WalkErrorKind};

/// A cursor over a JSON text that validates it against [RFC 8259][rfc] and returns the spans of its
/// parts.
///
/// It neither allocates nor decodes, because every message passes through it. After an error its
/// position is that of the error, and it must not be used any more.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc8259
#[derive(Clone, Debug)]
pub(crate) struct Walker<'a> {
    /// Text, up to the end of the part to walk over.
    bytes: &'a [u8],
    /// Offset of the next byte.
    at: usize,
    /// Number of levels that count towards the nesting depth of the next value.
    outer: u32,
}

/// A member of an object.
pub(crate) struct Member {
    /// Its key.
    pub(crate) key: MemberKey,
    /// Span of the value, without surrounding whitespace.
    pub(crate) value: Range<usize>,
}

/// Key of a member of an object.
pub(crate) struct MemberKey {
    /// Span of the key, between its quotes.
    pub(crate) span: Range<usize>,
    /// `true` if the key contains escapes.
    pub(crate) escaped: bool,
}

/// Result of a step of the [`Walker`].
///
/// After `Ok` the walker is behind the accepted part.
type Walked<T> = Result<T, WalkError>;

impl<'a> Walker<'a> {
    /// Creates a walker at the start of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            outer: 0,
        }
    }

    /// Creates a walker over the part of `text` at `span`; offsets are those of `text`.
    pub(crate) fn part(text: &'a str, span: Range<usize>) -> Self {
        Self {
            bytes: &text.as_bytes()[..span.end],
            at: span.start,
            outer: 0,
        }
    }

    /// Skips whitespace and returns the first byte of the next value.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    /// Validates that only whitespace follows.
    pub(crate) fn end(mut self) -> Walked<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error(WalkErrorKind::Trailing)),
        }
    }

    /// Calls `read`, which reads a value inside of an object that [`members`](Self::members) reads.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.outer += 1;
        let value = read(self);
        self.outer -= 1;
        value
    }

    /// Validates an object, calls `member` for each of its members, and returns its span.
    ///
    /// Members are reported in the order of the text, duplicates included.
    ///
    /// # Errors
    ///
    /// A syntax error. An error of `member` ends the walk and is returned.
    pub(crate) fn object<E: From<WalkError>>(
        &mut self,
        mut member: impl FnMut(Member) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        self.members(|walker, key| {
            let value = walker.value()?;
            member(Member { key, value })
        })
    }

    /// Validates an object, calls `member` in front of the value of each of its members, and returns
    /// the span of the object. `member` must read exactly that value.
    ///
    /// # Errors
    ///
    /// A syntax error. An error of `member` ends the walk and is returned.
    pub(crate) fn members<E: From<WalkError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, MemberKey) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        self.space();
        let start = self.at;
        if self.outer >= MAX_DEPTH {
            return Err(self.error(WalkErrorKind::TooDeep).into());
        }
        self.expect(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(start..self.at);
        }
        loop {
            self.space();
            let (span, escaped) = self.string()?;
            self.space();
            self.expect(b':', "a colon")?;
            member(self, MemberKey { span, escaped })?;
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

    /// Validates an array, calls `item` in front of each of its items, and returns the span of the
    /// array. `item` must read exactly that value.
    ///
    /// # Errors
    ///
    /// A syntax error. An error of `item` ends the walk and is returned.
    pub(crate) fn items<E: From<WalkError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        self.space();
        let start = self.at;
        if self.outer >= MAX_DEPTH {
            return Err(self.error(WalkErrorKind::TooDeep).into());
        }
        self.expect(b'[', "an array")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(start..self.at);
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(start..self.at);
                }
                _ => return Err(self.expected("a comma or a closing bracket").into()),
            }
        }
    }

    /// Validates a value of any kind and returns its span.
    ///
    /// Iterative instead of recursive: nesting costs one bit per level, and [`MAX_DEPTH`] bounds
    /// it.
    ///
    /// # Errors
    ///
    /// A syntax error, also if the value is nested deeper than [`MAX_DEPTH`].
    pub(crate) fn value(&mut self) -> Walked<Range<usize>> {
        self.space();
        let start = self.at;
        // One bit per level: set for an object, clear for an array.
        let mut objects = 0_u128;
        let mut depth = 0_u32;
        loop {
            self.space();
            match self.bytes.get(self.at) {
                Some(b'{' | b'[') => {
                    let object = self.bytes[self.at] == b'{';
                    if depth + self.outer >= MAX_DEPTH {
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
            // A value has ended; so may the arrays and objects that contain it.
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

    /// Validates a key and its colon.
    fn key(&mut self) -> Walked<()> {
        self.space();
        self.string()?;
        self.space();
        self.expect(b':', "a colon")
    }

    /// Validates a string, number or literal, by its first byte.
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

    /// Validates a string. Returns the span between its quotes, and `true` if it contains escapes.
    ///
    /// Control characters must be escaped.
    fn string(&mut self) -> Walked<(Range<usize>, bool)> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(plain) = plain_len(rest) else {
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

    /// Validates one escape sequence.
    ///
    /// Surrogates are not paired, as RFC 8259 permits.
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

    /// Validates a number; a leading zero may only be followed by a fraction or an exponent.
    ///
    /// Its value is not computed, so its size and precision are unlimited.
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

    /// Skips at least one digit.
    fn digits(&mut self) -> Walked<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        match digits {
            0 => Err(self.expected("a digit")),
            _ => Ok(()),
        }
    }

    /// Skips `literal`: `true`, `false` or `null`.
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

    /// Skips the four whitespace characters of RFC 8259.
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Skips `byte`; `what` describes it for the error.
    fn expect(&mut self, byte: u8, what: &'static str) -> Walked<()> {
        match self.bytes.get(self.at) {
            Some(found) if *found == byte => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Returns the error of another token than `what`.
    fn expected(&self, what: &'static str) -> WalkError {
        self.error(WalkErrorKind::Expected(what))
    }

    /// Returns an error at the current offset.
    fn error(&self, kind: WalkErrorKind) -> WalkError {
        WalkError { kind, at: self.at }
    }
}

/// Maximum nesting depth of arrays and objects inside of a value.
///
/// At most 128, the bits of the stack in [`Walker::value`].
pub(crate) const MAX_DEPTH: u32 = 126;

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
        /// The walker accepts exactly the texts that serde_json accepts.
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
