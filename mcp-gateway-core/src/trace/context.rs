//! Identifiers of a span, as callers and servers exchange them.
//!
//! See [W3C Trace Context](https://www.w3.org/TR/trace-context/).

use std::fmt;
use std::sync::Arc;

use super::random::random;
use super::trace_state;

/// Identifier of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TraceId([u8; 16]);

/// Identifier of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SpanId([u8; 8]);

/// Identifiers of a span, and the decision if it is sampled.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::trace::TraceContext;
///
/// let context = TraceContext::random(true);
/// let child = context.child();
/// assert_eq!(child.trace_id(), context.trace_id());
/// assert_ne!(child.span_id(), context.span_id());
/// assert_eq!(TraceContext::parse(&child.traceparent(), None), Some(child));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    is_sampled: bool,
    /// State of other vendors, which is passed on.
    state: Option<Arc<str>>,
}

impl TraceId {
    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// Creates a random identifier.
    fn random() -> Self {
        loop {
            let bytes = random();
            if bytes != [0; 8] {
                return Self(bytes);
            }
        }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 8] {
        self.0
    }
}

impl TraceContext {
    /// Creates the context of the first span of a new trace.
    #[must_use]
    pub fn random(is_sampled: bool) -> Self {
        let trace_id = loop {
            let bytes = random();
            if bytes != [0; 16] {
                break TraceId(bytes);
            }
        };
        Self {
            trace_id,
            span_id: SpanId::random(),
            is_sampled,
            state: None,
        }
    }

    /// Parses the values of `traceparent` and `tracestate`.
    ///
    /// Returns `None` unless the former is well-formed. A later version than 00 is read as the
    /// recommendation requires; an invalid `tracestate` is left out.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let (head, rest) = bytes.split_at_checked(LEN)?;
        let [version]: [u8; 1] = decode(&head[..2])?;
        let complete = match (version, rest) {
            (0xff, _) => false,
            (_, []) => true,
            (0, _) => false,
            (_, rest) => rest.starts_with(b"-"),
        };
        let separated = [2, 35, 52].iter().all(|at| head[*at] == b'-');
        if !complete || !separated {
            return None;
        }
        let trace_id: [u8; 16] = decode(&head[3..35])?;
        let span_id: [u8; 8] = decode(&head[36..52])?;
        let [flags]: [u8; 1] = decode(&head[53..])?;
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        Some(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            is_sampled: flags & SAMPLED != 0,
            state: tracestate.and_then(trace_state::validated).map(Into::into),
        })
    }

    /// Returns the context of a span whose parent this one is.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            ..self.clone()
        }
    }

    /// Sets whether the span is sampled.
    #[must_use]
    pub fn with_sampled(self, is_sampled: bool) -> Self {
        Self { is_sampled, ..self }
    }

    /// Returns the identifier of the trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the identifier of the span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns `true` if the span is sampled.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Returns the value of `tracestate`, if there is one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Returns the value of `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let mut text = String::with_capacity(LEN);
        text.push_str("00-");
        encode(&self.trace_id.0, &mut text);
        text.push('-');
        encode(&self.span_id.0, &mut text);
        text.push_str(match self.is_sampled {
            true => "-01",
            false => "-00",
        });
        text
    }
}

macro_rules! hexadecimal {
    ($($id:ty)*) => {
        $(
            impl fmt::Display for $id {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            }

            impl fmt::Debug for $id {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }
        )*
    };
}

hexadecimal!(TraceId SpanId);

/// Appends the lower-case hexadecimal form of `bytes`.
fn encode(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Decodes `N` bytes from lower-case hexadecimal digits.
fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Returns the value of a lower-case hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Length of `traceparent` of version 00.
const LEN: usize = 55;

/// Flag of sampled spans.
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Reads `traceparent` in another way: by its parts.
    fn reference(text: &str) -> Option<(String, String, bool)> {
        let is_hex = |part: &str, len: usize| {
            part.len() == len && part.chars().all(|c| "0123456789abcdef".contains(c))
        };
        let parts: Vec<_> = text.split('-').collect();
        let [version, trace, span, flags, rest @ ..] = parts.as_slice() else {
            return None;
        };
        let is_known =
            is_hex(version, 2) && *version != "ff" && (*version != "00" || rest.is_empty());
        let ids = is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        let is_zero = |id: &str| id.chars().all(|c| c == '0');
        if !is_known || !ids || is_zero(trace) || is_zero(span) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(((*trace).to_owned(), (*span).to_owned(), flags % 2 == 1))
    }

    fn read(text: &str) -> Option<(String, String, bool)> {
        let context = TraceContext::parse(text, None)?;
        let (trace, span) = (context.trace_id(), context.span_id());
        Some((trace.to_string(), span.to_string(), context.is_sampled()))
    }

    #[test]
    fn only_well_formed_values_are_read() {
        assert!(TraceContext::parse(VALID, None).is_some());
        for invalid in [
            "",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é",
        ] {
            assert_eq!(TraceContext::parse(invalid, None), None, "{invalid}");
        }
        let later = VALID.replacen("00", "01", 1) + "-more";
        let later = TraceContext::parse(&later, None).unwrap();
        assert_eq!(later.traceparent(), VALID);
    }

    #[test]
    fn flags_other_than_that_of_sampling_are_dropped() {
        for (flags, expected) in [("03", "01"), ("02", "00"), ("ff", "01"), ("fe", "00")] {
            let text = VALID.replace("-01", &format!("-{flags}"));
            let context = TraceContext::parse(&text, None).unwrap();
            assert!(context.traceparent().ends_with(expected), "{flags}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_its_parts_are(
            text in "(0[01]|ff|[0-9a-fA-F]{2})-([0-9a-f]{32}|0{32}|[0-9a-fA-G]{31,33})-([0-9a-f]{16}|0{16})-[0-9a-fF]{2}(-[a-z]*|[a-z-]{0,2})",
        ) {
            prop_assert_eq!(read(&text), reference(&text));
        }

        #[test]
        fn a_changed_value_is_read_as_its_parts_are(at in 0..VALID.len(), byte in 0x20_u8..0x7f) {
            let mut text = VALID.as_bytes().to_vec();
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(read(&text), reference(&text));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*", state in ".*") {
            let _ = TraceContext::parse(&text, Some(&state));
        }

        #[test]
        fn what_is_written_is_read_again(is_sampled: bool) {
            let context = TraceContext::random(is_sampled);
            prop_assert_eq!(TraceContext::parse(&context.traceparent(), None), Some(context));
        }
    }
}
