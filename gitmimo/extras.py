"""What an optional part needs, and the command that adds it to this very installation."""

import importlib.metadata
import importlib.util
import re
import shlex
import sys
from collections.abc import Iterable


def install_hint(extra: str) -> str:
    """A command that installs the packages of `local` or `ray` beside git-mimo.

    It names the packages, never git-mimo: what a package index holds under that name need not be this program.
    """
    packages = shlex.join(packages_of(extra, _requirements()))
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(sys.executable)} {packages}"
    return f"{shlex.quote(sys.executable)} -m pip install {packages}"


def packages_of(extra: str, requirements: Iterable[str]) -> list[str]:
    """The requirements, as in a wheel's metadata, that only this extra brings."""
    marked = re.compile(rf"""\bextra\s*==\s*["']{re.escape(extra)}["']""")
    return [line.partition(";")[0].strip() for line in requirements if marked.search(line)] or [f"git-mimo's `{extra}`"]


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("git-mimo") or []
    except importlib.metadata.PackageNotFoundError:  # a checkout on PYTHONPATH
        return [f'{package}; extra == "{extra}"' for extra, package in _UNPACKED]


_UNPACKED = (("local", "xllamacpp"), ("local", "huggingface_hub"), ("ray", "ray"))
