"""The embedded model's server: started on demand, shared, and gone after its last user."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitmimo.errors import NoModel
from gitmimo.files import FileLock
from gitmimo.llm import local
from gitmimo.llm.local import LocalSettings, release_servers, stop_servers
from gitmimo.llm.local_server import is_memory_short
from gitmimo.llm.model import RemoteModel, RetryPolicy
from gitmimo.llm.routing import Settings, open_model
from gitmimo.processes import cpu_quota, physical_cores
from gitmimo.records import Message
from tests.llm.asking import ask

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model folder with one file, and the stand-in for the model library."""
    stand_in = Path(__file__).parent / "stand_in"
    monkeypatch.syspath_prepend(stand_in)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(stand_in), str(ROOT))))
    (tmp_path / "m.gguf").write_bytes(b"GGUF and weights")
    yield tmp_path
    release_servers()
    local._leases.clear()


def opened(folder: Path, name: str = "local/m", *, linger_s: float = 0.0) -> RemoteModel:
    settings = Settings(
        environ={},
        key_for=lambda provider: None,
        local=LocalSettings(model_dir=folder, state_dir=folder / "state", linger_s=linger_s),
        retries=RetryPolicy(first_wait_s=0.01, longest_wait_s=0.1),
    )
    return open_model(name, settings)


def say(model: RemoteModel, text: str = "hello") -> str:
    return ask(model, (Message(role="user", content=text),)).text


def server_pid(model: RemoteModel) -> int:
    return int(say(model).split()[0])


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_gone(pid: int, seconds: float = 20.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def test_the_server_starts_with_the_first_call_and_ends_with_the_last_user(folder: Path) -> None:
    model = opened(folder)
    assert not (folder / "state").exists()
    pid = server_pid(model)
    assert server_pid(model) == pid
    model.close()
    assert not is_running(pid)
    assert list((folder / "state" / "local").glob("*.json")) == []


def test_two_models_of_one_file_share_a_server(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        pids = set(pool.map(lambda _: server_pid(opened(folder)), range(4)))
    assert len(pids) == 1


def test_what_is_written_about_the_server_is_for_its_user_alone(folder: Path) -> None:
    model = opened(folder)
    pid = server_pid(model)
    (state,) = (folder / "state" / "local").glob("*.json")
    assert state.stat().st_mode & 0o077 == 0
    key = json.loads(state.read_text())["key"]
    assert key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert key.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_server_that_died_is_started_again(folder: Path) -> None:
    model = opened(folder)
    pid = server_pid(model)
    os.kill(pid, signal.SIGKILL)
    assert wait_gone(pid)
    assert server_pid(model) not in (pid, 0)


def test_the_servers_own_look_for_users_is_waited_out(folder: Path) -> None:
    model = opened(folder)
    backend = model.backend
    assert isinstance(backend, local.LocalBackend)
    looking = FileLock(backend._server._lease.path)
    assert looking.acquire()
    threading.Timer(0.2, looking.release).start()
    assert say(model)


OTHER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.llm.test_local import opened, server_pid
model = opened(Path(sys.argv[1]))
print(server_pid(model), flush=True)
sys.stdin.read()
"""


def other_process(folder: Path) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", OTHER, str(folder), str(ROOT)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_share_a_server_until_the_last_is_gone(folder: Path) -> None:
    model = opened(folder)
    with other_process(folder) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert server_pid(model) == pid
    assert is_running(pid)
    assert server_pid(model) == pid
    model.close()
    assert not is_running(pid)


def test_a_killed_user_leaves_no_server_behind(folder: Path) -> None:
    with other_process(folder) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert is_running(pid)
        other.kill()
    assert wait_gone(pid)
    assert list((folder / "state" / "local").glob("*.json")) == []


def test_a_lingering_server_serves_the_next_user(folder: Path) -> None:
    first = opened(folder, linger_s=1.5)
    pid = server_pid(first)
    first.close()
    assert server_pid(opened(folder, linger_s=1.5)) == pid
    release_servers()
    assert wait_gone(pid)


def test_an_idle_server_is_stopped_on_demand_and_one_in_use_is_not(folder: Path) -> None:
    model = opened(folder, linger_s=600)
    pid = server_pid(model)
    assert stop_servers(folder / "state") == ()
    model.close()
    assert is_running(pid)
    assert stop_servers(folder / "state") == ("m",)
    assert wait_gone(pid)
    assert stop_servers(folder / "state") == ()


def test_memory_is_short_when_little_of_it_is_available(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    for available, is_short in ((900_000, False), (50_000, True)):
        told.write_text(f"MemTotal: 1000000 kB\nMemFree: 10 kB\nMemAvailable: {available} kB\n")
        assert is_memory_short(told) is is_short
    assert not is_memory_short(tmp_path / "nothing")


def test_an_idle_server_ends_when_memory_is_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMINFO_OF_TEST", str(folder / "meminfo"))
    model = opened(folder, linger_s=600)
    pid = server_pid(model)
    (folder / "meminfo").write_text("MemTotal: 1000000 kB\nMemAvailable: 5000 kB\n")
    assert is_running(pid)
    model.close()
    assert wait_gone(pid)


def test_a_missing_model_names_the_command_that_fetches_it(folder: Path) -> None:
    with pytest.raises(NoModel) as caught:
        opened(folder, "local")
    assert caught.value.hint == "git mimo models pull qwen2.5-coder-1.5b"


def test_a_damaged_model_is_told_with_the_reason(folder: Path) -> None:
    (folder / "m.gguf").write_bytes(b"nonsense")
    with pytest.raises(NoModel, match="failed to load model"):
        say(opened(folder))


def test_a_missing_library_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(folder)
    broken = folder / "broken"
    broken.mkdir()
    (broken / "xllamacpp.py").write_text("raise ImportError('of another platform')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    with pytest.raises(NoModel, match="another platform") as caught:
        say(model)
    assert "xllamacpp" in caught.value.hint


def test_there_is_at_least_one_core_and_no_more_than_the_quota_gives(tmp_path: Path) -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    own = tmp_path / "own"
    own.write_text("0::/box\n")
    (tmp_path / "box").mkdir()
    for text, cores in (("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", None)):
        (tmp_path / "box" / "cpu.max").write_text(text)
        assert cpu_quota(tmp_path, own) == cores
    assert cpu_quota(tmp_path / "nothing", own) is None
