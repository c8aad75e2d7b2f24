#!/usr/bin/env python3
"""Writes a container image of one layer, as `docker save` does, from files alone.

The same files give the same bytes, so that an image can be told by its digest.
"""

import argparse
import hashlib
import io
import json
import pathlib
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def add(archive, name, content=None, mode=0o644):
    """Adds a file, or a folder where there is no content, that root owns."""
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def layer(files):
    """The layer with `files`: pairs of a path in the image and one on this machine."""
    buffer = io.BytesIO()
    folders = set()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for target, source in files:
            path = pathlib.PurePosixPath(target.strip("/"))
            for folder in reversed(path.parents[:-1]):
                if folder not in folders:
                    folders.add(folder)
                    add(archive, str(folder), mode=0o755)
            source = pathlib.Path(source)
            add(archive, str(path), source.read_bytes(), source.stat().st_mode & 0o755)
    return buffer.getvalue()


def image(arguments):
    """The files of an archive: pairs of a name and its content."""
    content = layer(pair.split("=", 1) for pair in arguments.file)
    digest = hashlib.sha256(content).hexdigest()
    config = {"Entrypoint": arguments.entrypoint, "Env": [f"PATH={arguments.path}"], "User": arguments.user}
    description = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    }
    description = json.dumps(description).encode()
    name = hashlib.sha256(description).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [arguments.tag], "Layers": [f"{digest}/layer.tar"]}]
    yield name, description
    yield f"{digest}/layer.tar", content
    yield "manifest.json", json.dumps(manifest).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", action="append", default=[], metavar="TARGET=SOURCE")
    parser.add_argument("--user", default="", help="user and group of its processes, as numbers")
    parser.add_argument("--path", default="/bin:/usr/bin", help="PATH of its processes")
    parser.add_argument("archive", help="file to write")
    parser.add_argument("tag", help="name of the image, such as localhost/pause:1")
    parser.add_argument("entrypoint", nargs=argparse.REMAINDER, help="command of the image")
    arguments = parser.parse_args()
    with tarfile.open(arguments.archive, mode="w") as archive:
        for name, content in image(arguments):
            add(archive, name, content)


if __name__ == "__main__":
    main()
