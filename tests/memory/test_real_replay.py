"""A real model solves a task once, a skill solves it ever after (opt in with `-m localmodel`)."""

import os
from pathlib import Path

import pytest

from benchmarks.replay import replay

GGUF = os.environ.get("MIMO_TEST_GGUF", "")

pytestmark = [pytest.mark.localmodel, pytest.mark.timeout(1800)]


def test_what_the_model_solved_once_needs_no_model_in_a_fresh_clone(tmp_path: Path) -> None:
    if not GGUF:
        pytest.skip("set MIMO_TEST_GGUF to the file of qwen2.5-coder")
    first, second, third = replay(tmp_path, Path(GGUF))
    assert first.result["status"] == "passed"
    assert first.result["llm_calls"] > 0
    for run in (second, third):
        assert (run.result["status"], run.result["winner"], run.result["llm_calls"]) == ("passed", 0, 0)
        assert run.result["skill"]
        assert "suite pass" in run.gates
        assert "fail" not in run.gates
