"""Reads text format of protocol buffers as lists of (name, value) pairs.

A value is a str (name of an enum or number), a Text (string), a list of pairs (message), or a list of
these as several pairs of the same name.
"""

import re

TOKEN = re.compile(
    r"""\s+|\#[^\n]*
      |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      |(?P<word>\[[a-zA-Z][\w.]*(?:/[\w.]+)?\]|[-+]?[\w.]+(?:[-+]\d+)?)
      |(?P<mark>[{}<>\[\]:;,])""",
    re.X,
)
ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.S)
LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class Text(bytes):
    """Value of a string or bytes field."""


def unescape(literal):
    def replace(found):
        octal, byte, short, long, letter = found.groups()
        if octal or byte:
            return bytes([int(octal, 8) if octal else int(byte, 16)])
        if short or long:
            return chr(int(short or long, 16)).encode()
        return LETTERS.get(letter, letter)

    return ESCAPE.sub(replace, literal[1:-1].encode())


def tokens(source):
    at = 0
    while at < len(source):
        found = TOKEN.match(source, at)
        if found is None:
            raise ValueError("unexpected %r" % source[at : at + 40])
        at = found.end()
        if found.lastgroup:
            yield found.lastgroup, found.group()
    yield "end", ""


class Reader:
    def __init__(self, source):
        self.tokens = list(tokens(source))
        self.at = 0

    def peek(self):
        return self.tokens[self.at]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self, *marks):
        if self.peek()[0] == "mark" and self.peek()[1] in marks:
            return self.next()[1]
        return None

    def message(self, end):
        fields = []
        while not self.skip(*end):
            kind, name = self.next()
            if kind != "word":
                if kind == "end" and not end:
                    return fields
                raise ValueError("unexpected %s %r" % (kind, name))
            self.skip(":")
            fields += [(name, value) for value in self.values()]
            self.skip(",", ";")
        return fields

    def values(self):
        if not self.skip("["):
            return [self.value()]
        values = []
        while not self.skip("]"):
            values.append(self.value())
            self.skip(",")
        return values

    def value(self):
        if mark := self.skip("{", "<"):
            return self.message("}" if mark == "{" else ">")
        kind, word = self.next()
        if kind == "word":
            return word
        text = unescape(word)
        while self.peek()[0] == "text":
            text += unescape(self.next()[1])
        return Text(text)


def parse(source):
    return Reader(source).message("")
