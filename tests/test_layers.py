"""The architecture: imports point down, form no ring, and each library has one owner."""

import ast
import functools
import graphlib
from pathlib import Path

ROOT = Path(__file__).parent.parent / "gitmimo"
LAYERS = (
    {
        *("behaviour", "cancel", "codec", "config", "errors", "evidence", "files", "ids", "processes"),
        *("records", "redact", "secret_patterns", "text"),
    },
    {"git"},
    {"journal"},
    {"llm", "sandbox"},
    {"agent", "evaluator"},
    {"memory"},
    {"workflow"},
    {"hooks", "ci", "report", "mcp"},
    {"cli", "__main__"},
)
ORDER = {name: level for level, names in enumerate(LAYERS) for name in names}
SEPARATE = {("evaluator", "agent"), ("agent", "evaluator"), ("llm", "sandbox"), ("sandbox", "llm")}
OWNERS = {
    "pygit2": "git",
    "unidiff": "git",
    "httpx": "llm",
    "litellm": "llm",
    "xllamacpp": "llm",
    "click": "cli",
    "rich": "cli",
    "pygments": "report",
    "jinja2": "report",
    "markupsafe": "report",
    "prompt_toolkit": "cli",
    "mcp": "mcp",
    "mcp_types": "mcp",
}


@functools.cache
def _modules() -> dict[str, set[str]]:
    """Dotted module names, each with the dotted names it imports anywhere in its text."""
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        found[module] = names
    return found


def _layer(name: str) -> str:
    return (name.split(".") + [""])[1]


def test_every_module_has_a_layer() -> None:
    assert [module for module in _modules() if _layer(module) and _layer(module) not in ORDER] == []


def test_imports_point_downward() -> None:
    wrong = [
        (module, name)
        for module, names in _modules().items()
        for name in names
        if name.startswith("gitmimo.") and _layer(name) in ORDER
        if ORDER[_layer(name)] > ORDER[_layer(module)] or (_layer(module), _layer(name)) in SEPARATE
    ]
    assert wrong == []


def test_imports_form_no_ring() -> None:
    modules = _modules()
    edges = {
        module: ({name for name in names if name in modules} | {n.rpartition(".")[0] for n in names} & set(modules))
        - {module, "gitmimo"}
        for module, names in modules.items()
    }
    # a package's docstring module is no node of its own
    edges = {m: {p for p in ps if not (ROOT.parent / p.replace(".", "/")).is_dir()} for m, ps in edges.items()}
    graphlib.TopologicalSorter(edges).prepare()


def test_each_library_has_one_owner() -> None:
    wrong = [
        (module, name)
        for module, names in _modules().items()
        for name in names
        if OWNERS.get(name.split(".")[0], _layer(module)) != _layer(module)
    ]
    assert wrong == []


def test_importing_a_command_loads_no_heavy_library() -> None:
    """litellm and xllamacpp take seconds: they are imported inside the calls that need them."""
    heavy = {"litellm", "xllamacpp", "huggingface_hub", "ray"}
    wrong = []
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_bytes()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [(path.name, name) for name in names if name.split(".")[0] in heavy]
    assert wrong == []
