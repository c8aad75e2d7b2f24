"""Plugin of pytest: writes the outcome of every test to a file.

The file is SUITES_RESULTS, with one JSON object a line: `test`, `outcome`, `seconds`, and what was
raised, `error`, with the leaves of groups of exceptions alone. `connected` says that a client of
the test connected over a transport of `between`. With SUITES_FILTER, what earlier runs wrote about
other tests is kept.

A line is written when its test ends, and SUITES_RESULTS.running exists until the last one has. If a
test ends the process, a run with SUITES_RESUME continues after it.
"""

import json
import os
import re
from pathlib import Path

import between
import pytest

KEPT = 2000
RESULTS = Path(os.environ["SUITES_RESULTS"])
RUNNING = RESULTS.with_name(RESULTS.name + ".running")
outcomes = {}


def leaves(error):
    inner = getattr(error, "exceptions", None)
    return [leaf for one in inner for leaf in leaves(one)] if inner else [error]


def described(error):
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return "%s: %s" % (type(error).__name__, text[:KEPT])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.nodeid in between.tests:
        report.user_properties.append(("connected", True))
    if report.failed and call.excinfo:
        errors = [described(error) for error in leaves(call.excinfo.value)]
        report.user_properties.append(("error", "\n".join(errors)))
    return report


def pytest_runtest_logreport(report):
    seen = outcomes.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0})
    properties = dict(report.user_properties)
    if properties.get("connected"):
        seen["connected"] = True
    seen["seconds"] = round(seen["seconds"] + report.duration, 3)
    if report.outcome == "passed":
        return
    if seen["outcome"] != "failed":
        seen["outcome"] = report.outcome
    if report.failed:
        seen.setdefault("error", properties.get("error", "")[: 2 * KEPT])


def pytest_runtest_logstart(nodeid):
    write({"test": nodeid, "outcome": "failed", "error": "it ended the process"})


def pytest_runtest_logfinish(nodeid):
    write({"test": nodeid, **outcomes[nodeid]})


def write(line):
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps(line) + "\n")


def pytest_sessionstart():
    if not any(os.environ.get(name) for name in ("SUITES_FILTER", "SUITES_RESUME")):
        RESULTS.unlink(missing_ok=True)
    RUNNING.touch()


def pytest_collection_modifyitems(config, items):
    if os.environ.get("SUITES_RESUME"):
        over = earlier()
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in over])
        items[:] = [item for item in items if item.nodeid not in over]


def pytest_sessionfinish():
    merged = sorted(earlier().items())
    lines = [json.dumps({"test": test, **seen}) + "\n" for test, seen in merged]
    RESULTS.write_text("".join(lines), encoding="utf-8")
    RUNNING.unlink()


def earlier():
    """The outcomes so far; the last one of each test counts."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return {seen.pop("test"): seen for seen in map(json.loads, lines)}
