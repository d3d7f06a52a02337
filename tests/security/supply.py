"""What is wrong with the ranges, or with the packages that are installed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

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


def path_file_problems(packages: Path) -> Iterator[str]:
    """Name `.pth` files that run code at every start of Python, but for those of well-known packaging tools."""
    for path in sorted(packages.glob("*.pth")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.startswith(("import ", "import\t")) for line in lines) and not KNOWN_PATH_FILES.search(path.name):
            yield f"runs code at every start: {path.name}"
