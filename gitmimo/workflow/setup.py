"""`.mimo/` in a repository: its first files, written once and never over what is there."""

from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, EMPTY, MEMORY_PATH

FILES = {
    ".mimo/.gitignore": "local/\n",
    ATTRIBUTES_PATH: ATTRIBUTES.decode(),
    ".mimo/config.yaml": """\
# Project defaults of git-mimo. `git mimo config list --show-origin` shows every option and its value.
# Commands here run only after `git mimo trust`.
#
# test: python -m pytest -q
# setup: npm ci
# accept: ["make lint"]
# protected: ["golden/**"]
""",
    MEMORY_PATH: EMPTY,
}


def write_first_files(checkout: Path) -> list[str]:
    """Write the files of `.mimo/` that are missing; return their names. Symlinks on the way are refused."""
    directory = checkout / ".mimo"
    if directory.is_symlink():
        raise RepoError("`.mimo` is a symbolic link; it must be a directory of the repository")
    directory.mkdir(exist_ok=True)
    written = []
    for name, content in FILES.items():
        path = checkout / name
        if path.exists() or path.is_symlink():
            continue
        path.write_text(content)
        written.append(name)
    return written
