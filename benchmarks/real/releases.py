"""Releases of real projects: their source distributions, fetched by name and version, and a Python that tests them."""

import os
import subprocess
import tarfile
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

_BACKENDS = ("setuptools", "wheel", "flit_core", "hatchling", "poetry-core", "hatch-vcs", "setuptools-scm")
_FOR_TESTS = (
    "pytest>=7,<8",
    "hypothesis",
    "freezegun",
    "pretend",
    "six",
    "pyyaml",
    "typeguard",
    "pydantic",
    "typing_extensions",
)
_TEST_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Releases:
    """A cache directory: downloads, unpacked trees, and virtual environments.

    The one that tests run in has none of the projects: build backends, which need some of them, have one of their own.
    """

    cache: Path

    @property
    def python(self) -> Path:
        """The interpreter that runs the projects' tests; made on first use."""
        return self._environment("venv", _FOR_TESTS)

    def _environment(self, name: str, packages: tuple[str, ...]) -> Path:
        found = self.cache / name / "bin" / "python"
        if not found.exists():
            venv.create(self.cache / name, with_pip=True)
            subprocess.run([found, "-m", "pip", "install", "-q", *packages], check=True)
        return found

    def source(self, project: str, version: str) -> Path:
        """The unpacked source distribution; fetched when it is not there. Nothing may write to it."""
        target = self.cache / "unpacked" / f"{project}-{version}"
        if not target.exists():
            archive = self._download(project, version)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as new, tarfile.open(archive) as opened:
                opened.extractall(new, filter="data")
                next(Path(new).iterdir()).rename(target)
        return target

    def _download(self, project: str, version: str) -> Path:
        where = self.cache / "downloads" / f"{project}-{version}"
        if not list(where.glob("*.tar.gz")):
            options = ["-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-d", str(where)]
            builder = self._environment("builder", _BACKENDS)
            command = [builder, "-m", "pip", "download", *options, f"{project}=={version}"]
            subprocess.run(command, check=True, capture_output=True)
        return next(where.glob("*.tar.gz"))

    def run_tests(self, directory: Path, *arguments: str, limit_s: float = _TEST_LIMIT_S) -> dict[str, str]:
        """Outcomes by test id: passed, failed, error or skipped; empty when they did not end in time."""
        report = directory / ".outcomes"
        report.unlink(missing_ok=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST_", "PYTHON"))}
        env |= {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "plugin"), *import_roots(directory)]),
            "OUTCOMES": str(report),
        }
        options = ["-q", "-p", "outcomes", "-p", "no:cacheprovider", "-p", "no:randomly", "-c", os.devnull]
        command = [str(self.python), "-m", "pytest", *options, "--rootdir", str(directory), *arguments]
        with subprocess.Popen(
            command,
            cwd=directory,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return {}
        if not report.exists():
            return {}
        lines = report.read_text(encoding="utf-8").splitlines()
        report.unlink()
        return dict(line.rsplit("\t", 1) for line in lines)


def import_roots(directory: Path) -> list[str]:
    """Where a project's packages are imported from."""
    return [str(root) for root in (directory / "src", directory) if root.is_dir()]
