#!/usr/bin/env python3
"""Writes an image with Node and one installed npm package, whose command is that package.

usage: npm-image.py ARCHIVE TAG NODE MODULES PACKAGE SCRIPT

MODULES is the folder of all installed packages, SCRIPT a path in the folder of the package. Only
the packages that it depends on are in the image. Processes are those of user 65532.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def dependencies(folder):
    """The folders of the packages that the one in `folder` depends on, as Node finds them."""
    description = json.loads((folder / "package.json").read_text())
    for kind in ("dependencies", "optionalDependencies"):
        for name in description.get(kind, {}):
            places = (place / "node_modules" / name for place in (folder, *folder.parents))
            yield from [place for place in places if (place / "package.json").exists()][:1]


def closure(folder):
    """All packages that the one in `folder` needs, and itself."""
    known, waiting = set(), [folder]
    while waiting:
        package = waiting.pop()
        if package not in known:
            known.add(package)
            waiting.extend(dependencies(package))
    return known


def libraries(program):
    """The shared libraries of a program, at the paths where the loader looks for them."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"/\S+", listed)))


def files(package):
    """The files of a package without those of others below it."""
    for root, folders, names in os.walk(package):
        folders[:] = sorted(folder for folder in folders if folder != "node_modules")
        for name in sorted(names):
            path = Path(root) / name
            if path.is_file():
                yield path


def main():
    archive, tag, node, modules, name, script = sys.argv[1:]
    modules = Path(modules).resolve()
    pairs = [f"/usr/bin/node={Path(node).resolve()}"]
    pairs += [f"{library}={Path(library).resolve()}" for library in libraries(node)]
    for package in sorted(closure(modules / name)):
        for path in files(package):
            pairs.append(f"/app/node_modules/{path.relative_to(modules)}={path}")
    arguments = [word for pair in pairs for word in ("--file", pair)]
    entrypoint = ["/usr/bin/node", f"/app/node_modules/{name}/{script}"]
    options = ["--user", "65532:65532", archive, tag, *entrypoint]
    sys.path.insert(0, str(HERE))
    sys.argv = ["mkimg.py", *arguments, *options]
    import mkimg

    mkimg.main()


if __name__ == "__main__":
    main()
