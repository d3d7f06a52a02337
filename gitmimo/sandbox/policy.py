"""The sandbox policy: readable system directories and toolchains, and a clean environment."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# their values are directories of programs and libraries
_PLACES_IN_VARIABLES = _words(
    "JAVA_HOME GOROOT GOPATH GOMODCACHE RUSTUP_HOME PYENV_ROOT NVM_DIR VIRTUAL_ENV CONDA_PREFIX SDKMAN_DIR MAVEN_HOME "
    "VOLTA_HOME ASDF_DIR ASDF_DATA_DIR SSL_CERT_FILE SSL_CERT_DIR NIX_PROFILES NIX_SSL_CERT_FILE LD_LIBRARY_PATH"
)
_KEPT = (
    *_words("LANG LANGUAGE TZ USER LOGNAME TERM PATH CARGO_HOME RUSTUP_TOOLCHAIN PYENV_VERSION M2_HOME GRADLE_HOME"),
    *_PLACES_IN_VARIABLES,
)
_NETWORK_KEPT = _words("HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy")
_SET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
    "EDITOR": "false",
    "GIT_EDITOR": "false",
    "SHELL": "/bin/bash",
    "pnpm_config_pm_on_fail": "ignore",  # a project that pins another pnpm is run by the one that is there, unasked
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PYTHONHASHSEED": "0",  # one order of sets in every run: ids of parametrized tests may follow from it
}
# Below a home directory. Whole tool homes only where they contain no credentials.
_TOOL_PLACES = _words(
    ".pyenv .rustup .cargo/bin .cargo/env .cargo/registry .cargo/git .nvm .nodenv .volta .asdf .fnm .bun/bin .deno/bin "
    ".rbenv .jenv .sdkman .m2/repository .m2/wrapper .gradle/caches .gradle/wrapper .virtualenvs .local/bin .local/lib "
    ".local/pipx .local/share/pipx .local/share/uv .local/share/mise .local/share/virtualenvs .local/share/fnm "
    ".local/share/hatch .local/share/pnpm .cache/pre-commit go/bin go/pkg go/src miniconda3 anaconda3 miniforge3 "
    "mambaforge micromamba bin .npm-global"
)
_FORBIDDEN = _words(
    ".ssh .aws .config .gnupg .netrc .docker .kube .azure .gcloud .git-credentials .gitconfig .npmrc .pypirc "
    ".password-store .local/share/keyrings .local/state .mozilla .thunderbird .bash_history .zsh_history"
)
_TOOLS = _words(
    "python3 python pytest tox nox uv poetry hatch pdm node npm npx yarn pnpm go cargo rustc java javac mvn gradle "
    "make cmake gcc cc git ruff mypy"
)
_PREFIX_PARTS = ("bin", "lib", "lib64", "libexec", "share", "include")
_SYSTEM = _words("/usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc /nix /gnu /var/lib/texmf /var/cache/fontconfig")
_HARDWARE = ("/sys/devices/system", "/sys/fs/cgroup")  # processors, memory, and our share of them
_TEMPORARY = ("/tmp", "/var/tmp", "/run")
_ABSOLUTE_PROGRAM = re.compile(r"(?:^|[\s;&|('\"=])(/[^\s;&|()'\"]+)")
_MOST_MASKED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPolicy:
    """The paths that a command can access. They are absolute, without symlinks, and exist.

    Nothing is readable but `readable`, except what is in a deeper `hidden` or `masked` path.
    """

    home: Path
    readable: tuple[Path, ...]  # system directories and toolchains
    scratch: tuple[Path, ...]  # empty and writable: home and the temporary directories
    hidden: tuple[Path, ...]  # directories below a readable one that appear empty
    masked: tuple[Path, ...]  # files below a readable one that appear empty
    links: Mapping[Path, str]  # symlinks on the way to what is readable, and where they point
    env: Mapping[str, str]
    network_env: Mapping[str, str]  # for a command with network: the user's proxies


def build_policy(
    environ: Mapping[str, str], *, hidden: Iterable[Path] = (), readable: Iterable[Path] = (), interpreter: Path
) -> SandboxPolicy:
    """Work out which system directories and toolchains the programs on PATH need.

    `readable` adds to them and `hidden` takes away; `interpreter` is the Python that runs git-mimo.
    """
    home = Path(environ.get("HOME") or "/nonexistent")
    scratch = [path for path in _existing([home, *map(Path, _TEMPORARY)]) if path != Path("/")]
    closed = [*scratch, *_existing([Path("/home"), Path("/root"), *hidden])]
    search_path = _clean_path(environ.get("PATH", os.defpath))
    tools = [
        *(home / name for name in _TOOL_PLACES),
        *_directories_on_path(search_path),
        *_variable_paths(environ),
        *interpreter_paths(interpreter),
    ]
    system = [Path(name) for name in (*_SYSTEM, *_HARDWARE, "/etc/resolv.conf")]
    wanted = [*system, *tools, *readable]
    forbidden = [secret for name in _FORBIDDEN if (secret := home / name).exists()]
    allowed = _outermost(
        path
        for path in _existing(wanted)
        if path != Path("/")
        and path not in closed
        and not any(path.is_relative_to(secret) or secret.is_relative_to(path) for secret in forbidden)
    )
    private = _private_below([path for path in map(Path, ("/etc", "/usr/local/etc")) if path.is_dir()])
    within = [path for path in _existing(hidden) if any(path.is_relative_to(open_) for open_ in allowed)]
    return SandboxPolicy(
        home=home,
        readable=tuple(allowed),
        scratch=tuple(scratch),
        hidden=tuple(_outermost([*within, *(path for path in private if path.is_dir())])),
        masked=tuple(path for path in private if not path.is_dir()),
        links=symlinks_on(wanted),
        env={**_kept(environ, _KEPT), **_tool_homes(environ, home), **_SET, "PATH": os.pathsep.join(search_path)},
        network_env=_kept(environ, _NETWORK_KEPT),
    )


def symlinks_on(paths: Iterable[Path]) -> dict[Path, str]:
    """Every symlink among the parts of the paths, with its target; links on the way to the target are included."""
    found: dict[Path, str] = {}
    queue = [Path(os.path.normpath(path)) for path in paths]
    while queue:
        path = queue.pop()
        for part in (*reversed(path.parents), path):
            if os.path.islink(part):  # noqa: PTH114
                if part not in found:
                    found[part] = os.fspath(part.readlink())
                    rest = path.relative_to(part)
                    queue.append(Path(os.path.normpath(part.parent / found[part] / rest)))
                break
    return found


def interpreter_paths(interpreter: Path) -> list[Path]:
    """The directories that a Python needs to run: its own prefix and those that it is based on."""
    return [directory for hop in _link_chain(interpreter) for directory in _prefix_paths(hop.parent)]


def program_paths(program: Path) -> tuple[Path, ...]:
    """The directories that a program chosen by the user needs to run: its own files, wherever they are installed.

    Never a home directory as a whole or anything with credentials; for a program directly in the home directory, only
    its file.
    """
    home = Path(os.environ.get("HOME") or "/nonexistent").resolve()
    forbidden = [home, *(home / name for name in _FORBIDDEN)]
    found: list[Path] = []
    for hop in _link_chain(program):
        package = [parent for parent in hop.parents if parent.name == "node_modules"]
        for directory in _existing([*_prefix_paths(hop.parent), *package[-1:]]):
            is_open = not any(secret.is_relative_to(directory) for secret in forbidden)
            found.append(directory if is_open else hop)
    return tuple(dict.fromkeys(found))


def command_paths(commands: Iterable[str]) -> tuple[Path, ...]:
    """The directories for programs that commands name by an absolute path; see `program_paths`."""
    found = [Path(match[1]) for command in commands for match in _ABSOLUTE_PROGRAM.finditer(command)]
    return tuple(dict.fromkeys(directory for path in found if path.is_file() for directory in program_paths(path)))


def _kept(environ: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name in names or name.startswith("LC_")}


def _tool_homes(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Variables for tools that look below HOME, for a HOME that is another directory."""
    wanted = {"RUSTUP_HOME": home / ".rustup", "CARGO_HOME": home / ".cargo", "GOPATH": home / "go"}
    return {name: str(path) for name, path in wanted.items() if name not in environ and path.is_dir()}


def _clean_path(text: str) -> list[str]:
    """PATH without relative entries: a program of the same name in the work tree must not win."""
    return list(dict.fromkeys(part for part in text.split(os.pathsep) if part.startswith("/")))


def _directories_on_path(path: Sequence[str]) -> list[Path]:
    """The directories on PATH with what belongs to them, and where the usual tools really are."""
    found: list[Path] = []
    for entry in path:
        found += _prefix_paths(Path(entry))
    for tool in _TOOLS:
        where = shutil.which(tool, path=os.pathsep.join(path))
        for hop in _link_chain(Path(where)) if where else ():
            found += _prefix_paths(hop.parent)
    return found


def _link_chain(program: Path) -> list[Path]:
    """A program's path and every link on the way to its file."""
    hops = [program]
    while hops[-1].is_symlink() and len(hops) < 20:
        hops.append(hops[-1].parent / hops[-1].readlink())
    return [*hops, program.resolve()]


def _prefix_paths(directory: Path) -> list[Path]:
    """A directory of programs and its neighbours with their libraries; a whole virtual environment at once."""
    directory = Path(os.path.normpath(directory))
    prefix = directory.parent
    if directory.name not in ("bin", "sbin", "Scripts", "shims") or prefix == Path("/"):
        return [directory]
    if directory.name == "shims":
        return _manager_paths(prefix)
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
        return [prefix, *_base_of(prefix / "pyvenv.cfg"), *_path_file_packages(prefix)]
    parts = _PREFIX_PARTS if prefix.name != ".local" else ("bin", "lib")
    return [directory, *(prefix / part for part in parts)]


def _manager_paths(root: Path) -> list[Path]:
    """A version manager: its shims start its own programs, which look for the versions, some of which are links."""
    versions = root / "versions"
    links = [p for p in versions.iterdir() if p.is_symlink()] if versions.is_dir() else []
    return [root, *(hop for link in links for hop in _link_chain(link))]


def _base_of(config: Path) -> list[Path]:
    """The interpreter that a virtual environment is based on."""
    if not config.is_file():
        return []
    for line in config.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and value.strip().startswith("/"):
            home = Path(value.strip())
            return [home, *(home.parent / part for part in _PREFIX_PARTS)] if home.name == "bin" else [home]
    return []


def _path_file_packages(prefix: Path) -> list[Path]:
    """Packages of other environments that an environment's path files add; not the projects that they name."""
    found = []
    for file in prefix.glob("lib/python*/site-packages/*.pth"):
        places = [Path(line) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
        found += [directory for directory in places if directory.is_absolute() and directory.name.endswith("-packages")]
    return found


def _existing(paths: Iterable[Path]) -> list[Path]:
    # not `Path.exists`, which raises below a directory that is closed to us
    return list(dict.fromkeys(path.resolve() for path in paths if os.path.exists(path)))  # noqa: PTH110


def _outermost(paths: Iterable[Path]) -> list[Path]:
    found = list(dict.fromkeys(paths))
    return [path for path in found if not any(path != other and path.is_relative_to(other) for other in found)]


def _variable_paths(environ: Mapping[str, str]) -> list[Path]:
    words = [word for name in _PLACES_IN_VARIABLES for word in environ.get(name, "").replace(" ", ":").split(":")]
    return [Path(word) for word in words if word.startswith("/")]


def _private_below(places: Sequence[Path]) -> list[Path]:
    """Files and directories that we may read and not everybody may: with us, commands in a sandbox could, too."""
    found: list[Path] = []
    queue = list(places)
    while queue and len(found) < _MOST_MASKED:
        try:
            entries = list(os.scandir(queue.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_symlink():
                continue
            is_directory = entry.is_dir()
            if entry.stat(follow_symlinks=False).st_mode & (0o005 if is_directory else 0o004):
                queue += [Path(entry.path)] if is_directory else []
            elif os.access(entry.path, os.R_OK):
                found.append(Path(entry.path))
    return found
