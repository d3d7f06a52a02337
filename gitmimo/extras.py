"""What an optional part needs, and the command that adds it to this very installation."""

import importlib.metadata
import importlib.util
import re
import shlex
import sys


def install_hint(extra: str) -> str:
    """A command that installs the packages of `local` or `ray` beside git-mimo.

    It names the packages, never git-mimo: what a package index holds under that name need not be this program.
    """
    packages = shlex.join(_packages_of(extra))
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(sys.executable)} {packages}"
    return f"{shlex.quote(sys.executable)} -m pip install {packages}"


def _packages_of(extra: str) -> list[str]:
    """The requirements that only this extra brings."""
    marked = re.compile(rf"""\bextra\s*==\s*["']{re.escape(extra)}["']""")
    try:
        requirements = importlib.metadata.requires("git-mimo") or []
    except importlib.metadata.PackageNotFoundError:  # a checkout on PYTHONPATH
        return {"local": ["xllamacpp", "huggingface_hub"], "ray": ["ray"]}[extra]
    return [line.partition(";")[0].strip() for line in requirements if marked.search(line)]
