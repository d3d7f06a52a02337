"""Small programs that speak as the documents of agents say that these speak: for those that can't be run here.

Each mends the project, says on standard error what it was given, and prints its report in the documented form.
"""

from pathlib import Path

_SAY = """\
#!/bin/sh
for word in "$@"; do printf 'argument <%s>\\n' "$word" >&2; done
env | sed -n 's/^\\([A-Z_]*_API_KEY\\)=.*/key \\1/p' >&2
sed -i 's/a - b/a + b/' calc.py
"""
_REPORTS = {
    "claude": """\
cat <<'END'
{"type":"result","subtype":"success","is_error":false,"duration_ms":5120,"duration_api_ms":4890,"num_turns":6,
"result":"Swapped the operator; both tests pass.","session_id":"8f1c","total_cost_usd":0.0123,
"usage":{"input_tokens":12,"cache_creation_input_tokens":900,"cache_read_input_tokens":4000,"output_tokens":310}}
END
""",
    "codex": """\
cat "$CODEX_HOME/AGENTS.md" >&2
cat <<'END'
{"type":"thread.started","thread_id":"0199a213"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":"bash -lc ls","exit_code":0}}
{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"`add` adds now."}}
{"type":"turn.completed","usage":{"input_tokens":20000,"cached_input_tokens":15000,"output_tokens":1000}}
END
""",
}


def put_agents(directory: Path, **also: str) -> Path:
    """Write the programs into `directory/bin` and return that; `also` adds scripts of the same kind by name."""
    place = directory / "bin"
    place.mkdir(parents=True, exist_ok=True)
    for name, report in {**_REPORTS, **also}.items():
        program = place / name
        program.write_text(_SAY + report)
        program.chmod(0o755)
    return place
