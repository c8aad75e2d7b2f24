"""Conditions that hold if a conformance test of CEL does."""

import datetime

KINDS = {"int64_value": "int", "uint64_value": "uint", "double_value": "double"}


# Names that no binding can change.
RESERVED = ("true", "false", "null")


class NoLiteral(Exception):
    """A value that cannot be written in a condition."""


def fields(message):
    """The last value of each field."""
    return dict(message)


def string(text):
    return '"%s"' % "".join(
        c if c.isprintable() and c not in '"\\' else "\\U%08x" % ord(c) for c in text.decode()
    )


def octets(data):
    return 'b"%s"' % "".join("\\x%02x" % byte for byte in data)


def double(text):
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise NoLiteral("infinite numbers")
    literal = repr(number)
    return literal if set(literal) & set(".en") else literal + ".0"


def message(value):
    """A literal of a well-known message."""
    (name, content), *_ = value
    content = fields(content)
    seconds, nanos = int(content.get("seconds", "0")), int(content.get("nanos", "0"))
    if name.endswith("google.protobuf.Duration]"):
        sign = "-" if seconds < 0 or nanos < 0 else ""
        return 'duration("%s%d.%09ds")' % (sign, abs(seconds), abs(nanos))
    if name.endswith("google.protobuf.Timestamp]"):
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        return 'timestamp("%s.%09dZ")' % (time.strftime("%Y-%m-%dT%H:%M:%S").zfill(19), nanos)
    raise NoLiteral("messages")


def literal(value):
    """The literal of a `cel.expr.Value`."""
    (kind, content), *_ = value
    if kind == "null_value":
        return "null"
    if kind == "bool_value":
        return content
    if kind == "int64_value":
        return str(int(content, 0))
    if kind == "uint64_value":
        return "%du" % int(content, 0)
    if kind == "double_value":
        return double(content)
    if kind == "string_value":
        return string(content)
    if kind == "bytes_value":
        return octets(content)
    if kind == "type_value":
        return content.decode()
    if kind == "list_value":
        return "[%s]" % ", ".join(literal(item) for name, item in content if name == "values")
    if kind == "map_value":
        entries = [fields(entry) for name, entry in content if name == "entries"]
        pairs = ("%s: %s" % (literal(entry["key"]), literal(entry["value"])) for entry in entries)
        return "{%s}" % ", ".join(pairs)
    if kind == "object_value":
        return message(content)
    raise NoLiteral("enums" if kind == "enum_value" else kind)


def bound(condition, test):
    """The condition with the variables of the test, which become those of a macro."""
    for name, binding in test:
        if name != "bindings":
            continue
        binding = fields(binding)
        variable = binding["key"].decode()
        if "." in variable:
            raise NoLiteral("namespaces")
        if variable in RESERVED:
            continue
        value = fields(binding["value"])
        if "value" not in value:
            raise NoLiteral("unknown values")
        condition = "[%s].all(%s, %s)" % (literal(value["value"]), variable, condition)
    return condition


def conditions(test):
    """The conditions of a test, and whether an error is expected."""
    named = fields(test)
    expression = "(%s\n)" % named["expr"].decode()
    if "eval_error" in named or "any_eval_errors" in named:
        return [bound("type(%s) == type(1)" % expression, test)], True
    expected = named.get("value")
    if "typed_result" in named:
        expected = fields(named["typed_result"]).get("result")
        if expected is None:
            raise NoLiteral("deduced types")
    if expected is None:
        return [bound(expression, test)], False
    kind, content = expected[0]
    if kind == "double_value" and content.lower() == "nan":
        return [bound("%s != %s" % (expression, expression), test)], False
    found = ["%s == %s" % (expression, literal(expected))]
    if kind in KINDS:
        found.append("type(%s) == %s" % (expression, KINDS[kind]))
    return [bound(condition, test) for condition in found], False
