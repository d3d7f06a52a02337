"""Choose the sandbox: the best that works on this machine, or an error with the remedy."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError, SandboxUnavailable, UsageError
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.sandbox.bwrap import BwrapSandbox
from gitmimo.sandbox.confine import landlock_abi
from gitmimo.sandbox.landlock import LandlockSandbox, PlainSandbox
from gitmimo.sandbox.policy import SandboxPolicy, build_policy

KINDS = ("auto", "bwrap", "landlock", "none")
_BEST_FIRST = ("bwrap", "landlock")
_INSTALL = "install bubblewrap: `apt install bubblewrap`, `dnf install bubblewrap` or `pacman -S bubblewrap`"
_WAIVE = "or run without protection: `--sandbox none`"
# What a sandbox must deny, tried from inside: read a file in a hidden place, write beside the work tree, keep a
# capability, open a kernel setting for writing (nothing is written). The loopback must work.
_PROBE = (
    'cat "$1/secret" 2>/dev/null && exit 11; touch "$1/mark" 2>/dev/null; echo ok > written || exit 12; '
    "grep -q '^CapEff:.*[1-9a-f]' /proc/self/status && exit 13; "
    "( : >> /proc/sys/kernel/core_pattern ) 2>/dev/null && exit 14; exit 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The result of probing one kind of sandbox; `problem` is empty when it works."""

    kind: str
    problem: str = ""
    remedy: str = ""
    gaps: tuple[str, ...] = ()


def open_sandbox(
    kind: str = "auto",
    *,
    hidden: Iterable[Path] = (),
    readable: Iterable[Path] = (),
    environ: Mapping[str, str] | None = None,
) -> Sandbox:
    """Return the sandbox of a kind after testing it.

    `hidden` adds places that commands must not see (the real git directory, the state directory of the other
    candidates), `readable` some inside hidden places that they need (the repository's objects, linked dependencies).
    `environ` is what the environment of commands is made from, by default our own. SandboxUnavailable with the remedy
    when the kind does not work here; `auto` never falls back to `none`.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown sandbox: `{kind}`", hint=f"one of: {', '.join(KINDS)}")
    outer = os.environ if environ is None else environ
    policy = build_policy(outer, hidden=hidden, readable=readable, interpreter=Path(sys.executable))
    if kind == "none":
        return PlainSandbox(policy)
    problems = []
    for name in _BEST_FIRST if kind == "auto" else (kind,):
        made = _make(name, policy)
        if isinstance(made, ProbeResult):
            problems.append(made)
        else:
            return made
    what = "; ".join(f"{found.kind}: {found.problem}" for found in problems)
    remedies = list(dict.fromkeys(found.remedy for found in problems if found.remedy))
    raise SandboxUnavailable(f"no sandbox works here: {what}", hint=", ".join([*remedies, _WAIVE]))


def probe_sandboxes() -> tuple[ProbeResult, ...]:
    """Try every kind of sandbox and say what works, what does not and why."""
    policy = build_policy(os.environ, interpreter=Path(sys.executable))
    made = [_make(name, policy) for name in _BEST_FIRST]
    return tuple(env if isinstance(env, ProbeResult) else ProbeResult(kind=env.name, gaps=env.gaps) for env in made)


def _make(kind: str, policy: SandboxPolicy) -> Sandbox | ProbeResult:
    if kind == "bwrap":
        program = shutil.which("bwrap", path=policy.env["PATH"])
        if program is None:
            return ProbeResult(kind=kind, problem="`bwrap` is not installed", remedy=_INSTALL)
        return _probed(BwrapSandbox(Path(program).resolve(), policy), _userns_remedy())
    if not sys.platform.startswith("linux") or not landlock_abi():
        return ProbeResult(
            kind=kind, problem="the kernel has no landlock (5.13 or newer, `lsm=landlock`)", remedy=_INSTALL
        )
    whole = _probed(LandlockSandbox(policy, namespaces=True), _INSTALL)
    return _probed(LandlockSandbox(policy, namespaces=False), _INSTALL) if isinstance(whole, ProbeResult) else whole


def _probed(sandbox: Sandbox, remedy: str) -> Sandbox | ProbeResult:
    """The sandbox itself when the escapes are denied inside it, else what went wrong."""
    with tempfile.TemporaryDirectory(prefix="mimo-probe-") as name:
        outside, inside = Path(name).resolve() / "outside", Path(name).resolve() / "inside"
        outside.mkdir()
        inside.mkdir()
        (outside / "secret").write_text("secret\n", encoding="utf-8")
        spec = CommandSpec(
            command=["sh", "-c", _PROBE, "sh", str(outside)],
            work_tree=inside,
            limits=Limits(timeout_s=20, capture_bytes=4000),
        )
        try:
            result = sandbox.run(spec)
        except CheckError as error:
            return ProbeResult(kind=sandbox.name, problem=error.message, remedy=remedy)
        if result.exit_code == 0 and (inside / "written").exists() and not (outside / "mark").exists():
            return sandbox
        reasons = {
            11: "a hidden file could be read",
            12: "the work tree is not writable",
            13: "capabilities remain",
            14: "kernel settings could be written",
        }
        problem = reasons.get(result.exit_code, (result.output.strip().splitlines() or ["it does not start"])[0])
        if (outside / "mark").exists():
            problem = "a file outside could be written"
        return ProbeResult(kind=sandbox.name, problem=problem, remedy=remedy)


def _userns_remedy() -> str:
    """How to make bubblewrap work, by what prevents it here."""
    for name, wanted, command in (
        ("kernel/unprivileged_userns_clone", "1", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "0", "sudo apt install --reinstall bubblewrap apparmor"),
        ("user/max_user_namespaces", "", "sudo sysctl -w user.max_user_namespaces=10000"),
    ):
        path = Path("/proc/sys") / name
        value = path.read_text(encoding="ascii").strip() if path.is_file() else wanted
        if (wanted and value != wanted) or (not wanted and value == "0"):
            return f"allow user namespaces: `{command}`"
    return "let bubblewrap make namespaces here (in a container: `--security-opt seccomp=unconfined`)"
