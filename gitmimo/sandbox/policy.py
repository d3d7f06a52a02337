"""What a command may see of the machine: hidden places, the toolchains that stay readable, and a clean environment."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_KEPT = _words(
    "LANG LANGUAGE TZ USER LOGNAME TERM PATH JAVA_HOME GOROOT GOPATH GOMODCACHE CARGO_HOME RUSTUP_HOME "
    "RUSTUP_TOOLCHAIN PYENV_ROOT PYENV_VERSION NVM_DIR VIRTUAL_ENV CONDA_PREFIX SDKMAN_DIR MAVEN_HOME "
    "M2_HOME GRADLE_HOME VOLTA_HOME ASDF_DIR ASDF_DATA_DIR "
    "SSL_CERT_FILE SSL_CERT_DIR NIX_PROFILES NIX_SSL_CERT_FILE LD_LIBRARY_PATH"
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
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
}
# Below a home directory. Whole tool homes only where they hold no credentials.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPolicy:
    """One machine seen from inside a sandbox. Paths are absolute, without symlinks, and exist."""

    home: Path
    hidden: tuple[Path, ...]  # appear empty
    readable: tuple[Path, ...]  # inside a hidden place and yet readable
    masked: tuple[Path, ...]  # single files that only root's rights or a socket's path would open
    env: Mapping[str, str]

    def is_hidden(self, path: Path) -> bool:
        """Whether a path lies in a hidden place."""
        return any(path.is_relative_to(place) for place in self.hidden)


def build_policy(
    environ: Mapping[str, str], *, hidden: Iterable[Path] = (), readable: Iterable[Path] = (), interpreter: Path
) -> SandboxPolicy:
    """Work out what is hidden and which toolchains below it the programs on PATH need.

    `hidden` and `readable` add to it; `interpreter` is the Python that runs git-mimo.
    """
    home = Path(environ.get("HOME") or "/nonexistent")
    places = _existing([home, Path("/home"), Path("/root"), Path("/tmp"), Path("/var/tmp"), Path("/run"), *hidden])
    places = [p for p in places if p != Path("/") and not any(p != q and p.is_relative_to(q) for q in places)]
    path = _clean_path(environ.get("PATH", os.defpath))
    needed = [*_tool_places(home), *_path_places(path), *interpreter_places(interpreter), *readable]
    forbidden = [home / name for name in _FORBIDDEN]
    allowed = [
        p
        for p in _existing(needed)
        if any(p.is_relative_to(place) for place in places)
        and p not in places
        and p != home.resolve()
        and not any(p.is_relative_to(f) or f.is_relative_to(p) for f in forbidden if f.exists())
    ]
    return SandboxPolicy(
        home=home,
        hidden=tuple(places),
        readable=tuple(p for p in allowed if not any(p != q and p.is_relative_to(q) for q in allowed)),
        masked=_masked(places),
        env={**_kept(environ, _KEPT), **_tool_homes(environ, home), **_SET, "PATH": os.pathsep.join(path)},
    )


def interpreter_places(interpreter: Path) -> list[Path]:
    """What must be readable for a Python to run: its own prefix and those that it stands on."""
    return [place for hop in _hops(interpreter) for place in _prefix_places(hop.parent)]


def program_places(program: Path) -> tuple[Path, ...]:
    """What must be readable for a program of the person's choice to run: its own files, wherever they are installed.

    Never a home directory as a whole, nor what holds credentials: of a program that lies right there, only its file.
    """
    home = Path(os.environ.get("HOME") or "/nonexistent").resolve()
    forbidden = [home, *(home / name for name in _FORBIDDEN)]
    found: list[Path] = []
    for hop in _hops(program):
        package = [parent for parent in hop.parents if parent.name == "node_modules"]
        for place in _existing([*_prefix_places(hop.parent), *package[-1:]]):
            is_open = not any(secret.is_relative_to(place) for secret in forbidden)
            found.append(place if is_open else hop)
    return tuple(dict.fromkeys(found))


def network_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What a command with network needs besides: the user's proxies."""
    return _kept(environ, _NETWORK_KEPT)


def _kept(environ: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name in names or name.startswith("LC_")}


def _tool_homes(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Tools that look below HOME are told where they live, for a HOME that is another directory."""
    wanted = {"RUSTUP_HOME": home / ".rustup", "CARGO_HOME": home / ".cargo", "GOPATH": home / "go"}
    return {name: str(path) for name, path in wanted.items() if name not in environ and path.is_dir()}


def _clean_path(text: str) -> list[str]:
    """PATH without relative entries: a program of the same name in the work tree must not win."""
    return list(dict.fromkeys(part for part in text.split(os.pathsep) if part.startswith("/")))


def _tool_places(home: Path) -> list[Path]:
    return [home / name for name in _TOOL_PLACES]


def _path_places(path: Sequence[str]) -> list[Path]:
    """The directories on PATH with what belongs to them, and where the usual tools really are."""
    found: list[Path] = []
    for entry in path:
        found += _prefix_places(Path(entry))
    for tool in _TOOLS:
        where = shutil.which(tool, path=os.pathsep.join(path))
        for hop in _hops(Path(where)) if where else ():
            found += _prefix_places(hop.parent)
    return found


def _hops(program: Path) -> list[Path]:
    """A program's path and every link on the way to its file."""
    hops = [program]
    while hops[-1].is_symlink() and len(hops) < 20:
        hops.append(hops[-1].parent / hops[-1].readlink())
    return [*hops, program.resolve()]


def _prefix_places(directory: Path) -> list[Path]:
    """A directory of programs and its neighbours that hold their libraries; a whole virtual environment at once."""
    directory = Path(os.path.normpath(directory))
    prefix = directory.parent
    if directory.name not in ("bin", "sbin", "Scripts", "shims") or prefix == Path("/"):
        return [directory]
    if directory.name == "shims":
        return _manager_places(prefix)
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
        return [prefix, *_base_of(prefix / "pyvenv.cfg")]
    parts = _PREFIX_PARTS if prefix.name != ".local" else ("bin", "lib")
    return [directory, *(prefix / part for part in parts)]


def _manager_places(root: Path) -> list[Path]:
    """A version manager: its shims start its own programs, which look for the versions, some of which are links."""
    versions = root / "versions"
    links = [p for p in versions.iterdir() if p.is_symlink()] if versions.is_dir() else []
    return [root, *(hop for link in links for hop in _hops(link))]


def _base_of(config: Path) -> list[Path]:
    """The interpreter that a virtual environment stands on."""
    if not config.is_file():
        return []
    for line in config.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and value.strip().startswith("/"):
            home = Path(value.strip())
            return [home, *(home.parent / part for part in _PREFIX_PARTS)] if home.name == "bin" else [home]
    return []


def _existing(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in paths if path.exists()))


def _masked(hidden: Sequence[Path]) -> tuple[Path, ...]:
    found: list[Path] = []
    if os.geteuid() == 0:  # without capabilities root still owns these
        secret = ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/krb5.keytab"]
        found += [Path(name) for name in secret] + sorted(Path("/etc/ssh").glob("ssh_host_*_key"))
    found += _sockets()
    return tuple(p for p in _existing(found) if not any(p.is_relative_to(place) for place in hidden))


def _sockets() -> list[Path]:
    """Sockets that somebody listens on now and that we could connect to: a read-only mount doesn't stop that."""
    try:
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    names = {parts[7] for parts in (line.split(None, 7) for line in lines[1:]) if len(parts) == 8}
    return [Path(name) for name in sorted(names) if name.startswith("/") and os.access(name, os.W_OK)]
