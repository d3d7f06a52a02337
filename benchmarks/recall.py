"""Recall over 10,000 facts and 1,000 sessions: first index, warm query, incremental update. Prints figures.

python benchmarks/recall.py [facts] [sessions]
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.memory.facts import FactKind, FactStatus, Source, new_fact, write_fact
from gitmimo.memory.front_matter import write_document
from gitmimo.memory.prefix import prefix_text
from gitmimo.memory.recall import recall

VOCABULARY = (
    "parser schema retry client token cache migration index worker queue socket timeout report config option flag"
    " test fixture build lint module import export column table cursor lock thread signal handler path commit branch"
    " merge patch tree blob session budget ledger price model prompt window stream chunk decode encode escape quote"
)
WORDS = VOCABULARY.split()


def sentence(chooser: random.Random, length: int) -> str:
    return " ".join(chooser.choice(WORDS) + str(chooser.randrange(60)) for _ in range(length))


def build(directory: Path, facts: int, sessions: int) -> tuple[Repository, str]:
    chooser = random.Random(7)
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    commit = ("git", "-C", str(directory), *identity, "commit", "-q", "--allow-empty", "-m", "base")
    subprocess.run(commit, check=True)
    repository = Repository.discover(directory)
    sources = {f"src/m{n}.py": f"module {n}\n".encode() for n in range(300)}
    tree = put_files(repository, repository.tree_of("HEAD"), sources)
    blobs = {path: entry.oid for path in sources if (entry := repository.find_entry(tree, path))}
    files: dict[str, bytes | None] = {}
    for number in range(facts):
        path = f"src/m{chooser.randrange(300)}.py"
        fact = new_fact(
            kind=chooser.choice(list(FactKind)),
            text=f"Number {number}: {sentence(chooser, 14)}",
            created=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            status=FactStatus.VERIFIED,
            sources=[Source(path=path, blob=blobs[path])],
        )
        files[fact.path] = write_fact(fact)
    for number in range(sessions):
        header = {"session": f"{number:010d}", "task": sentence(chooser, 10), "status": "passed"}
        body = "\n".join(sentence(chooser, 12) for _ in range(30))
        files[f".mimo/sessions/{number:010d}.md"] = write_document(header, body)
    return repository, put_files(repository, tree, files)


def timed(label: str, action: Callable[[], object], *, repeat: int = 1) -> None:
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    print(f"{label:45} median {statistics.median(seconds) * 1000:9.1f} ms   worst {max(seconds) * 1000:9.1f} ms")


def main() -> None:
    facts, sessions = (int(text) for text in (sys.argv[1:] or ["10000", "1000"]))
    with tempfile.TemporaryDirectory() as scratch:
        repository, tree = build(Path(scratch) / "repo", facts, sessions)
        print(f"{facts} facts, {sessions} sessions")
        timed("first index and query", lambda: recall(repository, tree, "schema12 migration3"))
        chooser = random.Random(8)
        timed("warm query, 2 words", lambda: recall(repository, tree, sentence(chooser, 2)), repeat=50)
        timed("warm query, 12 words", lambda: recall(repository, tree, sentence(chooser, 12)), repeat=50)
        timed("warm query, no match", lambda: recall(repository, tree, "zzzzqq"), repeat=20)
        timed("prompt prefix, warm", lambda: prefix_text(repository, tree), repeat=5)
        extra = new_fact(kind=FactKind.LESSON, text="Quokkas", created=datetime(2026, 2, 1, tzinfo=UTC))
        later = put_files(repository, tree, {extra.path: write_fact(extra)})
        timed("one fact added", lambda: recall(repository, later, "quokkas"))
        timed("and back", lambda: recall(repository, tree, "schema12"))


if __name__ == "__main__":
    main()
