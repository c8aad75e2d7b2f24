"""Plugin of pytest: writes the outcome of every test to a file.

The file is SUITES_RESULTS, with one JSON object a line: `test`, `outcome`, `seconds`, and what was
raised, `error`, with the leaves of groups of exceptions alone. `connected` says that a client of
the test connected over a transport of `between`. With SUITES_FILTER, what earlier runs wrote about
other tests is kept.
"""

import json
import os
import re
from pathlib import Path

import between
import pytest

KEPT = 2000
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


def pytest_sessionfinish(session):
    # With xdist, the reports of the workers arrive in the process that controls them.
    if hasattr(session.config, "workerinput"):
        return
    path = Path(os.environ["SUITES_RESULTS"])
    merged = {**(earlier(path) if os.environ.get("SUITES_FILTER") else {}), **outcomes}
    with path.open("w", encoding="utf-8") as results:
        for test, seen in sorted(merged.items()):
            results.write(json.dumps({"test": test, **seen}) + "\n")


def earlier(path):
    """The outcomes of an earlier run."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {seen.pop("test"): seen for seen in map(json.loads, lines)}
