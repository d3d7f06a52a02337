"""What is wrong with a lock file or with the packages that it installed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
KNOWN_PATH_FILES = re.compile(r"__editable__|distutils-precedence|_virtualenv|coloredlogs|matplotlib|easy-install")


def excluded_releases(pyproject: str) -> set[tuple[str, str]]:
    """Every `!=` of every requirement, as name and version."""
    project = tomllib.loads(pyproject)["project"]
    extras = project.get("optional-dependencies", {}).values()
    wanted = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    return {
        (re.split(r"[<>=!~\[; ]", requirement)[0].lower(), version)
        for requirement in wanted
        for version in re.findall(r"!=\s*([\w.]+)", requirement)
    }


def lock_problems(lock: str, pyproject: str) -> Iterator[str]:
    """Name every entry that is denied, unpinned, without hash, or that says where it comes from."""
    denied = excluded_releases(pyproject)
    text = re.sub(r"(?m)#.*$", "", lock).replace("\\\n", " ")
    for line in filter(None, (line.strip() for line in text.splitlines())):
        found = LINE.match(line)
        if "://" in line or line.startswith(("-", "file:")) or " @ " in line:
            yield f"a place instead of a release: {line.split()[0]}"
        elif found is None:
            yield f"not one exact release: {line.split()[0]}"
        elif (found["name"].lower(), found["version"]) in denied:
            yield f"a denied release: {found['name']} {found['version']}"
        elif not HASH.search(line):
            yield f"no hash: {found['name']}"


def path_file_problems(packages: Path) -> Iterator[str]:
    """Name `.pth` files that run code at every start of Python, but for those of well-known packaging tools."""
    for path in sorted(packages.glob("*.pth")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.startswith(("import ", "import\t")) for line in lines) and not KNOWN_PATH_FILES.search(path.name):
            yield f"runs code at every start: {path.name}"
