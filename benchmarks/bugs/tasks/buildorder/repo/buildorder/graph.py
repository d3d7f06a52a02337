"""Targets and what they need; orders them so that needs come first."""


class CycleError(ValueError):
    """Targets need each other in a ring; `path` shows it."""

    def __init__(self, path):
        super().__init__(" -> ".join(path))
        self.path = path


def parse(text):
    """Read lines of "target: need need"; "#" starts a comment."""
    needs = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        target, _, rest = line.partition(":")
        needs.setdefault(target.strip(), []).extend(rest.split())
    return needs


def order(needs, goal):
    """Everything that `goal` needs, needs first, `goal` last, nothing twice.

    Raises CycleError when targets need each other in a ring.
    """
    done = []
    visiting = []

    def visit(target):
        if target in visiting:
            raise CycleError(visiting[visiting.index(target) :] + [target])
        visiting.append(target)
        for need in needs.get(target, []):
            visit(need)
        done.append(target)

    visit(goal)
    return done


def levels(needs, goal):
    """Groups of targets that can be built at the same time, first group first."""
    level = {}
    for target in order(needs, goal):
        level[target] = 1 + max((level[need] for need in needs.get(target, [])), default=-1)
    groups = [[] for _ in range(max(level.values()) + 1)]
    for target in sorted(level):
        groups[level[target]].append(target)
    return groups
