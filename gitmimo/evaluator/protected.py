"""Which paths of a product are replaced by the base's before it is judged, and which lines of shared files are."""

import re
from collections.abc import Iterable

_TEST_DIRECTORIES = frozenset({"tests", "test", "__tests__", "spec", "specs", "e2e", "testing"})
_TEST_FILE = re.compile(
    r"(?:test_[^/]*\.py|[^/]*_test\.py|tests\.py|[^/]*_test\.go|[^/]*[.-](?:test|spec)\.[cm]?[jt]sx?|"
    r"[^/]*(?:Test|Tests|TestCase|IT|Spec)\.(?:java|kt|scala|groovy)|[^/]*_(?:test|spec)\.(?:rb|exs|rs)|test[^/]*\.[cm]?js)\Z"
)
_CONFIG_NAMES = frozenset(
    re.split(
        " ",
        "conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini tox.toml noxfile.py .coveragerc "
        ".mocharc.json .mocharc.js .mocharc.cjs .mocharc.yml .mocharc.yaml karma.conf.js .nycrc .nycrc.json .rspec "
        "phpunit.xml phpunit.xml.dist .travis.yml .gitlab-ci.yml azure-pipelines.yml Jenkinsfile .drone.yml "
        "bitbucket-pipelines.yml appveyor.yml .appveyor.yml .cirrus.yml sitecustomize.py usercustomize.py nextest.toml "
        ".npmrc .yarnrc .yarnrc.yml bunfig.toml pip.conf uv.toml",
    )
)
_CONFIG_PATTERNS = re.compile(
    r"(?:jest|vitest|vitest\.workspace|playwright|cypress|ava|babel\.test)\.config\.[a-z]+\Z|jest\.setup\.[a-z]+\Z|"
    r"vitest\.setup\.[a-z]+\Z|[^/]*\.pth\Z|\.mocharc\.[a-z]+\Z"
)
_CONFIG_DIRECTORIES = (
    ".cargo/",
    ".github/workflows/",
    ".github/actions/",
    ".circleci/",
    ".buildkite/",
    ".ci/",
    ".mimo/",
)
_METADATA_DIRECTORY = re.compile(r"(?:^|/)[^/]+\.(?:egg-info|dist-info)/")
_LOCKFILES = {
    "poetry.lock": "pyproject.toml",
    "uv.lock": "pyproject.toml",
    "pdm.lock": "pyproject.toml",
    "pixi.lock": "pyproject.toml",
    "Pipfile.lock": "Pipfile",
    "package-lock.json": "package.json",
    "npm-shrinkwrap.json": "package.json",
    "yarn.lock": "package.json",
    "pnpm-lock.yaml": "package.json",
    "Cargo.lock": "Cargo.toml",
    "go.sum": "go.mod",
    "Gemfile.lock": "Gemfile",
    "composer.lock": "composer.json",
}
_BUILD_FILES = frozenset({"Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml"})
MANIFESTS = frozenset(_LOCKFILES.values()) | {"requirements.txt", "setup.py", "setup.cfg", "pom.xml", "build.gradle"}


class ProtectedPaths:
    """Answers whether a path belongs to the base, from what the base holds and what the user added.

    Covered: test files and everything in directories of tests, configuration of tests and CI, files that Python runs
    by itself, lockfiles whose manifest stays as it was, `.mimo/`. Not covered: product code that tests import and that
    lies outside such directories, unless `tests` or `scripts` name it; a new file with a test's name where the
    base keeps no tests is product code.
    """

    def __init__(
        self,
        base_paths: Iterable[str],
        *,
        changed: Iterable[str] = (),
        extra: Iterable[str] = (),
        exempt: Iterable[str] = (),
        commands: Iterable[str] = (),
        tests: Iterable[str] = (),
        scripts: Iterable[str] = (),
    ) -> None:
        base = list(base_paths)
        self._tests = {path for path in base if _TEST_FILE.fullmatch(_name(path))} | set(tests)
        self._has_tests = bool(self._tests)
        self._beside = {_parent(path) for path in self._tests}
        self._directories = {top for path in self._tests for top in _test_tops(path)}
        self._base_directories = {top for path in base for top in _test_tops(path)}
        self._changed = set(changed)
        self._extra = [_glob(pattern) for pattern in extra]
        self._exempt = [_glob(pattern) for pattern in exempt]
        words = " ".join(commands)
        self._builds = bool(re.search(r"\b(?:make|just|task)\b", words))
        mentioned = (path for path in base if path in words)  # before a pattern is made of each path
        self._named = {path for path in mentioned if re.search(rf"(?:^|[\s=/]){re.escape(path)}(?:\s|$)", words)}
        self._named |= set(scripts)

    def is_protected(self, path: str) -> bool:
        """Whether the base's version of this path (or its absence) counts."""
        if self.is_exempt(path):
            return path.startswith(".mimo/")
        name = _name(path)
        return (
            self.is_test(path)
            or name in _CONFIG_NAMES
            or bool(_CONFIG_PATTERNS.fullmatch(name))
            or path.startswith(_CONFIG_DIRECTORIES)
            or bool(_METADATA_DIRECTORY.search(path))
            or self._is_frozen_lock(path)
            or (self._builds and (name in _BUILD_FILES or name.endswith(".mk")))
            or path in self._named
            or any(pattern.fullmatch(path) for pattern in self._extra)
        )

    def is_exempt(self, path: str) -> bool:
        """Whether the person lets candidates change this test or other file that decides."""
        return any(pattern.fullmatch(path) for pattern in self._exempt)

    def is_named(self, path: str) -> bool:
        """Whether a command that decides names this file of base."""
        return path in self._named

    def is_test(self, path: str) -> bool:
        """Whether a path is a test or belongs to tests."""
        if path in self._tests or any(path.startswith(top) for top in self._directories):
            return True
        tops = _test_tops(path)
        if tops and not any(top in self._base_directories for top in tops):
            return True  # a directory of tests that the base doesn't have
        if not _TEST_FILE.fullmatch(_name(path)):
            return False
        return not self._has_tests or _parent(path) in self._beside or "/" not in path

    def _is_frozen_lock(self, path: str) -> bool:
        """A lockfile may change together with its manifest only: a dependency was added then, and a person looks."""
        manifest = _LOCKFILES.get(_name(path))
        return manifest is not None and _join(_parent(path), manifest) not in self._changed


def is_test_file(path: str) -> bool:
    """Whether a path has a test's name or is in a directory of tests, whatever the base holds."""
    return bool(_TEST_FILE.fullmatch(_name(path))) or _name(path) == "conftest.py" or bool(_test_tops(path))


def is_dependency_file(path: str) -> bool:
    """Whether a change of this file may change what is installed."""
    name = _name(path)
    return name in MANIFESTS or name in _LOCKFILES or bool(re.fullmatch(r"requirements[^/]*\.txt", name))


def _test_tops(path: str) -> list[str]:
    """The prefixes of a path that end in a directory of tests."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) + "/" for i, part in enumerate(parts) if part in _TEST_DIRECTORIES]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _glob(pattern: str) -> re.Pattern[str]:
    """A glob over whole paths: `*` within a name, `**` over directories; a directory covers everything below it."""
    pattern = pattern + "**" if pattern.endswith("/") else pattern
    out = ""
    for piece in re.findall(r"\*\*/?|\*|\?|\[[^\]]+\]|.", pattern, re.S):
        if piece.startswith("**"):
            out += "(?:.*/)?" if piece.endswith("/") else ".*"
        elif piece == "*":
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        else:
            out += piece if len(piece) > 1 else re.escape(piece)
    # a pattern that names a directory without a slash at its end covers everything below it as well
    return re.compile(f"{out}(?:/.*)?", re.S)
