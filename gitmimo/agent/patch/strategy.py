"""The patch strategy: localises the fault, shows it with the failure, takes the new code and tests it.

For small and local models, which write code well and use tools badly. A candidate asks a handful of questions, most
of them twice (see `questions.py`). A copy of what was there, or of what failed before, costs no test run. The worktree
always has the best state so far: a change stays only if more tests pass and none fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gitmimo.agent.checklist import run_items
from gitmimo.agent.interface import LeastChange, StrategyResult, Work
from gitmimo.agent.patch.follow import follow_changes, read_past_changes
from gitmimo.agent.patch.localize import (
    Score,
    Site,
    failing_sources,
    find_files,
    find_sites,
    read_text,
    score_of,
    trim_output,
)
from gitmimo.agent.patch.operators import apply
from gitmimo.agent.patch.probes import SearchResult, search_edits, trace_tests
from gitmimo.agent.patch.python_source import fingerprint
from gitmimo.agent.patch.questions import (
    Case,
    ProposedFiles,
    Question,
    Round,
    ask,
    build_question,
    plan_of,
    read_reply,
    round_of,
)
from gitmimo.agent.shell.execute import failed_ids
from gitmimo.ids import utc_now
from gitmimo.records import Action, ActionKind, CommandResult, Observation, Reply, Step, StopReason, Usage
from gitmimo.sandbox.files import write_inside

_COPY = "the code is the same as before: nothing to test"
_AGAIN = "this was tried before: nothing to test"
_MOST_EDITS_COMPARED = 12
_MOST_EDITS_TESTED = 3  # of small edits that pass the failing tests' files, by the whole suite


def run_patch(work: Work) -> StrategyResult:
    """Work on a candidate in rounds of question, code and test, as many as its plan has.

    Ends as finished when the tests pass, or, without failing tests, with the first change that keeps them as they
    are; at the rounds' end with the best state so far, which may be no change at all.
    """
    base = work.workspace.test()
    # a step that changed files and tested none is one of `follow_changes`, whose tests may fail until its end
    began = any(
        step.changed_paths and all(action.kind is not ActionKind.TEST for action in step.actions)
        for step in work.candidate.history
    )
    if work.candidate.follows and (began or base is None or base.exit_code == 0):
        changes = read_past_changes(work.workspace, work.candidate.follows)
        if changes:
            return follow_changes(work, changes)
    return _Patch(work).run(base)


class _Patch:
    """One run of the strategy."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._candidate, self._workspace = work.candidate, work.workspace
        self._continues = work.model.info.accepts_prefill
        self._tried: set[str] = set()
        self._failed: dict[str, str] = {}  # the last failed answer by place, for the next question about it
        self._score = Score(passed=0, failed=0, exit_code=1)
        self._best: CommandResult | None = None  # the test run of the best state so far
        self._has_failures = False
        self._case = Case(prefix="", task="", tests="", failure="")
        self._sites: tuple[Site, ...] = ()
        self._taken = len(work.candidate.history)
        self._remarks: tuple[str, ...] = ()

    def run(self, base: CommandResult | None) -> StrategyResult:
        """Localise the fault, then ask round by round."""
        self._look(base)
        if not self._sites:  # nothing points at a file: let the model look for itself
            return run_items(self._work)
        asked = sum(step.reply.usage != Usage() for step in self._candidate.history)
        for planned in plan_of(self._candidate.number)[asked:]:
            reason = self._work.stop()
            if reason is not None:
                return StrategyResult(stop_reason=reason)
            if self._taken >= self._candidate.max_steps:
                break
            ending = self._round(planned)
            asked += 1
            if ending is None and asked == 1 and self._candidate.number == 1:
                ending = self._try_small_edits()
            if ending is not None:
                return ending
        failing = f"{self._score.failed} tests still fail" if self._score.failed else "the tests still fail"
        return StrategyResult(stop_reason=StopReason.STEPS, summary=f"{self._taken} rounds without success: {failing}")

    def _look(self, base: CommandResult | None) -> None:
        """Trace a test run and rank the functions that failing tests execute."""
        root = self._workspace.root
        task = self._candidate.task
        self._has_failures = base is not None and base.exit_code != 0
        output = base.output if base is not None and self._has_failures else ""
        if base is not None:
            self._score = score_of(base)
        names = failed_ids(output)
        spectrum = trace_tests(self._workspace, task.test_command, failing=names) if output else None
        source = failing_sources(root, names or (spectrum.failing if spectrum else ()))
        paths = find_files(self._workspace, task=task.text, output=output, spectrum=spectrum)
        sites = find_sites(root, paths[:6], task=task.text, tests=source, spectrum=spectrum)
        self._case = Case(
            prefix=self._candidate.prefix,
            task=task.text,
            tests=source,
            failure=trim_output(output) if output else "",
            spectrum=spectrum,
        )
        self._tried |= {dedup_key([(site.path, site.text)]) for site in sites}
        self._failed = {}
        self._sites = self._ask_where(sites)

    def _ask_where(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        """Let the model name the function that it suspects, when several are in question; costs a few tokens."""
        functions = [site for site in sites if site.function is not None]
        if len(functions) < 2 or not self._continues:
            return sites
        first = functions[0]
        opening = "The mistake is in the function `"
        question = build_question(self._case, first, round_of("where"))
        question = replace(question, opening=opening, stop=("`", "\n"), max_tokens=8)
        reply = ask(self._work, question, temperature=0.0, seed=None, begins=True)
        said = reply.text.removeprefix(opening).strip().strip("`").partition("(")[0]
        named = said.rpartition(".")[2]
        weighed = [
            replace(site, weight=site.weight + 0.6) if site.function and site.function.short == named else site
            for site in sites
        ]
        return tuple(sorted(weighed, key=lambda site: -site.weight))

    def _round(self, planned: Round) -> StrategyResult | None:
        """Ask, take the code, test it, keep it if it is better."""
        started = utc_now()
        site = self._sites[planned.site % len(self._sites)]
        key = f"{site.path}:{site.function.name if site.function else ''}"
        failed = [self._failed[key]] if key in self._failed and not planned.hides_body else []
        question = build_question(self._case, site, planned, failed=failed, sites=self._sites)
        reply = self._ask(question, planned.temperature)
        if reply.finish_reason == "cancelled":
            return StrategyResult(stop_reason=self._work.stop() or StopReason.INTERRUPTED)
        opening = question.opening if self._continues else ""
        proposed = read_reply(reply, site, root=self._workspace.root, opening=opening)
        return self._keep(self._try(reply, proposed, key, started))

    def _try_small_edits(self) -> StrategyResult | None:
        """Once, after a first answer that failed: search for small edits with which the tests pass; costs no tokens.

        That one passes doesn't make it right. Where several do, the one is taken that changes least of what the base
        answers, and what is found out about the others goes to the evaluator.
        """
        if self._case.spectrum is None:
            return None
        started = utc_now()
        search = search_edits(self._workspace, self._candidate.task.test_command, self._case.spectrum)
        edits = search.passing[:_MOST_EDITS_COMPARED]
        texts = [apply(read_text(self._workspace.root, edit.path) or "", edit) for edit in edits]
        changes = [{edit.path: text} for edit, text in zip(edits, texts, strict=True)]
        least = self._workspace.least_change(changes) if len(changes) > 1 else None
        first = least.index if least is not None else 0
        order = sorted(range(len(edits)), key=lambda index: index != first)
        for index in order[:_MOST_EDITS_TESTED]:
            edit = edits[index]
            said = Reply(text=f"tried {search.tried} small edits; line {edit.line} of {edit.path}: {edit.what}")
            step = self._try(said, ProposedFiles(files=((edit.path, texts[index]),)), edit.path, started)
            if step.changed_paths:
                self._remarks = (_about_edits(search, least),)
                return self._keep(step)
        return None

    def _keep(self, step: Step) -> StrategyResult | None:
        """Record a step; an ending when all tests pass, and a new localisation when more do."""
        self._taken += 1
        self._work.record(step)
        if not step.changed_paths:
            return None
        if self._score.is_pass:
            passed = f", {self._score.passed} tests pass" if self._score.passed else ""
            summary = f"changed {', '.join(step.changed_paths)}{passed}"
            return StrategyResult(stop_reason=StopReason.FINISHED, summary=summary, remarks=self._remarks)
        self._look(self._best)  # the remaining failures may have another cause
        return None

    def _ask(self, question: Question, temperature: float) -> Reply:
        seed = (self._candidate.seed or 0) * 1000 + self._candidate.number * 10 + self._taken + 1
        reply = ask(self._work, question, temperature=temperature, seed=seed, begins=self._continues)
        if self._continues and question.opening and not reply.text.removeprefix(question.opening).strip():
            self._continues = False  # the server began a new answer, and stopped at its first fence
            reply = ask(self._work, question, temperature=temperature, seed=seed, begins=False)
        return reply

    def _try(self, reply: Reply, proposed: ProposedFiles, key: str, started: datetime) -> Step:
        """Write the files and test; put the old ones back unless it went better. The step is not recorded yet."""
        writes = tuple(Action(kind=ActionKind.WRITE, path=path, text=text) for path, text in proposed.files)
        step = Step(number=self._taken + 1, reply=reply, actions=writes, observations=(), started=started)
        if not writes:
            invalid = Action(kind=ActionKind.INVALID, text=proposed.problem)
            return replace(step, actions=(invalid,), observations=(Observation(text=proposed.problem),))
        root = self._workspace.root
        before = {path: read_text(root, path) for path, _ in proposed.files}
        mark = dedup_key(proposed.files)
        if mark in self._tried:
            is_copy = mark == dedup_key([(path, text or "") for path, text in before.items()])
            return replace(step, observations=(Observation(text=_COPY if is_copy else _AGAIN),) * len(writes))
        self._tried.add(mark)
        for path, text in proposed.files:
            write_inside(root, path, text.encode())
        result = self._workspace.test()
        is_better, tested = self._weigh(result)
        if is_better:
            self._failed.pop(key, None)
        else:
            self._failed[key] = describe(proposed.files, before, tested.text)
            for path, old in before.items():
                write_inside(root, path, None if old is None else old.encode())
        written = Observation(text="written" if is_better else "taken back")
        return replace(
            step,
            actions=(*writes, Action(kind=ActionKind.TEST, text=result.command if result is not None else "")),
            observations=(*(written for _ in writes), tested),
            changed_paths=tuple(before) if is_better else (),
        )

    def _weigh(self, result: CommandResult | None) -> tuple[bool, Observation]:
        """Whether a test run went better than the best before it, which it then is; without tests any change does."""
        if result is None:
            score = Score(passed=0, failed=0, exit_code=0)
            is_better, tested = not self._has_failures, Observation(text="no tests to run")
        else:
            score = score_of(result)
            is_better = score.is_better(self._score)
            text = trim_output(result.output)
            tested = Observation(text=text, exit_code=result.exit_code, seconds=result.seconds)
        if is_better:
            self._score, self._best = score, result
        return is_better, tested


def dedup_key(files: Sequence[tuple[str, str]]) -> str:
    """Equal for attempts that mean the same."""
    return "\n".join(f"{path}\n{fingerprint(path, text)}" for path, text in sorted(files))


def describe(files: Sequence[tuple[str, str]], before: Mapping[str, str | None], output: str) -> str:
    """A failed reply in a few lines: what it added, and the first assertion that failed. Contains no code block."""
    added = [
        line.strip()
        for path, text in files
        for line in text.split("\n")
        if line.strip() and line not in (before[path] or "").split("\n")
    ]
    errors = [line[1:].strip() for line in output.split("\n") if line.startswith("E ")]
    lines = "; ".join(f"`{line}`" for line in added[:3]) or "some lines left out"
    return f"{lines}" + (f" (it gives: {errors[0]})" if errors else "")


def _about_edits(search: SearchResult, least: LeastChange | None) -> str:
    """A remark on the other edits that pass, for the evaluator: tests that all of them pass prove none of them."""
    found = f"a small edit, found by trying {search.tried} of them"
    if len(search.passing) < 2:
        return f"{found}: no other passes the tests"
    found += f": {len(search.passing) - 1} others pass the tests as well"
    if least is None:
        return found
    if least.behaviours == 1:
        return f"{found}, and behave like it"
    example = f", for example {least.example}" if least.example else ""
    return f"{found}, with {least.behaviours} behaviours; this one changes least of what base did{example}"
