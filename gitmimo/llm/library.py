"""Which local models are there, and what is missing to run one."""

import importlib.util
from pathlib import Path

from gitmimo.errors import NoModel


def find_model(name: str, model_dir: Path) -> Path:
    """The file of `local/NAME`. NoModel when it was not pulled or the server library is missing."""
    short = name.partition("/")[2]
    path = model_dir / f"{short}.gguf"
    if not path.is_file():
        raise NoModel(f"the local model `{short}` is not here: `{path}`", hint=f"git mimo models pull {short}")
    if importlib.util.find_spec("xllamacpp") is None:
        raise no_library("no module named xllamacpp")
    return path


def no_library(reason: str) -> NoModel:
    """The extra with the model server is not installed."""
    if "libgomp" in reason:
        return NoModel(f"the local model needs OpenMP ({reason})", hint="apt-get install libgomp1")
    return NoModel(f"the local model needs the `local` extra ({reason})", hint='pip install "git-mimo[local]"')
