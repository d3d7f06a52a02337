"""A candidate's transcript for the terminal: messages, commands, output and edits."""

from collections.abc import Iterator, Sequence

from gitmimo.cli import render
from gitmimo.format import counted, seconds, tokens, usd
from gitmimo.records import Action, ActionKind, Observation, Step
from gitmimo.report.step_text import about, kinds_of, used
from gitmimo.results import CandidateResult
from gitmimo.text import escape_controls

_FIRST, _LAST = 3, 8  # lines of an output that is folded
_MOST_SAID = 12


def transcript(candidate: CandidateResult, steps: Sequence[Step], *, full: bool) -> str:
    """Every step; long outputs and files are folded to their ends unless `full`."""
    spent = f"{tokens(candidate.usage.total)} tokens, {usd(candidate.cost_usd)}, {seconds(candidate.seconds)}"
    lines = [
        render.paint(f"candidate {candidate.number} ({candidate.worker}): {candidate.status}, {spent}", "bold"),
        *([f"approach: {escape_controls(candidate.approach)}"] if candidate.approach else []),
    ]
    for step in steps:
        lines += ["", *_step(step, full=full)]
    if candidate.summary.strip():
        lines += ["", render.paint("in the end", "cyan"), *_indented(candidate.summary.strip().splitlines(), "  ")]
    return "\n".join(lines) + "\n"


def step_text(step: Step) -> str:
    """One step, folded, with an empty line behind it."""
    return "\n".join([*_step(step, full=False), "", ""])


def step_lines(steps: Sequence[Step]) -> str:
    """One line a step: its commit, what the model did, what it used, and on what."""
    rows = []
    for step in steps:
        what = ", ".join(step.changed_paths) or about(step)[:60] or "thinking"
        rows.append([(step.commit or "")[:12], f"step {step.number}", kinds_of(step), used(step), what])
    lines = render.table(["commit", "", "did", "used", "what"], rows).splitlines()
    return "\n".join([render.paint(lines[0], "bold"), *lines[1:]]) + "\n"


def _step(step: Step, *, full: bool) -> Iterator[str]:
    yield render.paint(f"step {step.number}", "cyan") + f"  {used(step)}"
    said = step.reply.text.strip().splitlines()
    if said and not _is_the_action(step):
        yield from _indented(_folded(said, _MOST_SAID, 0, full=full), "  ")
    for action, observation in zip(step.actions, step.observations, strict=False):
        yield from _action(action, observation, full=full)


def _is_the_action(step: Step) -> bool:
    """Whether a reply in the text protocol consists of actions only; those are shown separately."""
    return any(action.text and action.text.strip() in step.reply.text for action in step.actions)


def _action(action: Action, observation: Observation, *, full: bool) -> Iterator[str]:
    failed = observation.exit_code not in (None, 0)
    ended = f"exit {observation.exit_code}" if failed else "ok"
    took = f", {seconds(observation.seconds)}" if observation.seconds >= 0.1 else ""
    style = "red" if failed else "green"
    match action.kind:
        case ActionKind.SHELL:
            command = action.text.strip().splitlines() or [""]
            yield f"  {render.paint('$ ' + command[0], 'bold')}  {render.paint(f'({ended}{took})', style)}"
            yield from _indented(_folded(command[1:], 10, 0, full=full), "    ")
        case ActionKind.EDIT | ActionKind.WRITE:
            yield f"  {render.paint(f'{action.kind.value} {action.path}', 'bold')}  {render.paint(f'({ended})', style)}"
            removed = [f"-{line}" for line in action.old.splitlines()]
            added = [f"+{line}" for line in action.text.splitlines()]
            yield from _painted(_folded(removed, 20, 5, full=full), "red")
            yield from _painted(_folded(added, 20, 5, full=full), "green")
        case _:
            what = escape_controls(" ".join((action.path or action.text).strip().splitlines()[:1]))
            yield f"  {render.paint(action.kind.value.replace('_', ' '), 'bold')} {what[:120]}"
    if observation.text.strip() and (failed or action.kind not in (ActionKind.EDIT, ActionKind.WRITE)):
        yield from _indented(_folded(observation.text.rstrip().splitlines(), _FIRST, _LAST, full=full), "      ")


def _folded(lines: Sequence[str], first: int, last: int, *, full: bool) -> list[str]:
    """The first and last lines with a count between them; all where that saves nothing."""
    if full or len(lines) <= first + last + 1:
        return list(lines)
    left_out = f"… {counted(len(lines) - first - last, 'line')} more (--full)"
    return [*lines[:first], left_out, *(lines[len(lines) - last :] if last else [])]


def _indented(lines: Sequence[str], indent: str) -> Iterator[str]:
    for line in lines:
        yield f"{indent}{escape_controls(line)}".rstrip()


def _painted(lines: Sequence[str], style: str) -> Iterator[str]:
    for line in lines:
        yield f"    {render.paint(line, style)}"
