//! Canonical JSON text (RFC 8785), for definitions that are hashed.
//!
//! Unlike [`canonical`](super::canonical()), which compares requests of one client, the form is that of
//! a standard: others can compute the same digest.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Tree, string_json};

/// Canonical form of a JSON text.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CanonicalJson {
    /// Canonical text.
    pub(crate) text: String,
    /// Texts of the numbers that differ from their canonical form in value, in the order of the text.
    ///
    /// The standard makes every number a double, so that texts with different digits have the same
    /// form. It leaves such numbers to the application.
    pub(crate) inexact: Vec<String>,
}

impl CanonicalJson {
    /// Returns the canonical form of `text`.
    ///
    /// `None` if it is invalid, nested too deep, has the same member twice, a number that no double
    /// is near to, or a string that is not Unicode: readers could differ about its meaning.
    pub(crate) fn of(text: &str) -> Option<Self> {
        // The tree is lenient about strings and numbers.
        serde_json::from_str::<Value>(text).ok()?;
        let mut canonical = Self {
            text: String::with_capacity(text.len()),
            inexact: Vec::new(),
        };
        canonical.write(&Tree::parse(text).ok()?)?;
        Some(canonical)
    }

    /// Appends `tree`.
    fn write(&mut self, tree: &Tree<'_>) -> Option<()> {
        match tree {
            Tree::Array(items) => {
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.separate(at);
                    self.write(item)?;
                }
                self.text.push(']');
            }
            Tree::Object(object) => {
                let mut members: Vec<_> = object.iter().collect();
                members.sort_by(|(one, _), (two, _)| utf16_order(one, two));
                if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    return None;
                }
                self.text.push('{');
                for (at, (key, value)) in members.into_iter().enumerate() {
                    self.separate(at);
                    self.text.push_str(&string_json(key));
                    self.text.push(':');
                    self.write(value)?;
                }
                self.text.push('}');
            }
            Tree::Scalar(token) if token.starts_with('"') => {
                self.text.push_str(&string_json(&tree.text()?));
            }
            Tree::Scalar(token) if token.starts_with(['t', 'f', 'n']) => self.text.push_str(token),
            Tree::Scalar(token) => {
                let number = number(token.parse().ok()?)?;
                if Decimal::of(token) != Decimal::of(&number) {
                    self.inexact.push(token.to_string());
                }
                self.text.push_str(&number);
            }
        }
        Some(())
    }

    /// Appends the separator before the item or member at `index`.
    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }
}

/// Compares keys by their UTF-16 code units.
fn utf16_order(one: &str, two: &str) -> Ordering {
    one.encode_utf16().cmp(two.encode_utf16())
}

/// Returns the text of `value` as ECMAScript writes it.
///
/// `serde_json` writes the same digits, the fewest that are read as the same number, and of several the
/// nearest or even ones. The standard library writes odd ones as well. Only the notation differs.
fn number(value: f64) -> Option<String> {
    let Decimal {
        is_negative,
        digits,
        exponent,
    } = Decimal::of(&Value::from(value).to_string())?;
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let sign = if is_negative { "-" } else { "" };
    let length = i64::try_from(digits.len()).ok()?;
    let point = length + exponent;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| digits.split_at_checked(at))
    };
    Some(match point {
        1..=21 if exponent >= 0 => format!("{sign}{digits}{}", zeros(exponent)),
        1..=21 => {
            let (whole, rest) = split(point)?;
            format!("{sign}{whole}.{rest}")
        }
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = split(1)?;
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{dot}{rest}e{:+}", point - 1)
        }
    })
}

/// Value of the decimal text of a number.
#[derive(Debug, Eq, PartialEq)]
struct Decimal {
    is_negative: bool,
    /// Digits without zeros at the start and the end.
    digits: String,
    /// Exponent of the last digit.
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number; `None` if its exponent is out of range.
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.strip_prefix('-');
        let is_negative = unsigned.is_some();
        let unsigned = unsigned.unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let exponent: i64 = exponent.parse().ok()?;
        Some(Self {
            is_negative,
            digits: digits.to_owned(),
            exponent: exponent
                .checked_add(zeros)?
                .checked_sub(i64::try_from(fraction.len()).ok()?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Some(CanonicalJson::of(text)?.text)
    }

    #[test]
    fn the_samples_of_the_standard_have_its_form() {
        let text = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(text).as_deref(), Some(expected));
        let keys = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(keys).as_deref(), Some(expected));
    }

    #[test]
    fn numbers_are_those_of_the_appendix() {
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(number(f64::from_bits(bits)).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_readers_could_take_for_something_else_has_no_form() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"c":1,"c":2}}]"#,
            r#""\ud800""#,
            r#"{"\udc00":1}"#,
            "1e400",
            "[1,]",
            "",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn digits_beyond_a_double_are_kept() {
        let inexact = |text: &str| CanonicalJson::of(text).unwrap().inexact;
        for exact in [
            "0",
            "-0.0",
            "1.50",
            "1e23",
            "0.1",
            "9007199254740992",
            "0e99",
        ] {
            assert!(inexact(exact).is_empty(), "{exact}");
        }
        let text = "[9007199254740993,1.00000000000000000001,9223372036854775807]";
        let tokens: Vec<_> = text.trim_matches(['[', ']']).split(',').collect();
        assert_eq!(inexact(text), tokens);
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_same_value(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = number(value).unwrap();
            let read: f64 = text.parse().unwrap();
            prop_assert!(read == value);
            prop_assert_eq!(number(read), Some(text));
        }

        #[test]
        fn a_form_is_its_own_form(text in r#"[\[\]{}"a,:\\untrfalse0-9eE+. \-]{0,24}"#) {
            if let Some(form) = CanonicalJson::of(&text) {
                prop_assert_eq!(canonical(&form.text), Some(form.text));
            }
        }
    }
}
