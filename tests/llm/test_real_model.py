"""The real local model (opt in with `-m localmodel`): wants it pulled, or MIMO_TEST_GGUF with its path."""

import os
from pathlib import Path

import pytest

from gitmimo.llm.local import LocalSettings
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import Message
from tests.llm.asking import ask

GGUF = os.environ.get("MIMO_TEST_GGUF", "")

pytestmark = pytest.mark.localmodel


def test_the_real_model_answers_and_counts(tmp_path: Path) -> None:
    if not GGUF:
        pytest.skip("set MIMO_TEST_GGUF to the file of qwen2.5-coder")
    (tmp_path / "real.gguf").symlink_to(GGUF)
    settings = Settings(
        environ={},
        key_for=lambda provider: None,
        local=LocalSettings(model_dir=tmp_path, state_dir=tmp_path / "state", n_ctx=2048),
    )
    model = open_model("local/real", settings)
    question = (Message(role="user", content="Write a Python function `add(a, b)`. Only code."),)
    heard: list[str] = []
    reply = ask(model, question, temperature=0.0, max_tokens=60, on_text=heard.append)
    assert "def add(a, b)" in reply.text
    assert reply.text == "".join(heard)
    assert reply.usage_known
    assert reply.cost_usd == 0
    again = ask(model, question, temperature=0.0, max_tokens=60)
    assert again.text == reply.text
    assert again.usage.cached > 0
    cut = ask(model, question, max_tokens=400, temperature=0.0, on_text=heard.append, cancelled=lambda: len(heard) > 70)
    assert cut.finish_reason in ("cancelled", "stop")
    model.close()
    assert not list((tmp_path / "state" / "local").glob("*.json"))
    after = ask(model, question, temperature=0.0, max_tokens=60)  # another server, which knows what the first has read
    model.close()
    assert after.usage.cached > 10
    assert after.text == reply.text
    (prefix,) = (tmp_path / "state" / "local").glob("*.prefix")
    assert prefix.stat().st_mode & 0o077 == 0
