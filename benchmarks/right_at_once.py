"""What a session costs whose model is right at once, beside one run of the project's tests.

    python -m benchmarks.right_at_once [--suite-s 2.4] [--runs 3] [--program | --hang]

The project has five functions, all of them wrong, and 24 tests that keep a core busy for the suite's time. A scripted
server answers with all repairs in its first reply and with the finish in its second, at which the candidate's own copy
is tested; with `--program` another agent's program writes them, which tests nothing. Suite and session take turns.
With `--hang` one of the tests does not end on the base, and the strategy is that of small models, which waits for the
failing output: how much later the first request is sent than in the project without the hang.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.scripted_server import Answer, ScriptedServer

ROOT = Path(__file__).parent.parent
_OPERATORS = {"plus": "+", "minus": "-", "times": "*", "over": "//", "rest": "%"}
_TEST = """
import time

import pytest

from calc import {names}


def _work():
    began = time.process_time()
    while time.process_time() - began < {each_s}:
        sum(range(1000))

"""


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite-s", type=float, default=2.4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--program", action="store_true")
    parser.add_argument("--hang", action="store_true")
    options = parser.parse_args()
    if options.hang:
        rows = [
            [_session(options.suite_s, hangs=h, strategy="patch")[1] for h in (False, True)]
            for _ in range(options.runs)
        ]
        plain, hanging = map(statistics.median, zip(*rows, strict=True))
        print(f"first request after {plain:.2f} s, with a hanging test after {hanging:.2f} s")
        return
    suites, sessions, firsts = [], [], []
    for _ in range(options.runs):
        suites.append(_suite(options.suite_s))
        session, first = _session(options.suite_s, hangs=False, strategy="" if options.program else "shell")
        sessions.append(session)
        firsts.append(first)
    suite, session = statistics.median(suites), statistics.median(sessions)
    print(f"suite {suite:.2f} s, session {session:.2f} s, first request after {statistics.median(firsts):.2f} s")
    print(f"aim: 2.5 times the suite and 2 s: {2.5 * suite + 2:.2f} s")


def _suite(suite_s: float) -> float:
    with tempfile.TemporaryDirectory(prefix="mimo-bench-") as name:
        repository = _repository(Path(name), suite_s, hangs=False)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=repository, check=False, capture_output=True)
        return time.perf_counter() - began


def _session(suite_s: float, *, hangs: bool, strategy: str = "shell") -> tuple[float, float]:
    """Seconds of the whole session, and until its first request."""
    with tempfile.TemporaryDirectory(prefix="mimo-bench-") as name, ScriptedServer({"*": _answers()}) as server:
        repository = _repository(Path(name), suite_s, hangs=hangs)
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_BASE": server.base_url,
                       "OPENAI_API_KEY": "none", "HOME": name, "XDG_STATE_HOME": f"{name}/state",
                       "GIT_MIMO_DREAM": "off", "PYTHONPATH": str(ROOT)}  # fmt: skip
        worker = _model(strategy) if strategy else _program()
        command = (
            sys.executable, "-m", "gitmimo", "start", "--task", "Mend the functions of calc.py.", "-n", "1", "--critic",
            "none", "--test", f"{sys.executable} -m pytest -q", "--json", *worker,
        )  # fmt: skip
        began = time.time()
        done = subprocess.run(command, cwd=repository, env=environment, check=False, capture_output=True, text=True)
        seconds = time.time() - began
        if done.returncode not in (0, 1, 2):
            sys.exit(f"exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return seconds, server.requests[0].came - began if strategy else 0.0


def _model(strategy: str) -> tuple[str, ...]:
    return "--model", "openai/scripted", "--strategy", strategy, "--protocol", "tools", "--max-tokens", "1000000"


def _program() -> tuple[str, ...]:
    return "--agent", f"cmd:printf %s {shlex.quote(_repaired())} > calc.py"


def _repaired() -> str:
    functions = (f"def {name}(a, b):\n    return a {sign} b\n" for name, sign in _OPERATORS.items())
    return "\n\n".join(functions)


def _answers() -> list[Answer]:
    write = ("write", json.dumps({"path": "calc.py", "content": _repaired()}))
    finish = ("finish", json.dumps({"title": "Mend the functions", "summary": "Each returns what its name says."}))
    return [Answer(tool_calls=(write,)), Answer(tool_calls=(finish,), repeat=True)]


def _repository(scratch: Path, suite_s: float, *, hangs: bool) -> Path:
    path = scratch / "repo"
    path.mkdir()
    wrong = dict.fromkeys(_OPERATORS, "return a - b - 1") | (
        {"rest": "while b == 4:\n        pass\n    return a - b - 1"} if hangs else {}
    )
    (path / "calc.py").write_text("".join(f"def {name}(a, b):\n    {body}\n\n\n" for name, body in wrong.items()))
    text = _TEST.format(names=", ".join(_OPERATORS), each_s=suite_s / 24)
    for name, sign in _OPERATORS.items():
        text += f"\ndef test_{name}():\n    _work()\n    assert {name}(7, 2) == 7 {sign} 2\n\n"
        text += f"\ndef test_{name}_again():\n    _work()\n    assert {name}(9, 4) == 9 {sign} 4\n\n"
    text += "\n@pytest.mark.parametrize('n', range(14))\ndef test_work(n):\n    _work()\n    assert n + 1 > n\n"
    (path / "test_calc.py").write_text(text)
    git = ["git", "-C", str(path), "-c", "user.name=B", "-c", "user.email=b@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for name, value in (("user.name", "B"), ("user.email", "b@example.org")):
        subprocess.run([*git, "config", name, value], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "base"], check=True)
    return path


if __name__ == "__main__":
    main()
