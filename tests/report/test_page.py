"""The review page: what it says, what it keeps inert, and how it behaves in a browser."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.report.diff_html import mark_ranges, read_diff
from gitmimo.report.page import review_page
from tests.conftest import GitBuilder
from tests.made_session import Attempt, make_session
from tests.report.browser import ask

APP = "import os\n\n\ndef f(x):\n    return None\n"
HOSTILE = (
    '<script>window.pwned = 1</script><img src=x onerror="window.pwned=2">\'"&\u202e\x1b[31mred\x00\n'
    "</code></td></table></script><iframe src=//example.org></iframe>"
)


def _page(git: GitBuilder, *attempts: Attempt, **options: object) -> str:
    git.commit({"app.py": APP, "web/index.js": "export const a = 1;\n", "docs/a.md": "a\n"})
    session = make_session(git, attempts, **options)  # type: ignore[arg-type]
    return review_page(Repository.discover(git.path), session)


@pytest.fixture
def page(git: GitBuilder, tmp_path: Path) -> Path:
    """A session with four candidates, two of which reached the same product."""
    good = APP.replace("None", "x")
    text = _page(
        git,
        Attempt(steps=[{"app.py": good}, {}, {"web/index.js": "export const a = 2;\n"}], flags=("look at `web/`",)),
        Attempt(steps=[{"app.py": APP.replace("None", "0")}], passed=False, broken=("t.py::test_other",)),
        Attempt(steps=[{"app.py": good, "web/index.js": "export const a = 2;\n"}]),
        Attempt(steps=[{"app.py": good, "big.py": "".join(f"x{i} = {i}\n" for i in range(900)), "docs/a.md": None}]),
        comments={"1": "Does it.", "1:web/index.js": "Why this file?"},
    )
    path = tmp_path / "page.html"
    path.write_text(text)
    return path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address at which `tmp_path` is served, so that a frame of any width can be asked."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_every_changed_file_of_a_product_has_its_lines(page: Path) -> None:
    text = page.read_text()
    article = text.partition('<article id="d4"')[2].partition("</article>")[0]
    files = re.findall(r'id="(d4-f\d)".*?</details>', article, re.DOTALL)
    assert len(files) == 3
    assert article.count("<table class=diff>") == 3


def test_candidates_with_equal_products_share_one_diff(page: Path) -> None:
    text = page.read_text()
    assert "The same product: candidate 3." in text
    assert 'id="d3"' not in text


def test_the_critics_comment_stands_at_its_file(page: Path) -> None:
    section = page.read_text().partition('id="d1-f2"')[2].partition("</details>")[0]
    assert "Why this file?" in section


def test_tests_that_differ_from_base_are_listed(page: Path) -> None:
    rows = page.read_text().partition('id="tests"')[2].partition("</section>")[0]
    assert "t.py::test_other" in rows
    assert re.search(r"test_other</code></td><td[^>]*>passed</td><td[^>]*>failed", rows)


def test_the_page_asks_nobody_for_anything(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r'(?:src|href|action|srcset)="(?!#)[^"]*"', text) == []
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_a_session_whose_objects_are_missing_still_has_a_page(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"app.py": APP})
    session = make_session(git, [Attempt(steps=[{"app.py": "x\n"}])])
    other = GitBuilder(tmp_path / "other")
    other.commit({"unrelated": "1\n"})
    text = review_page(Repository.discover(other.path), session)
    assert "its objects are not in this clone" in text


def test_a_damaged_step_is_named_and_the_rest_is_shown(git: GitBuilder) -> None:
    git.commit({"app.py": APP})
    session = make_session(git, [Attempt(steps=[{"app.py": "x\n"}])])
    git("checkout", "--quiet", "--detach", "refs/mimo/candidates/0a1b2c3d4e/1")
    git.commit({".mimo/trajectory/0a1b2c3d4e/1/0002.json": "{not json"})
    git("update-ref", "refs/mimo/candidates/0a1b2c3d4e/1", "HEAD")
    text = review_page(Repository.discover(git.path), session)
    assert "damaged" in text
    assert "0002.json" in text


def test_a_file_that_becomes_a_link_has_both_sides(git: GitBuilder) -> None:
    old = git.commit({"a": "text\n", "b": "b\n"})
    (git.path / "a").unlink()
    (git.path / "a").symlink_to("b")
    new = git.commit({"b": "c\n"})
    repository = Repository.discover(git.path)
    files = read_diff(repository, repository.resolve(old), repository.resolve(new))
    assert [file.change.path for file in files] == ["a", "b"]
    assert [line.text for line in files[1].lines if line.mark == "+"] == ["c"]


def test_hostile_content_stays_text(git: GitBuilder, tmp_path: Path) -> None:
    name = "a \u202e'\"<b onclick=x>\n\x1b[2J&.py"
    text = _page(
        git,
        Attempt(
            steps=[{name: HOSTILE, "ok.py": HOSTILE}],
            said=HOSTILE,
            seen=HOSTILE,
            flags=(HOSTILE,),
            fixed=(HOSTILE,),
            model=HOSTILE.replace("\x00", ""),
            approach=HOSTILE,
        ),
        Attempt(steps=[{"z.html": HOSTILE}], passed=False),
        task=HOSTILE.replace("\x00", ""),
        comments={"1": HOSTILE, f"1:{name}": HOSTILE},
    )
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f\u200b]", text)
    path = tmp_path / "hostile.html"
    path.write_text(text)
    found = ask(
        path,
        "return {pwned: window.pwned ?? null, scripts: document.scripts.length,"
        " frames: document.querySelectorAll('iframe, img, object, embed, link, base').length,"
        " handlers: Array.from(document.querySelectorAll('*')).filter(e => Array.from(e.attributes)"
        ".some(a => a.name.startsWith('on'))).length, ready: document.documentElement.dataset.ready}",
        tmp_path / "profile",
    )
    assert found == {"pwned": None, "scripts": 2, "frames": 0, "handlers": 0, "ready": "yes"}


def test_keys_move_between_files_and_candidates(page: Path, tmp_path: Path) -> None:
    found = ask(
        page,
        """
        const press = key => document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        const here = () => document.querySelector('.here')?.id;
        const shown = () => Array.from(document.querySelectorAll('.product:not(.off)')).map(p => p.dataset.candidate);
        const said = [];
        document.body.focus();
        Object.defineProperty(KeyboardEvent.prototype, 'target', {get: () => document.body});
        said.push(shown()); press('j'); said.push(here()); press('j'); said.push(here()); press('k'); said.push(here());
        press('o'); said.push(document.querySelector('.here').open);
        press('n'); said.push(shown()); press('p'); said.push(shown());
        press('s'); said.push(shown()); said.push(document.querySelector('#products').classList.contains('two'));
        press('?'); said.push(document.querySelector('#help').open); press('?');
        said.push(document.querySelector('#help').open);
        press('t'); said.push(document.documentElement.dataset.theme);
        return said;
        """,
        tmp_path / "profile",
    )
    assert found == [["1"], "d1-f1", "d1-f2", "d1-f1", False, ["2"], ["1"], ["1", "2"], True, True, False, "dark"]


CHECKS = Path(__file__).with_name("accessible.js").read_text()


def test_the_page_is_accessible_in_light_and_dark(page: Path, tmp_path: Path) -> None:
    script = f"""
        const check = async () => {{ {CHECKS} }};
        const found = {{}};
        for (const theme of ['light', 'dark']) {{
            document.documentElement.dataset.theme = theme;
            found[theme] = await check();
        }}
        return found;
    """
    assert ask(page, script, tmp_path / "profile") == {"light": [], "dark": []}


def test_nothing_is_wider_than_a_phone(page: Path, served: str, tmp_path: Path) -> None:
    (tmp_path / "phone.html").write_text(
        "<!doctype html><meta charset=utf-8><title>phone</title>"
        '<iframe src="page.html" width="390" height="2400"></iframe><script></script></body>'
    )
    script = """
        const frame = document.querySelector('iframe');
        await new Promise(done => { const wait = () => frame.contentDocument?.documentElement?.dataset.ready ? done()
            : setTimeout(wait, 20); wait(); });
        const doc = frame.contentDocument;
        doc.querySelectorAll('details').forEach(d => { d.open = true; });
        return [doc.documentElement.scrollWidth <= 390, doc.querySelector('nav').offsetWidth <= 390];
    """
    assert ask(tmp_path / "phone.html", script, tmp_path / "profile", address=f"{served}/asked-phone.html") == [
        True,
        True,
    ]


def test_a_huge_session_stays_small(git: GitBuilder, tmp_path: Path) -> None:
    lines = [f"    value_{i} = compute(previous, '{i}') if ready else {i} * 2  # line {i}\n" for i in range(20_000)]
    huge = "def f(x):\n" + "".join(lines)
    attempts = [Attempt(steps=[{"app.py": APP.replace("None", str(n))}] * 1 + [{}] * 60) for n in range(7)]
    text = _page(
        git,
        Attempt(steps=[{"huge.py": huge, "many.py": "".join(lines[:3000])}], seen="x" * 10_000),
        *attempts,
    )
    assert len(text.encode()) < 15_000_000
    path = tmp_path / "huge.html"
    path.write_text(text)
    assert ask(path, "return document.querySelectorAll('#d1 tr').length > 22000", tmp_path / "profile") is True


def test_the_merge_command_is_on_the_first_screen(page: Path) -> None:
    text = page.read_text()
    assert text.index('<code id="command">git mimo merge 0a1b2c3d4e</code>') < text.index("<section")


def test_words_that_changed_are_marked(git: GitBuilder) -> None:
    text = _page(git, Attempt(steps=[{"app.py": APP.replace("None", "x")}]))
    removed = re.search(r"<tr class=d>.*?</code>", text)
    added = re.search(r"<tr class=a>.*?</code>", text)
    assert removed
    assert added
    assert re.sub("<(?!/?b>)[^>]*>", "", removed[0]).endswith("return <b>None</b>")
    assert re.sub("<(?!/?b>)[^>]*>", "", added[0]).endswith("return <b>x</b>")


@pytest.mark.parametrize(
    ("code", "ranges", "marked"),
    [
        ("abc", [(1, 2)], "a<b>b</b>c"),
        ("<span class=k>if</span> x", [(0, 4)], "<b></b><span class=k><b>if</b></span><b> x</b>"),
        ("a &lt;= b", [(2, 3)], "a <b>&lt;</b>= b"),
        ("ab", [(0, 1), (1, 2)], "<b>a</b><b>b</b>"),
        ("ab", [], "ab"),
    ],
)
def test_ranges_are_marked_around_tags_and_entities(code: str, ranges: list[tuple[int, int]], marked: str) -> None:
    assert mark_ranges(code, ranges) == marked.replace("<b></b>", "")


def test_context_around_a_hunk_can_be_unfolded(git: GitBuilder, tmp_path: Path) -> None:
    lines = [f"value_{number} = {number}\n" for number in range(60)]
    git.commit({"long.py": "".join(lines)})
    changed = "".join("value_30 = None\n" if number == 30 else line for number, line in enumerate(lines))
    session = make_session(git, [Attempt(steps=[{"long.py": changed}])])
    path = tmp_path / "context.html"
    path.write_text(review_page(Repository.discover(git.path), session))
    script = """
        const rows = () => Array.from(document.querySelectorAll('#d1 tbody:not([hidden]) tr')).map(r => r.textContent);
        const before = rows().some(r => r.includes('value_20 '));
        document.querySelector('#d1 button.more').click();
        return [before, rows().find(r => r.includes('value_20 ')), rows().some(r => r.includes('value_2 '))];
    """
    assert ask(path, script, tmp_path / "profile") == [False, "2121value_20 = 20", True]
