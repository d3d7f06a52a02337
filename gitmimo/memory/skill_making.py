"""From a winner's steps to a skill: minimised, given parameters, replayed, and admitted or refused with the reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitmimo.errors import SecretFound, SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.git.tree import without_mimo
from gitmimo.memory.effects import NotText, without_junk
from gitmimo.memory.generalise import General, generalise, other_values
from gitmimo.memory.library import Library
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.minimise import Minimised, minimise
from gitmimo.memory.outcomes import Outcomes, Standing, with_standing
from gitmimo.memory.probes import add_probes
from gitmimo.memory.procedure import Condition, Example, Procedure, ProcedureStep
from gitmimo.memory.procedure_file import write_procedure
from gitmimo.memory.recorded import RecordedStep
from gitmimo.memory.replay import Admission, Bench, admit, changed_paths
from gitmimo.memory.skill_file import Skill, harmless, make_skill
from gitmimo.memory.task_words import skill_name
from gitmimo.records import Oid
from gitmimo.redact import redact
from gitmimo.results import CandidateResult

_MOST_STEPS = 60
_MOST_CONDITIONS = 12
_ANCESTORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a session's procedure: a skill, or the reason why it stays a note."""

    skill: Skill | None
    reason: str
    steps: tuple[ProcedureStep, ...] = ()
    recorded: int = 0
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the making of skills needs: where to replay, what is there already, and how to judge and to name.

    `accepts` judges product trees on other commits, `name_it` may give a better name and description, `known` holds
    secret values.
    """

    bench: Bench
    library: Library
    now: datetime
    accepts: Callable[[Oid], bool] | None = None
    known: Mapping[str, str] | None = None
    name_it: Callable[[General], tuple[str, str] | None] = lambda _: None


def make_from_session(
    workshop: Workshop,
    material: SessionMaterial,
    winner: CandidateResult,
    recorded: Sequence[RecordedStep],
    *,
    pitfalls: tuple[str, ...] = (),
) -> Made:
    """Minimise, generalise and admit what the winner did; no replay needs a model."""
    repository = workshop.bench.repository
    base = without_mimo(repository, repository.tree_of(material.result.base))
    product = without_mimo(repository, repository.tree_of(material.target(winner)))
    target = without_junk(repository, product, base)
    if target == base:
        return Made(skill=None, reason="the session changed nothing")
    try:
        small = minimise(workshop.bench, recorded, base=base, target=target)
    except NotText as exc:
        return Made(skill=None, reason=f"a change that steps can't express: `{exc.path}`", recorded=len(recorded))
    made = Made(skill=None, reason="", steps=small.steps, recorded=len(recorded))
    if len(small.steps) > _MOST_STEPS:
        return replace(made, reason=f"{len(small.steps)} steps are too many to be one procedure")
    task = redact(material.result.task, workshop.known)[0]
    general = generalise(task, small.steps, before=_texts_before(repository, base, small.steps))
    ways = [General(steps=small.steps, task=task)]  # the last resort: no parameters
    if general.parameters:
        ways = [add_probes(repository, base, general), general, *ways]
    for way in (way for index, way in enumerate(ways) if way not in ways[:index]):
        covered = _covered_by(workshop.library, way)
        if covered is not None:
            return replace(made, reason=f"the skill `{covered.name}` does this already")
        try:
            made = _try(workshop, material, way, small, target, pitfalls)
        except (SkillRefused, SecretFound) as exc:
            made = replace(made, reason=exc.message)
        if made.skill is not None:
            break
    return made


def _texts_before(repository: Repository, base: Oid, steps: Sequence[ProcedureStep]) -> dict[str, str]:
    """What the edited files held."""
    paths = {step.path for step in steps if step.kind == "edit"}
    return {path: (repository.read_blob(base, path) or b"").decode("utf-8", "replace") for path in paths}


def _try(
    workshop: Workshop,
    material: SessionMaterial,
    general: General,
    small: Minimised,
    target: Oid,
    pitfalls: tuple[str, ...],
) -> Made:
    """Admit one way of putting the procedure; SkillRefused or SecretFound when it breaks a rule."""
    library = workshop.library
    taken = [s.name for s in library.skills if s.outcomes.standing is Standing.VERIFIED or not s.is_runnable]
    taken += [name for name, _ in library.problems]
    procedure = _procedure(workshop, material, general, target, name=skill_name(general.task, taken))
    write_procedure(procedure)
    admission = admit(
        workshop.bench,
        procedure,
        general.values,
        commit=material.result.base,
        expected=target,
        elsewhere=_elsewhere(workshop.bench, material, general, target),
        accepts=workshop.accepts,
    )
    made = Made(
        skill=None,
        reason=admission.reason,
        steps=small.steps,
        recorded=small.recorded,
        elsewhere=admission.elsewhere,
    )
    if not admission.admitted:
        return made
    better = workshop.name_it(general)
    if better is not None:
        name = better[0] if better[0] not in taken else procedure.name
        procedure = replace(procedure, name=name, description=better[1])
    skill = make_skill(
        procedure,
        provenance=_provenance(material, small, admission, workshop.known),
        metadata={
            "git-mimo.sessions": material.result.session,
            "git-mimo.source-commits": material.result.base[:12],
            "git-mimo.verified-at": f"{workshop.now:%Y-%m-%d}",
            "git-mimo.runs-ok": str(len(admission.replays) + len(admission.elsewhere)),
            "git-mimo.runs-failed": "0",
        },
        outcomes=with_standing(Outcomes(), Standing.VERIFIED, now=workshop.now),
        pitfalls=pitfalls,
    )
    return replace(made, skill=skill)


def _procedure(workshop: Workshop, material: SessionMaterial, general: General, target: Oid, *, name: str) -> Procedure:
    tools = sorted({s.argv[0] for s in general.steps if s.kind == "run" and "/" not in s.argv[0]})
    edited = sorted({s.path for s in general.steps if s.kind == "edit"})
    example = Example(task=_plain_task(material.result.task, workshop.known), parameters=dict(general.values))
    return Procedure(
        name=name,
        description=_description(general),
        steps=general.steps,
        paths=_allowed(workshop.bench, material, general, target),
        parameters=general.parameters,
        preconditions=(
            *(Condition(kind="exists", path=path) for path in edited[:_MOST_CONDITIONS]),
            *(Condition(kind="tool", program=tool) for tool in tools),
        ),
        postconditions=tuple(_postconditions(general.steps)[:_MOST_CONDITIONS]),
        examples=(example,),
        timeout_s=900.0,
    )


def _plain_task(task: str, known: Mapping[str, str] | None) -> str:
    clean = redact(task, known)[0].strip()
    return clean if len(clean) <= 3_900 else clean[:3_900]


def _postconditions(steps: Sequence[ProcedureStep]) -> list[Condition]:
    """What must be true afterwards: new lines stand where they belong, files are there or gone."""
    found: list[Condition] = []
    for step in steps:
        if step.kind == "edit":
            before = {line for change in step.changes for line in change.old.splitlines()}
            fresh = [line.strip() for change in step.changes for line in change.new.splitlines() if line not in before]
            telling = max(fresh, key=len, default="")
            if telling:
                found.append(Condition(kind="contains", path=step.path, text=telling))
        elif step.kind in ("write", "move"):
            found.append(Condition(kind="exists", path=step.to or step.path))
        if step.kind in ("delete", "move"):
            found.append(Condition(kind="absent", path=step.path))
    return found


def _allowed(bench: Bench, material: SessionMaterial, general: General, target: Oid) -> tuple[str, ...]:
    """The paths that the steps name, and the directories that their programs wrote to."""
    paths: list[str] = []
    for step in general.steps:
        paths += [path for path in (step.path, step.to, *step.paths) if path]
    named = {path for step in general.steps for path in (step.path, step.to) if path}
    if any(step.kind == "run" for step in general.steps):
        base = without_mimo(bench.repository, bench.repository.tree_of(material.result.base))
        for path in sorted(changed_paths(bench.repository, base, target) - named):
            directory = path.rpartition("/")[0]
            paths.append(f"{directory}/**" if directory else path)
    return tuple(dict.fromkeys(paths))[:400]


def _elsewhere(
    bench: Bench, material: SessionMaterial, general: General, target: Oid
) -> list[tuple[Oid, Mapping[str, str]]]:
    """Other parameters on top of the product and on the same base, and the same parameters on commits before it."""
    base = material.result.base
    made_up = other_values(general)
    others: list[tuple[Oid, Mapping[str, str]]] = [] if made_up is None else [(target, made_up), (base, made_up)]
    listed = bench.repository.run("rev-list", "--first-parent", f"--max-count={_ANCESTORS + 1}", base).text.split()
    others += [(Oid(commit), general.values) for commit in listed[1:]]
    return others


def _description(general: General) -> str:
    """What and when, from the task's own words; slots in capitals."""
    task = general.task
    for parameter in general.parameters:
        for form in ("", "|snake", "|kebab", "|camel", "|pascal", "|upper", "|title", "|words"):
            task = task.replace(f"{{{{mimo:{parameter.name}{form}}}}}", parameter.name.upper().replace("_", "-"))
    task = harmless(task, limit=420).rstrip(".")
    with_others = f" with another {general.parameters[0].name.replace('_', ' ')}" if general.parameters else ""
    return (
        f"{task}. Use it for a task that reads like this one{with_others}: it replays verified steps without a model."
    )


def _provenance(
    material: SessionMaterial, small: Minimised, admission: Admission, known: Mapping[str, str] | None
) -> str:
    lines = [
        "# Where this comes from",
        "",
        f"- session: {material.result.session}",
        f"- base commit: {material.result.base}",
        f"- task: {harmless(redact(material.result.task, known)[0], limit=600)}",
        f"- recorded steps with an effect: {small.recorded}; steps kept: {len(small.steps)}",
        f"- replays from clean checkouts: {len(admission.replays)}, all with tree {admission.replays[0].tree}",
    ]
    lines += [f"- also worked on: {label}" for label in admission.elsewhere]
    if not admission.elsewhere:
        lines += ["- no other commit or parameter set was at hand to try it on"]
    return "\n".join(lines) + "\n"


def _covered_by(library: Library, general: General) -> Skill | None:
    return next((s for s in library.active if s.procedure is not None and s.procedure.steps == general.steps), None)
