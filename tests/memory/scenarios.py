"""Ten kinds of tasks that people have, each with a small project and a noisy trajectory."""

# ruff: noqa: E501  -- files of small projects, as they are

from tests.memory.trajectories import Scenario, edit, sh, write

_APP = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# App\n\n## Options\n\n- `--name`: who to greet\n\n## Licence\n\nMIT\n",
    "app/__init__.py": "",
    "app/cli.py": (
        "import argparse\n\n\ndef parser():\n    found = argparse.ArgumentParser()\n"
        "    found.add_argument('--name', default='you', help='who to greet')\n    return found\n\n\n"
        "def main(argv=None):\n    args = parser().parse_args(argv)\n    print('hello', args.name)\n    return 0\n"
    ),
    "tests/test_cli.py": "from app.cli import parser\n\n\ndef test_name():\n    assert parser().parse_args([]).name == 'you'\n",
}

DEPENDENCY = Scenario(
    name="add a dependency and wire it",
    task="Add the dependency `orjson` and use it in app/io.py instead of json",
    files={
        "pyproject.toml": '[project]\nname = "app"\nversion = "1.0.0"\ndependencies = [\n  "click>=8",\n]\n',
        "app/io.py": "import json\n\n\ndef dump(value):\n    return json.dumps(value)\n",
        "requirements.txt": "click>=8\n",
    },
    steps=[
        [sh("ls -la && cat pyproject.toml")],
        [sh("cat app/io.py")],
        [edit("pyproject.toml", '  "click>=8",\n', '  "click>=8",\n  "orjsn",\n')],
        [sh("python3 -c 'import orjsn'")],
        [edit("pyproject.toml", '  "orjsn",\n', '  "orjson",\n')],
        [sh("echo orjson >> requirements.txt")],
        [edit("app/io.py", "import json\n", "import orjson\n")],
        [edit("app/io.py", "json.dumps(value)", "orjson.dumps(value).decode()")],
        [sh("cat app/io.py; git diff --stat")],
    ],
    careful=3,
    parameters={"dependency": "orjson"},
    next_task="Add the dependency `ujson` and use it in app/io.py instead of json",
    next_parameters={"dependency": "ujson"},
)

RENAME = Scenario(
    name="rename an API across files",
    task="Rename the function `fetch_user` to `load_account` everywhere",
    files={
        "src/api.py": "def fetch_user(key):\n    return key\n",
        "src/views.py": "from src.api import fetch_user\n\n\ndef view(key):\n    return fetch_user(key)\n",
        "src/jobs/sync.py": "from src import api\n\n\ndef sync(keys):\n    return [api.fetch_user(key) for key in keys]\n",
        "tests/test_api.py": "from src.api import fetch_user\n\n\ndef test_it():\n    assert fetch_user(1) == 1\n",
    },
    steps=[
        [sh("grep -rn fetch_user .")],
        [edit("src/api.py", "def fetch_user", "def load_account")],
        [sh("python3 -m unittest -q || true")],
        [sh("sed -i 's/fetch_user/load_account/g' src/views.py")],
        [sh("sed -i 's/fetch_user/load_acount/g' src/jobs/sync.py")],
        [sh("grep -rn load_ src")],
        [sh("sed -i 's/load_acount/load_account/g' src/jobs/sync.py")],
        [sh("sed -i 's/fetch_user/load_account/g' tests/test_api.py")],
        [sh("grep -rn fetch_user . | grep -v trajectory || true")],
    ],
    careful=1,
    parameters={"old_function": "fetch_user", "new_function": "load_account"},
    next_task="Rename the function `sync` to `synchronise` everywhere",
    next_parameters={"old_function": "sync", "new_function": "synchronise"},
    again=True,
)

FLAG = Scenario(
    name="add a CLI flag with test and doc",
    task="Add a flag `--dry-run` to the command line, with a test and a line in the README",
    files=_APP,
    steps=[
        [sh("cat app/cli.py tests/test_cli.py README.md")],
        [edit("app/cli.py", "    return found\n", "    found.add_argument('--dryrun')\n    return found\n")],
        [sh("sed -i '/dryrun/d' app/cli.py")],
        [
            edit(
                "app/cli.py",
                "    return found\n",
                "    found.add_argument('--dry-run', action='store_true', help='turn on dry run')\n    return found\n",
            )
        ],
        [
            sh(
                "cat >> tests/test_cli.py <<'X'\n\n\ndef test_dry_run():\n"
                "    assert parser().parse_args(['--dry-run']).dry_run\nX"
            )
        ],
        [sh("python3 -m unittest -q")],
        [edit("README.md", "\n## Licence", "- `--dry-run`: turn on dry run\n\n## Licence")],
        [sh("git status --short")],
    ],
    careful=3,
    parameters={"flag": "dry-run"},
    next_task="Add a flag `--no-color` to the command line, with a test and a line in the README",
    next_parameters={"flag": "no-color"},
    again=True,
)

LINT = Scenario(
    name="fix a lint class over a tree",
    task="Fix every comparison with None: use `is None` in place of `== None`",
    files={
        "pkg/a.py": "def a(x):\n    if x == None:\n        return 1\n    return x == 3\n",
        "pkg/b.py": "def b(x, y):\n    return 0 if y == None else x\n",
        "pkg/deep/c.py": "VALUES = [v for v in () if v == None]\n",
        "pkg/d.py": "def d(x):\n    return x == 'None'\n",
    },
    steps=[
        [sh("grep -rn '== None' pkg")],
        [sh("sed -i 's/==/is/' pkg/a.py")],
        [sh("cat pkg/a.py")],
        [sh("sed -i 's/is None/== None/; s/is 3/== 3/' pkg/a.py")],
        [sh("grep -rl '== None' pkg | xargs sed -i 's/== None/is None/'")],
        [sh("python3 -m compileall -q pkg && git diff --stat")],
    ],
    careful=1,
)

BUMP = Scenario(
    name="bump a version and changelog",
    task="Bump the version to 1.4.0 and add it to the changelog",
    files={
        "pyproject.toml": '[project]\nname = "app"\nversion = "1.3.2"\n',
        "app/__init__.py": '__version__ = "1.3.2"\n',
        "CHANGELOG.md": "# Changes\n\n## 1.3.2\n\n- mended things\n",
    },
    steps=[
        [sh("git log --oneline -3 && grep -rn 1.3.2 .")],
        [sh("sed -i 's/1.3.2/1.4/' pyproject.toml")],
        [sh("sed -i 's/1.4\"/1.4.0\"/' pyproject.toml")],
        [sh("sed -i 's/1.3.2/1.4.0/' app/__init__.py")],
        [edit("CHANGELOG.md", "# Changes\n", "# Changes\n\n## 1.4.0\n\n- see the commits since the last version\n")],
        [sh("git diff")],
    ],
    careful=3,
    parameters={"version": "1.4.0"},
    next_task="Bump the version to 2.0.0 and add it to the changelog",
    next_parameters={"version": "2.0.0"},
    again=True,
)

GENERATE = Scenario(
    name="generate code and commit it",
    task="Add a model `Invoice` to models.txt and generate the code again",
    files={
        "models.txt": "Customer\n",
        "tools/generate.py": (
            "import pathlib\n\nout = pathlib.Path('generated')\nout.mkdir(exist_ok=True)\n"
            "for name in pathlib.Path('models.txt').read_text().split():\n"
            "    (out / f'{name.lower()}.py').write_text(f'class {name}:\\n    table = {name.lower()!r}\\n')\n"
            "names = pathlib.Path('models.txt').read_text().split()\n"
            "(out / '__init__.py').write_text('\\n'.join(f'from generated.{n.lower()} import {n}' for n in names) + '\\n')\n"
        ),
        "generated/customer.py": "class Customer:\n    table = 'customer'\n",
        "generated/__init__.py": "from generated.customer import Customer\n",
    },
    steps=[
        [sh("cat models.txt tools/generate.py")],
        [sh("python3 tools/generate.py --help")],
        [sh("echo Invoice >> models.txt")],
        [sh("python3 tools/generte.py")],
        [sh("python3 tools/generate.py")],
        [sh("python3 tools/generate.py && cat generated/invoice.py")],
        [sh("git status --short")],
    ],
    careful=2,
    parameters={"name": "Invoice"},
    next_task="Add a model `Receipt` to models.txt and generate the code again",
    next_parameters={"name": "Receipt"},
    again=True,
)

BUILD = Scenario(
    name="set up and run a build script",
    task="Make a build script build.sh for the image `web` and run it so that dist/web.manifest is there",
    files={"Containerfile": "FROM scratch\nCOPY app /app\n", "app/main.txt": "main\n"},
    steps=[
        [sh("cat Containerfile")],
        [write("build.sh", "#!/bin/bash\ndocker build .\n")],
        [sh("bash build.sh")],
        [
            write(
                "build.sh",
                "#!/bin/bash\nset -e\nmkdir -p dist\n{ echo image: web; sha1sum Containerfile app/main.txt; }"
                " > dist/web.manifest\n",
            )
        ],
        [sh("bash build.sh")],
        [sh("cat dist/web.manifest")],
    ],
    careful=2,
    parameters={"name": "web"},
    next_task="Make a build script build.sh for the image `api` and run it so that dist/api.manifest is there",
    next_parameters={"name": "api"},
)

MIGRATION = Scenario(
    name="data migration",
    task="Add a column `nickname` to the users: write the migration, apply it to data/users.csv and update the schema",
    files={
        "schema.sql": "CREATE TABLE users (\n  id INTEGER,\n  name TEXT\n);\n",
        "data/users.csv": "id,name\n1,ada\n2,bob\n",
        "migrate.py": (
            "import csv, pathlib, sys\n\ncolumn = sys.argv[1]\npath = pathlib.Path('data/users.csv')\n"
            "rows = list(csv.reader(path.open()))\nif column in rows[0]:\n    sys.exit('has it already')\n"
            "text = [','.join([*row, column if n == 0 else '']) for n, row in enumerate(rows)]\n"
            "path.write_text('\\n'.join(text) + '\\n')\n"
        ),
    },
    steps=[
        [sh("head -3 data/users.csv; cat migrate.py")],
        [sh("python3 migrate.py")],
        [sh("mkdir -p migrations")],
        [write("migrations/add_nickname.sql", "ALTER TABLE users ADD COLUMN nickname TEXT;\n")],
        [edit("schema.sql", "  name TEXT\n", "  name TEXT,\n  nickname TEXT\n")],
        [sh("python3 migrate.py nickname")],
        [sh("python3 migrate.py nickname")],
        [sh("cat data/users.csv")],
    ],
    careful=3,
    parameters={"column": "nickname"},
    next_task="Add a column `birthday` to the users: write the migration, apply it to data/users.csv and update the schema",
    next_parameters={"column": "birthday"},  # on top of the first the last column has another name
)

CONFIG = Scenario(
    name="configuration change in many files",
    task="Set the timeout to 45 in the configuration of every service",
    files={f"services/{name}/config.yaml": f"name: {name}\ntimeout: 30\nretries: 3\n" for name in ("a", "b", "c", "d")},
    steps=[
        [sh("grep -rn timeout services")],
        [edit("services/a/config.yaml", "timeout: 30", "timeout: 45")],
        [edit("services/b/config.yaml", "timeout: 30", "timeout: 45s")],
        [edit("services/b/config.yaml", "timeout: 45s", "timeout: 45")],
        [edit("services/c/config.yaml", "timeout: 30", "timeout: 45")],
        [sh("for f in services/d/*.yaml; do sed -i 's/timeout: 30/timeout: 45/' $f; done")],
        [sh("grep -rn timeout services | sort")],
    ],
    careful=1,
    parameters={"timeout": "45"},
    next_task="Set the timeout to 60 in the configuration of every service",
    next_parameters={"timeout": "60"},
    again=True,
)

BUGFIX = Scenario(
    name="a bug fix",
    task="The last page is missing: page_count rounds down. Mend it",
    files={
        "shop/pages.py": (
            "def page_count(items, size):\n    return items // size\n\n\ndef first(items, size):\n    return items[:size]\n"
        ),
        "tests/test_pages.py": "from shop.pages import page_count\n\n\ndef test_it():\n    assert page_count(5, 2) == 3\n",
    },
    steps=[
        [sh("cat shop/pages.py")],
        [sh("python3 -m unittest -q")],
        [edit("shop/pages.py", "items // size", "items // size + 1")],
        [sh("python3 -m unittest -q")],
        [edit("shop/pages.py", "items // size + 1", "-(-items // size)")],
        [sh("python3 -m unittest -q")],
    ],
    careful=1,
    next_task="The last page is missing: page_count rounds down. Please mend it",
)

SCENARIOS = (DEPENDENCY, RENAME, FLAG, LINT, BUMP, GENERATE, BUILD, MIGRATION, CONFIG, BUGFIX)
