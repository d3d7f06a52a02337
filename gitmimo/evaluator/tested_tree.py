"""The tree that is tested: the product with everything that judges it taken from base."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitmimo.evaluator.bench import Bench
from gitmimo.evaluator.protected import ProtectedPaths, is_dependency_file
from gitmimo.evaluator.shared_files import is_shared, with_base_config
from gitmimo.evaluator.suspicion import REVIEW, weakened_tests
from gitmimo.evidence import DiffFacts
from gitmimo.git.repository import Repository
from gitmimo.git.trees import restore_paths, write_files
from gitmimo.mimo_dir import with_mimo_from
from gitmimo.records import Oid
from gitmimo.text import escape_controls


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedTree:
    """`tree` is what base's suite runs on; `product` is what the candidate left.

    `new_tests` are files of tests that base does not have, `changed_tests` those of base that the candidate changed or
    deleted, and new ones that tell pytest how to run. Both are run apart, and land apart. What else is protected is
    base's in every tree: `restored_paths` names all that differed.
    """

    __test__ = False

    tree: Oid
    product: Oid
    restored_paths: tuple[str, ...] = ()
    new_tests: tuple[str, ...] = ()
    changed_tests: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def test_paths(self) -> tuple[str, ...]:
        """All that the candidate did to tests."""
        return (*self.new_tests, *self.changed_tests)


def build_tested_tree(bench: Bench, product: Oid, diff: DiffFacts) -> TestedTree:
    """Put the base's protected paths over the product, and the base's test configuration into shared files."""
    repository, base = bench.repository, bench.base
    changed = {change.path for change in diff.files} | {change.old_path for change in diff.files if change.old_path}
    protected = ProtectedPaths(
        (entry.path for entry in repository.list_paths(base)),
        changed=changed,
        extra=bench.protected,
        exempt=bench.unprotected,
        commands=bench.commands,
        tests=bench.judging.tests | bench.judging.data,
        scripts=bench.judging.scripts,
    )
    tree = with_mimo_from(repository, product, base)
    tree, restored = restore_paths(repository, tree, repository.tree_of(base), protected.is_protected)
    merged: dict[str, bytes | None] = {}
    for path in sorted(path for path in changed if is_shared(path)):
        before, after = repository.read_blob(base, path), repository.read_blob(product, path)
        if after is None and path.endswith("package.json"):
            continue  # without it there is nothing to configure
        wanted = with_base_config(path, before, after or b"")
        if wanted != (after or b""):
            merged[path] = wanted
    tree = write_files(repository, tree, merged) if merged else tree
    tests = [path for path in restored if protected.is_test(path)]
    new = tuple(p for p in tests if repository.find_entry(base, p) is None and not p.endswith("conftest.py"))
    return TestedTree(
        tree=tree,
        product=product,
        restored_paths=tuple(sorted({*restored, *merged})),
        new_tests=new,
        changed_tests=tuple(path for path in tests if path not in new),
        flags=_flags(repository, base, product, protected, restored, tuple(merged), changed),
    )


def with_own_tests(repository: Repository, tested: TestedTree, paths: Iterable[str]) -> Oid:
    """The tested tree with some paths as the candidate left them."""
    wanted = set(paths)
    return restore_paths(repository, tested.tree, tested.product, wanted.__contains__)[0] if wanted else tested.tree


def _flags(
    repository: Repository,
    base: Oid,
    product: Oid,
    protected: ProtectedPaths,
    restored: tuple[str, ...],
    merged: tuple[str, ...],
    changed: set[str],
) -> tuple[str, ...]:
    flags: list[str] = []
    for path in restored:
        shown = escape_controls(path, newlines=False)
        before, after = repository.read_blob(base, path), repository.read_blob(product, path)
        if protected.is_test(path):
            runs_first = path.endswith("__init__.py") and (after or b"").strip()
            if before is None and (path.endswith("conftest.py") or runs_first):
                flags.append(f"{REVIEW}tells pytest how to run the tests: `{shown}`")
            if protected.is_named(path):
                flags.append(f"{REVIEW}is named by the command that decides: `{shown}`")
            flags += weakened_tests(path, before, after) if before is not None else ()
        else:
            flags.append(f"{REVIEW}changes what tests or CI do: `{shown}`")
    flags += [f"{REVIEW}changes test configuration: `{escape_controls(path, newlines=False)}`" for path in merged]
    dependencies = sorted(path for path in changed if is_dependency_file(path))
    return (*flags, *(f"may change dependencies: `{escape_controls(path, newlines=False)}`" for path in dependencies))
