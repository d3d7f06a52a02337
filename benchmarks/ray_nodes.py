"""One session twice, embedded and on a Ray cluster of several nodes of which one is killed: the verdict is the same.

    python -m benchmarks.ray_nodes --candidates 16 --nodes 4

Each node is a raylet of its own on this machine; nodes share no repository, only what Ray carries. A scripted server
answers by how far a conversation has come, so a repeated step gets the same answer again. Every second candidate is
right; the node of candidate 2 is killed when its third step has arrived. Prints a JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.project import PROJECT, RIGHT, WRONG
from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
VICTIM = 2
_OF_NODES = ("PYTHONPATH", "XDG_STATE_HOME", "RAY_USAGE_STATS_ENABLED")
TASK = "add returns the difference instead of the sum; mend it"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that the model takes to answer")
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--stop", action="store_true", help="interrupt a second session on the nodes that are left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-") as name, ScriptedServer() as server:
        runs = Runs(Path(name), server, options)
        embedded, cluster = runs.embedded(), runs.on_cluster()
    found = compare(embedded, cluster, options.candidates)
    print(json.dumps(found, indent=1))
    return 0 if found["same_verdict"] else 1


class Runs:
    """The same project and script for both runs."""

    def __init__(self, home: Path, server: ScriptedServer, options: argparse.Namespace) -> None:
        self.home = home
        self.options = options
        self.server = server
        self.requests: list[str] = []
        server.scripts["*"] = self._answer
        self.environment = dict(os.environ) | {
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(home / "state"),
            "OPENAI_API_BASE": server.base_url,
            "OPENAI_API_KEY": "sk-never-on-a-worker-0123456789",
            "GIT_MIMO_MAX_TOKENS": "10000000",
            "GIT_MIMO_CRITIC": "none",
            "GIT_MIMO_DREAM": "off",
            "GIT_MIMO_SANDBOX": os.environ.get("GIT_MIMO_SANDBOX", "auto"),
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def _answer(self, request: Request) -> Answer:
        """The answer that follows from how many there were."""
        number = int(request.model.rpartition("c")[2])
        done = sum(message["role"] == "assistant" for message in request.messages)
        self.requests.append(f"{number}.{done}")
        if done + 2 < self.options.steps:
            calls = (("shell", json.dumps({"command": f"echo step {done} > notes{done}.txt; true"})),)
        elif done + 2 == self.options.steps:
            text = RIGHT if number % 2 else WRONG
            calls = (
                ("shell", json.dumps({"command": "rm -f notes*.txt"})),
                ("write", json.dumps({"path": "calc.py", "content": text})),
            )
        else:
            calls = (("finish", json.dumps({"summary": "mended"})),)
        return Answer(text="Next.", tool_calls=calls, latency_s=self.options.latency)

    def embedded(self) -> dict[str, Any]:
        return self._session(self._project("embedded"), ())

    def on_cluster(self) -> dict[str, Any]:
        from ray.cluster_utils import Cluster

        # nodes of their own: what the driver knows as secret is not in their environment either
        os.environ.update({name: value for name, value in self.environment.items() if name in _OF_NODES})
        os.environ.pop("OPENAI_API_KEY", None)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            share = -(-self.options.candidates // self.options.nodes)
            nodes = [cluster.add_node(num_cpus=share) for _ in range(self.options.nodes)]
            project = self._project("cluster")
            self.requests.clear()
            process = self._start(project, ("--executor", "ray", "--ray-address", cluster.address))
            began = time.time()
            killed = None if self.options.no_kill else self._kill(cluster, nodes, project, process)
            said = self._finish(process)
            said |= {"seconds_outside": time.time() - began, "killed": killed, "requests": list(self.requests)}
            if self.options.stop:
                said["stopped"] = self._stop(self._project("stopped"), cluster.address)
            logs = Path(cluster.head_node.get_session_dir_path())
            return said | {"left": self._left(), "key_seen_in": self._files_with_key(logs)}
        finally:
            cluster.shutdown()

    def _stop(self, project: Path, address: str) -> dict[str, Any]:
        """Interrupt a second session as Ctrl-C does, when the first step of a candidate has arrived."""
        self.options.steps = 200
        process = self._start(project, ("--executor", "ray", "--ray-address", address))
        while process.poll() is None and not _git(project, "for-each-ref", "refs/heads/mimo/"):
            time.sleep(0.05)
        began = time.time()
        process.send_signal(signal.SIGINT)
        said = self._finish(process)
        seconds, asked = round(time.time() - began, 2), len(self.requests)
        time.sleep(4 * self.options.latency)
        return {
            "exit_code": process.returncode,
            "seconds": seconds,
            "statuses": sorted({candidate["status"] for candidate in said["candidates"]}),
            "steps": sum(candidate["steps"] for candidate in said["candidates"]),
            "calls_after": len(self.requests) - asked,
        }

    def _files_with_key(self, logs: Path) -> list[str]:
        """Files that Ray or the nodes wrote and that contain the model's key."""
        key = self.environment["OPENAI_API_KEY"].encode()
        places = (logs, self.home / "state/git-mimo/ray")
        files = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
        return [path.name for path in files if key in path.read_bytes()]

    def _left(self) -> list[str]:
        """What workers that came to an end left on their nodes besides the objects they keep."""
        return [path.name for works in self._works() for path in works.iterdir() if path.is_dir()]

    def _works(self) -> list[Path]:
        """Where each node keeps the worktrees of what it works on."""
        return list((self.home / "state/git-mimo/ray").glob("*/work"))

    def _kill(
        self, cluster: Any, nodes: list[Any], project: Path, process: "subprocess.Popen[str]"
    ) -> Mapping[str, Any]:
        """Kill the node on which the victim works, once its third step has arrived here."""
        while process.poll() is None:
            tip = _git(project, "for-each-ref", "--format=%(objectname)", f"refs/heads/mimo/*/{VICTIM}")
            steps = int(_git(project, "rev-list", "--count", f"main..{tip}")) if tip else 0
            work = [path for works in self._works() for path in works.glob(f"*-{VICTIM}-0-*")]
            if steps >= 3 and work:
                place = work[0].parent.parent.name
                node = next(node for node in nodes if node.node_id.startswith(place))
                cluster.remove_node(node, allow_graceful=False)
                return {"node": place[:8], "after_steps": steps}
            time.sleep(0.05)
        return {}

    def _project(self, name: str) -> Path:
        place = self.home / name
        for path, text in PROJECT.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
        _git(place, "init", "-q", "-b", "main")
        for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
            _git(place, "config", key, value)
        _git(place, "add", "-A")
        _git(place, "commit", "-qm", "calc: sums")
        return place

    def _session(self, project: Path, more: tuple[str, ...]) -> dict[str, Any]:
        self.requests.clear()
        return self._finish(self._start(project, more)) | {"requests": list(self.requests)}

    def _start(self, project: Path, more: tuple[str, ...]) -> "subprocess.Popen[str]":
        words = ["start", "--task", TASK, "--json", "-n", str(self.options.candidates), "--fanout", "all", *more]
        for number in range(1, self.options.candidates + 1):
            words += ["--model", f"openai/c{number}"]
        return subprocess.Popen(
            [sys.executable, "-m", "gitmimo", *words],
            cwd=project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finish(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        out, err = process.communicate()
        if not out.startswith("{"):
            raise AssertionError(f"exit {process.returncode}: {out[:1000]} {err[-4000:]}")
        found: dict[str, Any] = json.loads(out)
        return found


def compare(embedded: dict[str, Any], cluster: dict[str, Any], candidates: int) -> dict[str, Any]:
    """What has to be the same, and what the way costs."""
    views = [_verdict(embedded), _verdict(cluster)]
    victim = [request for request in cluster["requests"] if request.startswith(f"{VICTIM}.")]
    longest = [max(c["seconds"] for c in run["candidates"]) for run in (embedded, cluster)]
    return {
        "same_verdict": views[0] == views[1],
        "verdict": views[1] if views[0] == views[1] else views,
        "killed": cluster["killed"],
        "victims_calls": victim,
        "calls_made_twice": len(cluster["requests"]) - len(set(cluster["requests"])),
        "seconds": {"embedded": round(embedded["seconds"], 2), "ray": round(cluster["seconds"], 2)},
        "slowest_candidate": [round(seconds, 2) for seconds in longest],
        "overhead_a_candidate": round((cluster["seconds"] - embedded["seconds"]) / candidates, 2),
        "left_on_nodes": cluster["left"],
        "key_seen_in": cluster["key_seen_in"],
        "stopped": cluster.get("stopped"),
    }


def _verdict(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": result["status"],
        "winner": result["winner"],
        "candidates": [
            {
                "n": c["n"],
                "status": c["status"],
                "steps": c["steps"],
                "tree": c["tree"],
                "gates": [(gate["name"], gate["outcome"]) for gate in (c["evidence"] or {}).get("gates", ())],
            }
            for c in result["candidates"]
        ],
    }


def _git(place: Path, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(place), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
