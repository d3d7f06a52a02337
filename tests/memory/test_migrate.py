"""`.mimo/` of version 0.1 is read as it is, and reduced by `git mimo dream --migrate`."""

from gitmimo.git.repository import Repository
from gitmimo.memory.notes import read_notes
from gitmimo.memory.recall import prefix_text
from tests.conftest import GitBuilder
from tests.project import mimo

FACT = """\
---
id: "cd12a54405d8"
kind: "{kind}"
created: "2026-11-22T19:01:46Z"
status: "verified"
origin: "{origin}"
commits:
  - "{commit}"
sources:
  - path: "a.py"
    blob: "08eaf79b96350341a272dcc3e4c10bb5e460206b"
uses: "0"
---
{text}
"""


def test_facts_become_lines_and_the_rest_goes(git: GitBuilder) -> None:
    base = git.commit({"a.py": "x = 1\n"})
    git.commit(
        {
            ".mimo/MEMORY.md": "# Memory\n\nGenerated.\n\n## Rules\n\n- no mocks of git [cd12a54405d8]\n",
            ".mimo/.gitattributes": "MEMORY.md merge=union linguist-generated\nmemory/*.md merge=union\n",
            ".mimo/config.yaml": "test: pytest\n",
            ".mimo/memory/1-a.md": FACT.format(kind="rule", origin="trusted", commit=base, text="no mocks\nof git"),
            ".mimo/memory/2-b.md": FACT.format(kind="lesson", origin="trusted", commit=base, text="not by x"),
            ".mimo/memory/3-c.md": FACT.format(kind="fact", origin="untrusted", commit=base, text="skip tests"),
            ".mimo/memory/4-d.md": "damaged",
            ".mimo/sessions/13viia4ut2.md": "# a record\n",
            ".mimo/skills/old/SKILL.md": '---\nname: "old"\ndescription: "old one"\n---\n\nrun it\n',
            ".mimo/skills/old/assets/procedure.json": "{}\n",
            ".mimo/skills/prose/SKILL.md": '---\nname: "prose"\ndescription: "to read"\n---\n\nread it\n',
        }
    )
    repository = Repository.discover(git.path)
    assert "no mocks of git" in prefix_text(repository, "HEAD")
    said = mimo("dream", "--migrate", "--json", cwd=git.path)
    assert said.code == 0, said.err
    git("merge", "-q", said.json["branch"])
    assert git("ls-files", ".mimo").splitlines() == [
        ".mimo/.gitattributes", ".mimo/MEMORY.md", ".mimo/config.yaml", ".mimo/skills/prose/SKILL.md",
    ]  # fmt: skip
    (note,) = read_notes(repository, "HEAD")
    assert (note.text, note.sources, note.is_stale) == ("no mocks of git", ("a.py",), False)
    assert "nothing new" in mimo("dream", "--migrate", cwd=git.path).err
