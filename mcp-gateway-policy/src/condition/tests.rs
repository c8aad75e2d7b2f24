//! Tests of conditions: what they mean, and what must not decide for a call.

use std::sync::Arc;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;

/// A call with arguments of a test.
struct Call<'a> {
    arguments: Option<&'a str>,
    teams: Vec<Arc<str>>,
}

impl Facts for Call<'_> {
    fn fact(&self, fact: Fact) -> Result<Value<'_>, EvaluationError> {
        match fact {
            Fact::CallerSubject => Ok(Value::text("alice")),
            Fact::CallerTeams => Ok(Value::texts(&self.teams)),
            Fact::ToolDestructive => Ok(Value::Bool(true)),
            Fact::ToolReadOnly => Err(EvaluationError::Unlisted),
            // 2026-11-29, a Sunday.
            Fact::ContextTime => Ok(Value::Timestamp(
                OffsetDateTime::from_unix_timestamp(1_795_953_600).unwrap(),
            )),
            _ => Err(EvaluationError::Absent),
        }
    }

    fn arguments(&self) -> Option<&str> {
        self.arguments
    }
}

fn evaluate(condition: &str, arguments: Option<&str>) -> Result<bool, EvaluationError> {
    let condition =
        Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let teams = vec!["billing".into(), "sales".into()];
    condition.evaluate(&Call { arguments, teams })
}

/// Arguments that the tables of the tests refer to.
const ARGUMENTS: &str = r#"{
    "n": 4, "negative": -3, "whole": 4.0, "half": 4.5, "big": 18446744073709551615,
    "text": "/etc/passwd", "escaped": "a\nb", "nul": null, "yes": true,
    "list": [1, 2, 3], "texts": ["a", "b"], "nested": {"deep": {"x": 1}}, "odd name": 1
}"#;

#[test]
fn conditions_that_hold() {
    let table = [
        "arguments.n == 4",
        "arguments.n + 1 == 5",
        "arguments.whole + 1 == 5",
        "arguments.half + 1 == 5.5",
        "arguments.n * 2 > 7.5",
        "arguments.negative - 1 == -4",
        "-arguments.n == -4",
        "arguments.big > 9223372036854775807",
        "arguments.big == 18446744073709551615u",
        "arguments.n in [1, 4]",
        "arguments.text in ['/etc/passwd']",
        "1 == 1.0 && 1u == 1 && 1 < 1.5",
        "[1] == [1.0]",
        "arguments.text.startsWith('/etc/') && arguments.text.endsWith('wd')",
        "arguments.text.matches('^/etc/[a-z]+$')",
        "matches(arguments.text, 'passwd')",
        "size(arguments.text) == 11 && arguments.list.size() == 3",
        "arguments.escaped == 'a\\nb'",
        "arguments.nul == null",
        "arguments.yes",
        "has(arguments.n) && !has(arguments.missing)",
        "has(arguments.nested.deep) && arguments.nested.deep.x == 1",
        "arguments['odd name'] == 1",
        "'odd name' in arguments",
        "arguments.list[1] == 2 && arguments.list[1.0] == 2",
        "arguments.list.all(n, n > 0)",
        "arguments.texts.exists(t, t == 'b')",
        "arguments.list.exists_one(n, n == 2)",
        "arguments.list.filter(n, n > 1) == [2, 3]",
        "arguments.list.map(n, n + 1) == [2, 3, 4]",
        "arguments.nested.all(key, key == 'deep')",
        "arguments.list.all(n, arguments.list.exists(m, m == n))",
        "'billing' in caller.teams && caller.teams.exists(t, t.startsWith('sal'))",
        "caller.subject == 'alice' && !has(caller.name)",
        "tool.destructive",
        "true || arguments.missing",
        "has(arguments.missing) ? arguments.missing : true",
        "context.time > timestamp('2026-11-29T00:00:00Z')",
        "context.time.getDayOfWeek() == 0 && context.time.getHours() == 12",
        "context.time.getHours('+05:30') == 17",
        "context.time - duration('1h30m') < context.time",
        "duration('90m').getHours() == 1",
        "timestamp(1795953600) == context.time && string(context.time) == '2026-11-29T12:00:00Z'",
        "string(duration('-1h0.5s')) == '-3600.5s' && duration('104d'.size() == 4 ? '9999999.000000001s' : '') > duration('9999999s')",
        "type(context.time) == google.protobuf.Timestamp && bool('1') && !bool('FALSE')",
        "double(36028797018963968) == 36028797018963968.0",
        "string(arguments.n) == '4' && int('4') == 4 && double('1.5') == 1.5",
        "type(arguments.n) == int && type(arguments.half) == double",
        "{'a': 1}.a == 1 && {'a': 1} == {'a': 1.0}",
        "'Aß'.lowerAscii() == 'aß' && ' a '.trim() == 'a' && size('日本') == 2",
        "b'ab' + b'c' == b'abc' && [1] + [2] == [1, 2] && 'a' + 'b' == 'ab'",
    ];
    for condition in table {
        assert_eq!(
            evaluate(condition, Some(ARGUMENTS)),
            Ok(true),
            "{condition}"
        );
    }
}

#[test]
fn an_error_is_never_absorbed() {
    let absent = [
        "arguments.missing == 'x'",
        "arguments.missing == null || true",
        "arguments.missing != 'x'",
        "!(arguments.missing == 'x')",
        "arguments.nested.missing.x == 1",
        "has(arguments.missing.x)",
        "arguments.list[3] == 1",
        "arguments.list[-1] == 1",
        "caller.name == 'Alice'",
        "arguments.list.exists(n, arguments.missing || true)",
        "has(caller.name) ? true : arguments.missing",
    ];
    for condition in absent {
        let found = evaluate(condition, Some(ARGUMENTS));
        assert_eq!(found, Err(EvaluationError::Absent), "{condition}");
    }
    let mistyped = [
        "arguments.text > 1",
        "arguments.text + 1 == 2",
        "arguments.n.startsWith('4')",
        "arguments.n ? true : false",
        "arguments.n && true",
        "'a' in arguments.text",
        "arguments.nul.x == 1",
        "arguments.list['a'] == 1",
        "arguments.list[0.5] == 1",
        "arguments.n.matches('4')",
        "size(arguments.n) == 1",
        "arguments.text.all(c, true)",
        "arguments.text",
    ];
    for condition in mistyped {
        let found = evaluate(condition, Some(ARGUMENTS));
        assert_eq!(found, Err(EvaluationError::Mistyped), "{condition}");
    }
    let range = [
        "arguments.n / 0 == 1",
        "arguments.half / 0 > 1.0",
        "arguments.big + 1u > 0u",
        "arguments.big + 0.5 > 0.5",
        "arguments.n % 0 == 1",
        "int(arguments.big) > 0",
        "uint(arguments.negative) > 0u",
    ];
    for condition in range {
        let found = evaluate(condition, Some(ARGUMENTS));
        assert_eq!(found, Err(EvaluationError::OutOfRange), "{condition}");
    }
    assert_eq!(
        evaluate("tool.readOnly", None),
        Err(EvaluationError::Unlisted)
    );
    let text = evaluate("timestamp(arguments.text) > context.time", Some(ARGUMENTS));
    assert_eq!(text, Err(EvaluationError::InvalidText));
}

#[test]
fn arguments_are_what_a_server_reads() {
    let table = [
        (r#"{"a":1,"a":2}"#, Err(EvaluationError::Ambiguous)),
        (r#"{"b":{"a":1,"a":2},"a":1}"#, Ok(true)),
        (r#"{"a":1}"#, Ok(true)),
        (r#"{"a":1.0}"#, Ok(true)),
        (r#"{"\u0061":1}"#, Ok(true)),
        (r#"{"a":"1"}"#, Ok(false)),
        (r#"{"a":1e400}"#, Err(EvaluationError::OutOfRange)),
        (
            r#"{"a":18446744073709551616}"#,
            Err(EvaluationError::OutOfRange),
        ),
        (r#"{"a":"\ud800"}"#, Err(EvaluationError::Mistyped)),
        ("[]", Err(EvaluationError::Mistyped)),
        ("{}", Err(EvaluationError::Absent)),
    ];
    for (arguments, expected) in table {
        assert_eq!(
            evaluate("arguments.a == 1", Some(arguments)),
            expected,
            "{arguments}"
        );
    }
    assert_eq!(
        evaluate("arguments.a == 1", None),
        Err(EvaluationError::Absent)
    );
    assert_eq!(evaluate("size(arguments) == 0", None), Ok(true));
    // Integers are never rounded.
    let apart = r#"{"a":9007199254740993}"#;
    assert_eq!(
        evaluate("arguments.a == 9007199254740992", Some(apart)),
        Ok(false)
    );
    assert_eq!(
        evaluate("arguments.a == 9007199254740992.0", Some(apart)),
        Ok(false)
    );
}

/// Asserts that conditions are rejected with messages that begin as expected.
fn rejected(table: &[(&str, &str)]) {
    for (condition, expected) in table {
        let error = Condition::parse(condition)
            .expect_err(condition)
            .to_string();
        assert!(error.starts_with(expected), "{condition}: {error}");
    }
}

#[test]
fn mistakes_are_found_by_the_compiler() {
    let table = [
        (
            "caller.team == 'a'",
            "unknown field `caller.team`; `caller` has subject, name",
        ),
        ("caller == 'a'", "`caller` has fields"),
        ("args.n == 1", "unknown name `args`"),
        ("unknown || true", "unknown name `unknown`"),
        ("foo(1)", "unknown function `foo`"),
        ("caller.teams == 'a'", "`==` takes no list(string), string"),
        ("caller.subject > 1", "`>` takes no string, int"),
        ("'a' in 'abc'", "`in` takes no string, string"),
        ("1 in caller.teams", "`in` takes no int, list(string)"),
        ("now() > context.time", "unknown function `now`"),
        ("arguments.a.matches('(?=a)')", "the pattern of `matches`"),
        (
            "arguments.a.matches(arguments.b)",
            "the pattern of `matches`",
        ),
        (
            "caller.subject",
            "condition is of type string instead of bool",
        ),
        ("'' ? true : false", "`? :` takes no string"),
        (
            "startsWith('a', 'b')",
            "`startsWith` takes no string, string",
        ),
        ("1.size() == 1", "`size` takes no int"),
        (
            "caller.subject.exists(c, c == 'a')",
            "`macro` takes no string",
        ),
        ("a.b.C{x: 1}.x == 1", "messages are not supported"),
        ("arguments.?a.orValue(true)", ""),
        ("1 +", "Syntax error"),
        ("", "Syntax error"),
    ];
    rejected(&table);
}

#[test]
fn mistakes_of_numbers_and_times_are_found_by_the_compiler() {
    rejected(&[
        ("-(5u) == 5u", "`-` takes no uint"),
        ("-duration('1s') < duration('1s')", "`-` takes no duration"),
        (
            "timestamp('0000-01-01T00:00:00Z') < context.time",
            "`timestamp` always fails: a number or time is out of range",
        ),
        (
            "duration('320000000000s') > duration('1s')",
            "`duration` always fails: a number or time is out of range",
        ),
        ("google.protobuf.Any == int", "unknown name `google`"),
        ("1 + 1.0 == 2.0", "`+` takes no int, double"),
        ("1 + 1u == 2u", "`+` takes no int, uint"),
        (
            "1 / 0 == 1",
            "`/` always fails: a number or time is out of range",
        ),
        ("9223372036854775807 + 1 > 0", "`+` always fails"),
        (
            "context.time > timestamp('2026-11-29')",
            "`timestamp` always fails",
        ),
        ("duration('1d') > duration('1s')", "`duration` always fails"),
    ]);
}

#[test]
fn length_depth_and_cost_are_bounded() {
    let long = format!("true{}", " || true".repeat(200));
    assert_eq!(Condition::parse(&long), Err(ConditionError::TooLong));
    let chain = format!("arguments.n{} > 0", " + 1".repeat(200));
    assert_eq!(Condition::parse(&chain), Err(ConditionError::TooDeep));
    let brackets = format!("{}true{}", "(".repeat(90), ")".repeat(90));
    assert!(Condition::parse(&brackets).is_ok());
    let conjunction = format!("true{}", " && true".repeat(110));
    assert_eq!(evaluate(&conjunction, None), Ok(true));
    let nested = "arguments.list.all(a, arguments.list.all(b, arguments.list.all(c, true)))";
    let items = vec!["0"; 100].join(",");
    let arguments = format!(r#"{{"list":[{items}]}}"#);
    let found = evaluate(nested, Some(&arguments));
    assert_eq!(found, Err(EvaluationError::TooExpensive));
}

#[test]
fn a_condition_names_what_it_reads() {
    let reads = |source: &str| Condition::parse(source).unwrap();
    assert!(reads("size(arguments) > 0").reads_arguments());
    assert!(!reads("'a' in caller.teams").reads_tool());
    assert!(reads("tool.readOnly").reads_tool());
    assert!(!reads("tool.server == 'a'").reads_tool());
}

proptest! {
    /// Whatever the texts: no panic, no condition that depends on an absent member, and no value
    /// in an error.
    #[test]
    fn conditions_never_panic(source in ".{0,60}", arguments in ".{0,60}") {
        if let Ok(condition) = Condition::parse(&source) {
            let call = Call { arguments: Some(&arguments), teams: Vec::new() };
            let _ = condition.evaluate(&call);
        }
    }

    /// Numbers compare and add as integers do.
    #[test]
    fn numbers_are_exact(a in any::<i64>(), b in any::<i64>()) {
        let arguments = format!(r#"{{"a":{a},"b":{b}}}"#);
        let holds = |condition| evaluate(condition, Some(&arguments));
        prop_assert_eq!(holds("arguments.a < arguments.b"), Ok(a < b));
        prop_assert_eq!(holds("arguments.a == arguments.b"), Ok(a == b));
        let sum = i128::from(a) + i128::from(b);
        match i64::try_from(sum) {
            Ok(sum) => {
                let with = format!(r#"{{"a":{a},"b":{b},"c":{sum}}}"#);
                prop_assert_eq!(evaluate("arguments.a + arguments.b == arguments.c", Some(&with)), Ok(true));
            }
            Err(_) => {
                prop_assert_eq!(holds("arguments.a + arguments.b == 0"), Err(EvaluationError::OutOfRange));
            }
        }
    }
}
