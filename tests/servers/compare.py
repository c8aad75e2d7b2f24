"""Differences between two sets of lists."""

import json


def key(entry):
    return entry.get("name") or entry.get("uri") or json.dumps(entry)


def shortened(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def values(path, direct, through):
    """The differences of two values, as lines."""
    if isinstance(direct, dict) and isinstance(through, dict):
        for name in sorted(direct.keys() | through.keys()):
            if name not in through:
                yield f"{path}.{name} is missing: {shortened(direct[name])}"
            elif name not in direct:
                yield f"{path}.{name} is added: {shortened(through[name])}"
            else:
                yield from values(f"{path}.{name}", direct[name], through[name])
    elif type(direct) is not type(through) or direct != through:
        yield f"{path}: {shortened(direct)} became {shortened(through)}"


def differences(direct, through):
    """What differs between lists, as lines. Order counts."""
    for member, wanted in direct.items():
        found = through[member]
        names = [key(entry) for entry in wanted], [key(entry) for entry in found]
        for name in sorted(set(names[0]) - set(names[1])):
            yield f"{member}: {name} is missing"
        for name in sorted(set(names[1]) - set(names[0])):
            yield f"{member}: {name} is added"
        if names[0] == names[1]:
            for one, other in zip(wanted, found):
                yield from values(f"{member} {key(one)}", one, other)
        elif sorted(names[0]) == sorted(names[1]):
            yield f"{member}: order differs"
