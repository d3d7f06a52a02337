"""What 64 candidates and 1,000 tasks would take on a fleet: simulated from measured parts, not run.

    python -m benchmarks.fleet --startup 2.5 --step-overhead 0.06 --land 1.5

A discrete simulation: sessions queue for candidate slots, a candidate pays its start on the node, then for each step
the model, the command and the way of the step to the driver, then its evaluation. The driver handles one message at a
time. The parts are options, with what was measured as defaults; the model's speed and prices are assumptions and said
so in the output.
"""

import argparse
import heapq
import random
import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Seconds, tokens and USD that one thing takes."""

    startup: float  # a worker: task placed, objects fetched, worktree made
    step_model: float  # assumed
    step_command: float  # assumed
    step_driver: float  # the driver's part of a step: bundle checked, ref moved, journal, ledger
    steps: float
    suite: float  # one run of the project's tests, assumed
    land: float
    prompt_tokens: float  # a step, most of them cached; assumed
    completion_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    hours: float
    busy: float  # of the slots
    driver_busy: float
    slowest: float
    usd: float


def simulate(
    parts: Parts, *, tasks: int, candidates: int, slots: int, drivers: int, prices: tuple[float, float]
) -> Found:
    """Run all tasks with all candidates at once, as slots come free; each driver serves its own sessions."""
    draw = random.Random(7)
    free = [0.0] * slots
    heapq.heapify(free)
    driver = [0.0] * drivers
    work, handled, ends, usd = 0.0, 0.0, [], 0.0
    for task in range(tasks):
        candidate_ends = []
        for _ in range(candidates):
            steps = max(3, round(draw.lognormvariate(0, 0.5) * parts.steps))
            began = heapq.heappop(free)
            seconds = (
                parts.startup
                + 2 * parts.suite
                + sum(
                    draw.lognormvariate(0, 0.4) * parts.step_model + parts.step_command + parts.step_driver
                    for _ in range(steps)
                )
            )
            # what waits for the driver: all sessions of one driver share its one core
            load = steps * parts.step_driver
            driver[task % drivers] += load
            end = max(began + seconds, driver[task % drivers])
            heapq.heappush(free, end)
            candidate_ends.append(end)
            work += end - began
            handled += load
            usd += steps * (parts.prompt_tokens * prices[0] + parts.completion_tokens * prices[1]) / 1e6
        driver[task % drivers] += parts.land
        ends.append(max(candidate_ends) + parts.land)
    whole = max(ends)
    return Found(
        hours=whole / 3600,
        busy=work / (whole * slots),
        driver_busy=handled / (whole * drivers),
        slowest=statistics.quantiles(ends, n=100)[98] / 3600 if len(ends) > 1 else ends[0] / 3600,
        usd=usd,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--startup", type=float, default=3.0)
    parser.add_argument("--step-model", type=float, default=6.0)
    parser.add_argument("--step-command", type=float, default=1.0)
    parser.add_argument("--step-overhead", type=float, default=0.06)
    parser.add_argument("--steps", type=float, default=20)
    parser.add_argument("--suite", type=float, default=30.0)
    parser.add_argument("--land", type=float, default=1.5)
    parser.add_argument("--prompt-tokens", type=float, default=9000)
    parser.add_argument("--completion-tokens", type=float, default=300)
    parser.add_argument("--prices", type=float, nargs=2, default=(0.1, 0.5), help="USD a million tokens, in and out")
    options = parser.parse_args()
    parts = Parts(
        startup=options.startup,
        step_model=options.step_model,
        step_command=options.step_command,
        step_driver=options.step_overhead,
        steps=options.steps,
        suite=options.suite,
        land=options.land,
        prompt_tokens=options.prompt_tokens,
        completion_tokens=options.completion_tokens,
    )
    print(f"{parts}\n")
    print("| tasks | candidates | slots | drivers | hours | slots busy | driver busy | USD |")
    print("|---|---|---|---|---|---|---|---|")
    for tasks, candidates, slots, drivers in (
        (1, 64, 64, 1),
        (1, 64, 8, 1),
        (1000, 3, 64, 1),
        (1000, 3, 256, 4),
        (1000, 64, 64, 1),
        (1000, 64, 1024, 1),
        (1000, 64, 1024, 16),
    ):
        found = simulate(
            parts, tasks=tasks, candidates=candidates, slots=slots, drivers=drivers, prices=tuple(options.prices)
        )
        print(
            f"| {tasks:,} | {candidates} | {slots:,} | {drivers} | {found.hours:.2f} | {found.busy:.0%} "
            f"| {found.driver_busy:.0%} | {found.usd:,.2f} |"
        )


if __name__ == "__main__":
    main()
