"""`/dream` in a conversation: its turns become facts, and the merged sessions become memory and skills."""

from collections.abc import Sequence
from dataclasses import replace

from gitmimo.chat.conversation import Conversation, Turn, task_turn
from gitmimo.chat.screen import Screen
from gitmimo.config import Config
from gitmimo.errors import JournalError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId
from gitmimo.workflow.dream_landing import merge_dream
from gitmimo.workflow.history import read_all, read_session
from gitmimo.workflow.skilled import dream_over


def condense(repository: Repository, talk: Conversation) -> Conversation:
    """Every turn as a fact; sessions are read anew, since they may have been merged meanwhile."""
    return replace(talk, turns=tuple(_as_it_stands(repository, turn) for turn in talk.turns)).condensed()


def dream(repository: Repository, config: Config, screen: Screen, names: Sequence[str], *, merges: bool) -> int:
    """Dream over the named sessions, or all that were merged, and offer what was learned to the branch."""
    wanted = tuple(names) or tuple(s.result.session for s in read_all(repository) if s.result.merged)
    if not wanted:
        screen.say("no session was merged yet, so there is nothing to dream of")
        return 0
    screen.status(f"dreaming over {len(wanted)} sessions")
    found, branch = dream_over(repository, config, wanted, everything=False, with_model=False, dry_run=False)
    screen.status("")
    for learned in found.learned:
        if learned.skill is not None:
            screen.say(f"{learned.session}: {learned.recorded_steps} steps, {learned.kept_steps} kept, replayed twice")
    if found.is_empty or branch is None:
        screen.say(f"nothing to learn: {found.nothing_because}")
        return 0
    screen.say(found.message.split("\n")[0])
    screen.out(branch)
    target = repository.head_branch()
    if target is None:
        raise UsageError("HEAD is detached, so there is no branch to merge the dream into", hint=f"git merge {branch}")
    if not merges and screen.is_terminal:
        merges = (screen.ask(f"merge it into {target}? [y/N] ") or "").strip().lower() in ("y", "yes")
    if not merges:
        screen.hint(f"git log -p -1 {branch}")
        screen.hint(f"git merge {branch}")
        return 0
    commit = merge_dream(repository, branch, target)
    screen.say(f"{target} is now {commit[:12]}")
    return 0


def _as_it_stands(repository: Repository, turn: Turn) -> Turn:
    if not turn.session:
        return turn
    try:
        return task_turn(read_session(repository, SessionId(turn.session)).result)
    except JournalError:
        return turn
