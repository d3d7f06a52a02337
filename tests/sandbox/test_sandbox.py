"""What a command can't reach from inside, each with the control that it could from outside."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import SandboxUnavailable, UsageError
from gitmimo.git.agent_repo import base_objects, make_agent_repo
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, Sandbox
from gitmimo.sandbox.policy import build_policy
from gitmimo.sandbox.probe import open_sandbox, probe_sandboxes
from tests.conftest import GitBuilder

Run = Callable[..., CommandResult]


def plain(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The control: the same command without a sandbox."""
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def only_sandbox(sandbox: Sandbox) -> Sandbox:
    return sandbox


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("the secret\n")
    return path


@pytest.mark.usefixtures("only_sandbox")
class TestFiles:
    def test_files_outside_are_neither_read_nor_written(self, run: Run, outside: Path, work_tree: Path) -> None:
        attack = f"cat '{outside}/secret'; echo x > '{outside}/new'; rm -f '{outside}/secret'; echo end"
        assert "the secret" in plain(f"cat '{outside}/secret'", work_tree).stdout
        result = run(attack)
        assert "the secret" not in result.output
        assert result.output.endswith("end\n")
        assert [p.name for p in outside.iterdir()] == ["secret"]

    def test_link_written_inside_does_not_lead_outside(self, run: Run, outside: Path) -> None:
        run(f"ln -s '{outside}' link; echo x > link/new; ln '{outside}/secret' hard; cat hard link/secret")
        assert [p.name for p in outside.iterdir()] == ["secret"]

    def test_system_is_read_only(self, run: Run) -> None:
        result = run("touch /usr/mimo-mark /etc/mimo-mark /mimo-mark; ls /usr/bin/env")
        assert "/usr/bin/env\n" in result.output
        assert not any(Path(name).exists() for name in ("/usr/mimo-mark", "/etc/mimo-mark", "/mimo-mark"))

    def test_sets_have_one_order_in_every_run(self, run: Run) -> None:
        asked = f"{sys.executable} -c \"print({{*'abcdefgh'}})\""
        assert len({run(asked).output for _ in range(3)}) == 1

    def test_kernel_settings_cannot_be_opened_for_writing(self, run: Run, work_tree: Path) -> None:
        # no control outside: as root it would open the machine's own settings; the own file shows that opening works
        (work_tree / "open.py").write_text(
            "import glob, os\n"
            "for path in ['written', '/proc/sysrq-trigger', *glob.glob('/proc/sys/[kvf]*/*')]:\n"
            "    try:\n"
            "        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))\n"
            "    except OSError:\n"
            "        continue\n"
            "    print(path)\n"
        )
        (work_tree / "written").touch()
        assert run(f"{sys.executable} open.py").output.split() == ["written"]

    def test_home_is_hidden_and_its_keys_with_it(self, work_tree: Path, sealed: Path, any_sandbox: Sandbox) -> None:
        for name in (".ssh/id_ed25519", ".aws/credentials", ".config/git-mimo/keys", ".netrc", ".bashrc"):
            (sealed / name).parent.mkdir(parents=True, exist_ok=True)
            (sealed / name).write_text("the secret\n")
        assert "the secret" in plain("cat ~/.netrc", work_tree).stdout
        sandbox = open_sandbox(any_sandbox.name)
        files = " ".join(f"'{path}'" for path in sealed.rglob("*") if path.is_file())
        result = sandbox.run(CommandSpec(command=f"cat {files}; grep -r 'the secret' ~; echo end", work_tree=work_tree))
        assert "the secret" not in result.output.replace("grep", "")

    def test_files_that_only_root_may_read_stay_closed(self, run: Run) -> None:
        result = run("cat /etc/shadow /etc/gshadow")
        assert "root:" not in result.output

    def test_work_tree_temp_and_shared_memory_are_writable(self, run: Run, work_tree: Path) -> None:
        code = (
            "import multiprocessing as m, tempfile, pathlib\n"
            "q = m.Queue(); q.put(7); print(q.get(timeout=20), m.Pool(2).map(abs, [-1, -2]))\n"
            "tempfile.NamedTemporaryFile().write(b'x'); pathlib.Path('made').write_text('x')"
        )
        result = run(["python3", "-c", code])
        assert result.output == "7 [1, 2]\n"
        assert (work_tree / "made").exists()

    def test_given_temp_keeps_its_files_between_commands(self, run: Run, tmp_path: Path) -> None:
        temp = tmp_path / "kept"
        temp.mkdir()
        run("echo 1 > $TMPDIR/file", temp=temp)
        assert run("cat $TMPDIR/file", temp=temp).output == "1\n"
        assert run("cat $TMPDIR/file").exit_code

    def test_readable_place_is_readable_only(self, run: Run, outside: Path) -> None:
        result = run(f"cat '{outside}/secret'; echo x > '{outside}/secret'", readable=[outside])
        assert result.output.startswith("the secret\n")
        assert (outside / "secret").read_text() == "the secret\n"

    def test_writable_place_is_writable(self, run: Run, outside: Path) -> None:
        run(f"echo new > '{outside}/made'", writable=[outside])
        assert (outside / "made").read_text() == "new\n"


@pytest.mark.usefixtures("only_sandbox")
class TestSecretsOfProcesses:
    def test_environment_is_scrubbed_from_the_start(
        self, monkeypatch: pytest.MonkeyPatch, work_tree: Path, any_sandbox: Sandbox
    ) -> None:
        monkeypatch.setenv("MY_API_KEY", "sk-the-secret")
        monkeypatch.setenv("LD_PRELOAD_MARK", "sk-the-secret")
        assert "sk-the-secret" in plain("env", work_tree).stdout
        sandbox = open_sandbox(any_sandbox.name)
        result = sandbox.run(CommandSpec(command="env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'", work_tree=work_tree))
        assert "PATH=" in result.output
        assert "sk-the-secret" not in result.output

    def test_a_package_manager_is_not_told_to_download_itself(self, run: Run) -> None:
        assert run("echo pnpm: $pnpm_config_pm_on_fail").output.strip() == "pnpm: ignore"

    def test_parent_is_out_of_sight(self, run: Run) -> None:
        result = run(
            f"cat /proc/{os.getpid()}/environ; ls /proc/{os.getpid()}/fd; kill -CONT {os.getpid()} && echo sent"
        )
        assert "PATH=" not in result.output
        assert "sent" not in result.output

    def test_no_descriptor_is_inherited(self, run: Run, outside: Path) -> None:
        with (outside / "secret").open() as file:
            os.set_inheritable(file.fileno(), True)
            result = run(f"for fd in /proc/self/fd/*; do readlink $fd; done; cat <&{file.fileno()}")
        assert "secret" not in result.output


@pytest.mark.usefixtures("only_sandbox")
class TestPrivileges:
    def test_no_capability_is_left(self, run: Run) -> None:
        result = run("grep ^Cap /proc/self/status; grep NoNewPrivs /proc/self/status")
        assert re.findall(r"Cap\w+:\s+(\w+)", result.output) == ["0" * 16] * 5
        assert re.search(r"NoNewPrivs:\s+1", result.output)

    def test_mounts_and_owners_cannot_be_changed(self, run: Run, outside: Path) -> None:
        result = run(
            f"mount -o remount,rw / && echo mounted; mount -t tmpfs none /usr && echo mounted; "
            f"chown 1234 '{outside}/secret' && echo owned; mknod dev b 8 0 && echo made; chroot / true && echo rooted; "
            "unshare -rm true && mount -o remount,rw /usr && echo mounted; echo end"
        )
        words = result.output.split()
        assert not {"mounted", "owned", "rooted"} & set(words)
        assert words[-1] == "end"

    def test_nested_namespaces_give_no_way_out(self, run: Run, outside: Path) -> None:
        run(f"unshare -Urm sh -c 'mount -o remount,rw,bind / ; touch /usr/mimo-mark \"{outside}/mark\"'")
        assert not Path("/usr/mimo-mark").exists()
        assert [p.name for p in outside.iterdir()] == ["secret"]

    def test_no_terminal_to_type_into(self, run: Run) -> None:
        code = "import fcntl, os; fd = os.open('/dev/tty', os.O_RDWR); fcntl.ioctl(fd, 0x5412, b'x'); print('typed')"
        assert "typed" not in run(["python3", "-c", code]).output


@pytest.fixture
def services(outside: Path) -> Iterator[dict[str, str]]:
    """Sockets that somebody outside listens on, and how to connect to each."""
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    by_path, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    path, name = f"/tmp/mimo-test-{os.getpid()}.sock", f"\0mimo-test-{os.getpid()}"
    by_path.bind(path)
    abstract.bind(name)
    listening = [tcp, by_path, abstract]
    for sock in listening:
        sock.listen(20)
    udp.settimeout(0.2)
    connect = "import socket; s = socket.socket(socket.{}); s.connect({!r}); print('connected')"
    yield {
        "tcp": connect.format("AF_INET", tcp.getsockname()),
        "path": connect.format("AF_UNIX", path),
        "abstract": connect.format("AF_UNIX", name),
    }
    for sock in (*listening, udp):
        sock.close()
    Path(path).unlink()


@pytest.mark.usefixtures("only_sandbox")
class TestNetwork:
    def test_sockets_outside_are_out_of_reach(self, run: Run, services: dict[str, str], any_sandbox: Sandbox) -> None:
        for kind, code in services.items():
            if kind == "path" and any_sandbox.name == "landlock":
                continue  # a documented gap: this one lies where the work tree lies
            control = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
            assert control.stdout == "connected\n", kind
            result = run([sys.executable, "-c", code])
            assert "connected" not in result.output, kind
            assert result.exit_code, kind

    def test_nothing_leaves_by_udp_names_or_raw_packets(self, run: Run, any_sandbox: Sandbox) -> None:
        if any("UDP" in gap for gap in any_sandbox.gaps):
            pytest.skip("a documented gap without namespaces")
        code = (
            "import socket\n"
            "def attempt(name, do):\n"
            "    try: do(); print(name, 'open')\n"
            "    except OSError as e: print(name, 'closed')\n"
            "attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))\n"
            "attempt('dns', lambda: socket.getaddrinfo('example.org', 80))\n"
            "attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n"
            "attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))\n"
            "attempt('tcp', lambda: socket.create_connection(('192.0.2.1', 80), 3))\n"
        )
        assert "open" not in run([sys.executable, "-c", code]).output

    def test_loopback_works_inside(self, run: Run) -> None:
        code = (
            "import socket, threading\n"
            "s = socket.create_server(('127.0.0.1', 0))\n"
            "threading.Thread(target=lambda: s.accept()[0].sendall(b'hello')).start()\n"
            "print(socket.create_connection(s.getsockname()).recv(5).decode())"
        )
        result = run([sys.executable, "-c", code])
        assert result.output == "hello\n"

    def test_network_can_be_allowed(self, run: Run, services: dict[str, str]) -> None:
        assert run([sys.executable, "-c", services["tcp"]], network=True).output == "connected\n"


class TestGit:
    @pytest.fixture
    def job(self, git: GitBuilder, work_tree: Path, tmp_path: Path, any_sandbox: Sandbox) -> CommandSpec:
        """A worktree of a repository with history, a later branch and a sibling, given a private git."""
        if any("git does not work" in gap for gap in any_sandbox.gaps) or any_sandbox.name == "none":
            pytest.skip("nothing can be mounted over `.git` here")
        base = git.commit({"a.txt": "one\n"})
        git("branch", "mimo/s/2")
        git.commit({"a.txt": "solution\n"}, "later")
        shutil.rmtree(work_tree)
        git("worktree", "add", "--quiet", "--detach", str(work_tree), base)
        repository = Repository.discover(git.path)
        make_agent_repo(repository, tmp_path / "private", Oid(base), work_tree=work_tree)
        objects = base_objects(repository, Oid(base))
        return CommandSpec(
            command="",
            work_tree=work_tree,
            private_git=tmp_path / "private",
            readable=[objects],
            limits=Limits(timeout_s=30),
        )

    def test_agents_git_works_and_reaches_nothing_real(
        self, any_sandbox: Sandbox, job: CommandSpec, git: GitBuilder
    ) -> None:
        before = git("for-each-ref"), (git.path / ".git" / "config").read_bytes(), (job.work_tree / ".git").read_bytes()
        attack = (
            "echo two > a.txt && git commit -qam two && git branch mine && git config core.hooksPath /evil && "
            "git log --all --format=%s; git for-each-ref --format='%(refname)'; git status --short; echo end"
        )
        output = any_sandbox.run(replace(job, command=attack)).output
        assert "two\n" in output
        assert "later" not in output
        assert "mimo/s/2" not in output
        assert output.endswith("end\n")
        assert before == (
            git("for-each-ref"),
            (git.path / ".git" / "config").read_bytes(),
            (job.work_tree / ".git").read_bytes(),
        )

    def test_pointer_cannot_be_swapped(self, any_sandbox: Sandbox, job: CommandSpec) -> None:
        before = (job.work_tree / ".git").read_bytes()
        swap = "echo 'gitdir: ./evil' > .git; rm -f .git; mv .git old; ln -sf evil .git; mv evil .git; echo end"
        assert any_sandbox.run(replace(job, command=swap)).output.endswith("end\n")
        assert (job.work_tree / ".git").read_bytes() == before

    def test_real_repository_is_hidden(self, any_sandbox: Sandbox, job: CommandSpec, git: GitBuilder) -> None:
        output = any_sandbox.run(replace(job, command=f"ls '{git.path}/.git'; cat '{git.path}/.git/HEAD'")).output
        assert "refs/heads" not in output


class TestChoice:
    def test_unknown_kind_is_a_usage_error(self) -> None:
        with pytest.raises(UsageError):
            open_sandbox("docker")

    def test_missing_bubblewrap_is_refused_with_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxUnavailable) as caught:
            open_sandbox("bwrap", environ={"PATH": str(tmp_path), "HOME": str(tmp_path)})
        assert "not installed" in caught.value.message
        for remedy in ("apt install bubblewrap", "dnf install bubblewrap", "pacman -S bubblewrap", "--sandbox none"):
            assert remedy in caught.value.hint

    @pytest.mark.parametrize(
        "script",
        [
            "echo 'bwrap: Creating new namespace failed: Operation not permitted' >&2; exit 1",
            'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
            "exit 0",
            "kill -SEGV $$",
        ],
    )
    def test_broken_bubblewrap_is_found_out(self, tmp_path: Path, script: str) -> None:
        (tmp_path / "bwrap").write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / "bwrap").chmod(0o755)
        environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        with pytest.raises(SandboxUnavailable):
            open_sandbox("bwrap", environ=environ)

    def test_auto_falls_back_to_landlock_but_never_to_nothing(self, tmp_path: Path) -> None:
        try:
            found = open_sandbox("auto", environ={"PATH": str(tmp_path), "HOME": str(tmp_path)})
        except SandboxUnavailable:
            return
        assert found.name == "landlock"
        assert found.gaps

    def test_every_kind_is_reported(self) -> None:
        assert [found.kind for found in probe_sandboxes()] == ["bwrap", "landlock"]


class TestProfile:
    def test_toolchains_below_home_stay_readable_and_keys_hidden(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        hidden = (".ssh", ".config", ".local/share/keyrings")
        for name in (".pyenv/shims", ".cargo/bin", ".local/bin", "proj/.venv/bin", *hidden):
            (home / name).mkdir(parents=True)
        (home / "proj/.venv/pyvenv.cfg").write_text(f"home = {home}/.pyenv/versions/3/bin\n")
        environ = {
            "HOME": str(home),
            "PATH": f"{home}/proj/.venv/bin:{home}/.config:{home}/.cargo/bin:.:relative:/usr/bin",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        profile = build_policy(environ, interpreter=Path(sys.executable))
        assert home / ".pyenv" in profile.readable
        assert home / "proj/.venv" in profile.readable
        assert home / ".local/bin" in profile.readable
        for name in hidden:
            assert not any((home / name).is_relative_to(place) for place in profile.readable)
        assert home not in profile.readable
        assert profile.env["PATH"].split(":")[-1] == "/usr/bin"
        assert "relative" not in profile.env["PATH"]
        assert "AWS_SECRET_ACCESS_KEY" not in profile.env


def test_program_behind_a_version_managers_shim_runs(
    sandbox: Sandbox, outside: Path, work_tree: Path, tmp_path: Path
) -> None:
    """The manager lies below no home, and one of its versions is a link to elsewhere."""
    root, real = tmp_path / "manager", tmp_path / "elsewhere" / "3.99"
    for path in (root / "shims", root / "libexec", root / "versions", real / "bin"):
        path.mkdir(parents=True)
    (root / "versions" / "3.99").symlink_to(real)
    scripts = {
        root / "shims" / "python": f"exec {root}/libexec/manager exec python",
        root / "libexec" / "manager": f"exec {root}/versions/3.99/bin/python",
        real / "bin" / "python": "echo version 3.99",
    }
    for path, line in scripts.items():
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    environ = {"PATH": f"{root}/shims:/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    if sandbox.name == "bwrap":
        environ["PATH"] += f":{Path(shutil.which('bwrap') or '').parent}"
    job = CommandSpec(command=f"python; cat '{outside}/secret'", work_tree=work_tree, limits=Limits(timeout_s=30))
    result = open_sandbox(sandbox.name, environ=environ).run(job)
    assert result.output.startswith("version 3.99\n")
    assert "the secret" not in result.output


NOBODY = 65534
AS_NOBODY = """
import sys
import tempfile
sys.path.insert(0, {root!r})
from pathlib import Path
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.probe import open_sandbox
any_sandbox = open_sandbox({kind!r})
attack = "id -u; echo x > made; cat {secret} {home}/.netrc; touch /usr/mark; grep CapEff /proc/self/status; echo end"
print(any_sandbox.run(CommandSpec(command=attack, work_tree=Path({work!r}), limits=Limits(timeout_s=30))).output)
"""


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root to become another")
@pytest.mark.parametrize("kind", ["bwrap", "landlock"])
def test_sandbox_works_without_root(kind: str) -> None:
    if kind == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    root = Path(__file__).parents[2]
    place = Path(tempfile.mkdtemp(prefix="mimo-nobody-"))
    try:
        for name in ("home", "work"):
            (place / name).mkdir()
        (place / "home" / ".netrc").write_text("the secret\n")
        (place / "secret").write_text("the secret\n")
        for path in (place, *place.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        code = AS_NOBODY.format(
            root=str(root), kind=kind, secret=place / "secret", home=place / "home", work=str(place / "work")
        )
        done = subprocess.run(
            ["/usr/bin/python3", "-c", code],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            env={"PATH": "/usr/bin:/bin", "HOME": str(place / "home")},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if "ModuleNotFoundError" in done.stderr or "PermissionError" in done.stderr:
            pytest.skip("the system's Python cannot run this checkout")
        assert (place / "work" / "made").read_text() == "x\n", done.stderr
        assert done.stdout.startswith(f"{NOBODY}\n")
        assert "the secret" not in done.stdout
        assert re.search(r"CapEff:\s+0000000000000000\nend", done.stdout)
    finally:
        shutil.rmtree(place)
