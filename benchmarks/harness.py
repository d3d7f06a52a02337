"""A strong model's recorded work, played to git-mimo and to mini-swe-agent: steps and prompt tokens until the end.

    python -m benchmarks.harness --mini ~/peers/mini/bin/mini

Each program gets the same project and task, and the model does the same in both: it reads the same files, makes the
same changes, adds the same tests and looks at the same results. git-mimo's model uses git-mimo's tools as they were
recorded; for mini-swe-agent, which has bash alone, all calls of a reply become one command, and since it runs no tests
at its end, the model runs them in its last step before that. Tokens are counted in the same way for both by the
scripted server. The last row is a task of 60 steps that each print 40 lines.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.recorded import TASKS, Call, Recorded, make_environment, make_project
from tests.scripted_server import Answer, Request, ScriptedServer

SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
LONG = 60
_LONG_TASK = Recorded(
    files={"numbers.txt": "".join(f"line {n}: {'x' * 40}\n" for n in range(1, 2401)), "README.md": "# Numbers\n"},
    task="Read numbers.txt in 58 parts, then write the file done.txt.",
    test="true",
    replies=(
        *((("shell", {"command": f"sed -n {n * 40 + 1},{n * 40 + 40}p numbers.txt"}),) for n in range(LONG - 2)),
        (("write", {"path": "done.txt", "content": "done\n"}),),
        (("finish", {"title": "Read the numbers", "summary": "All parts were read."}),),
    ),
)
_REPLACE = """python3 - <<'END_OF_EDIT'
from pathlib import Path
path = Path({path!r})
text = path.read_text()
for old, new in {edits!r}:
    assert text.count(old) == 1, old
    text = text.replace(old, new)
path.write_text(text)
END_OF_EDIT"""


def main() -> None:
    """Play all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mini", type=Path, help="the `mini` program of an installed mini-swe-agent")
    parser.add_argument("--only", help="one of the tasks")
    options = parser.parse_args()
    tasks = {**TASKS, f"{LONG} steps": _LONG_TASK}
    print("| recorded task | git-mimo: steps | prompt tokens | mini-swe-agent: steps | prompt tokens |")
    print("|---|---:|---:|---:|---:|")
    for name, recorded in tasks.items():
        if options.only not in (None, name):
            continue
        cells = _cells(recorded, _mimo(recorded), recorded.replies)
        if options.mini:
            replies = tuple(_in_bash(recorded))
            cells += _cells(recorded, _mini(options.mini.absolute(), recorded), replies)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _mimo(recorded: Recorded) -> Sequence[str]:
    return (
        sys.executable, "-m", "gitmimo", "start", "--task", recorded.task, "--model", "openai/scripted", "-n", "1",
        "--critic", "none", "--max-steps", str(LONG + 5), "--max-tokens", "1000000000", "--json",
        *(() if recorded in TASKS.values() else ("--test", recorded.test)),
    )  # fmt: skip


def _mini(program: Path, recorded: Recorded) -> Sequence[str]:
    return (
        str(program), "-m", "openai/scripted", "-t", f"{recorded.task}\n\nThe tests run with: {recorded.test}", "-y",
        "--exit-immediately", "-l", "0", "-c", "mini.yaml", "-c", "model.cost_tracking=ignore_errors", "-o", "out.json",
    )  # fmt: skip


def _cells(recorded: Recorded, command: Sequence[str], replies: Sequence[Sequence[Call]]) -> list[str]:
    """Steps and prompt tokens of one run; stops with what the program said when it did not use all replies."""
    with tempfile.TemporaryDirectory(prefix="mimo-harness-") as made, ScriptedServer() as server:
        home, place = Path(made, "home"), Path(made, "project")
        home.mkdir()
        place.mkdir()
        environ = make_environment(
            home, server.base_url, MSWEA_CONFIGURED="true", MSWEA_COST_TRACKING="ignore_errors",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        )  # fmt: skip
        make_project(recorded, place, environ=environ)
        server.scripts["*"] = _script(replies)
        done = subprocess.run(
            command,
            cwd=place / recorded.directory,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if len(server.requests) != len(replies):
            output = f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
            raise SystemExit(f"{command[0]}: {len(server.requests)} requests for {len(replies)} replies\n{output}")
        return [f"{len(replies)}", f"{sum(request.prompt_tokens for request in server.requests):,}"]


def _script(replies: Sequence[Sequence[Call]]) -> Callable[[Request], Answer]:
    left = iter(replies)

    def answer(request: Request) -> Answer:
        calls = next(left, None)
        if calls is None:
            return Answer(status=400, text="no reply is left")
        return Answer(text="Next.", tool_calls=tuple((tool, json.dumps(arguments)) for tool, arguments in calls))

    return answer


def _in_bash(recorded: Recorded) -> Iterator[tuple[Call, ...]]:
    """The replies in mini-swe-agent's only tool, from the user's current directory."""
    up = "cd " + "/".join(".." for _ in Path(recorded.directory).parts) + "\n" if recorded.directory else ""
    for calls in recorded.replies:
        commands = [_command(tool, arguments) for tool, arguments in calls if tool != "finish"]
        is_last = any(tool == "finish" for tool, _ in calls)
        if is_last:
            commands.append(recorded.test)
        yield (("bash", {"command": up + "\n".join(commands)}),)
        if is_last:
            yield (("bash", {"command": SUBMIT}),)


def _command(tool: str, arguments: Mapping[str, Any]) -> str:
    if tool == "shell":
        return f"({arguments['command']}\n)"
    if tool == "read":
        return f"cat -n {shlex.quote(arguments['path'])}"
    if tool == "write":
        return f"cat > {shlex.quote(arguments['path'])} <<'END_OF_FILE'\n{arguments['content']}END_OF_FILE"
    return _REPLACE.format(path=arguments["path"], edits=[(e["old"], e["new"]) for e in arguments["edits"]])


if __name__ == "__main__":
    main()
