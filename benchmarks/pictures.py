"""README's pictures, made from a real session: `python -m benchmarks.pictures`.

The demo's project and its tests, the real command line, evaluator and page; the model's answers are scripted, so that
the pictures need no key and are the same each time. The recording is an SVG whose lines appear one after the other;
the page is photographed by a headless Chromium.
"""

import argparse
import html
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from gitmimo.cli.demo import make_demo_repository
from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).parents[1]
COLUMNS, LINE, LETTER = 104, 19, 8.43  # of the terminal, and pixels of a line and of a letter
TASK = "items whose count equals the minimum are ordered although nothing is missing"
COLOURS = {"1": "#e6edf3", "2": "#8b949e", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff"}
SHOWN = (("start", TASK), ("review",), ("merge",))
PHONE = "width:400px;height:1000px"
LONGEST = 34  # lines that are shown of one command


def main() -> None:
    """Write `terminal.svg`, `page-light.png`, `page-dark.png`, and `page-phone.png` of a session that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "pictures")
    target = parser.parse_args().to
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        server.scripts |= {"demo": _answer, "wrong": _wrong_answer}
        (Path(folder) / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        place = make_demo_repository(Path(folder) / "shelf")
        environment = _environment(Path(folder), server)
        page = Path(folder) / "page.html"
        said = []
        for words in SHOWN:
            if words == ("merge",):
                subprocess.run(_command("review", "--html", str(page)), cwd=place, env=environment, check=True)
            said.append((words, _on_a_terminal(words, place, environment)))
        (target / "terminal.svg").write_text(svg(list(_screen(said))), encoding="utf-8")
        for theme in ("light", "dark"):
            _photograph(page, target / f"page-{theme}.png", Path(folder) / "profile", dark=theme == "dark")
        subprocess.run(
            _command("start", "-n", "1", "-m", "openai/wrong", TASK), cwd=place, env=environment, check=False
        )
        subprocess.run(_command("review", "--html", str(page)), cwd=place, env=environment, check=True)
        phone = Path(folder) / "phone.html"  # a browser's window can't be as narrow as a phone
        phone.write_text(f'<body style="margin:0"><iframe src="{page.name}" style="border:0;{PHONE}"></iframe>')
        _photograph(phone, target / "page-phone.png", Path(folder) / "profile", dark=True, size="400,1000")
    print(f"written to {target}")


def _answer(request: Request) -> Answer:
    """What a model would do: look, change the comparison, run the tests, finish."""
    steps: Sequence[tuple[str, dict[str, str]]] = (
        ("shell", {"command": "grep -n 'minimum' -r shelf; python -m pytest -q 2>&1 | tail -4"}),
        ("edit", {"path": "shelf/stock.py", "old": "item.count <= item.minimum", "new": "item.count < item.minimum"}),
        ("finish", {"title": "order only what is below the minimum", "summary": "to_order compared with <=, so an item"
                    " at its minimum was ordered with a count of 0. It compares with < now."}),
    )  # fmt: skip
    done = sum(message.get("role") == "assistant" for message in request.messages)
    name, arguments = steps[min(done, len(steps) - 1)]
    return Answer(tool_calls=((name, json.dumps(arguments)),), latency_s=0.2)


def _wrong_answer(request: Request) -> Answer:
    """A change after which a test fails that passed before."""
    done = sum(message.get("role") == "assistant" for message in request.messages)
    edit = {"path": "shelf/stock.py", "old": "item.minimum - item.count", "new": "item.minimum"}
    finish = ("finish", json.dumps({"title": "order the minimum", "summary": "the whole minimum is ordered now"}))
    return Answer(tool_calls=(finish if done else ("edit", json.dumps(edit)),))


def _environment(folder: Path, server: ScriptedServer) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XDG_", "MIMO_"))}
    settings = {"MODEL": "openai/demo", "CRITIC": "none", "DREAM": "off", "MAX_TOKENS": "1000000"}
    return {
        **kept,
        **{f"GIT_MIMO_{name}": value for name, value in settings.items()},
        "HOME": str(folder),
        "OPENAI_API_BASE": server.base_url,
        "OPENAI_API_KEY": "sk-scripted-no-key",
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "GIT_PAGER": "cat",
    }


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "gitmimo", *words]


def _on_a_terminal(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> list[str]:
    """The lines that stay on a terminal after a command; what it drew over in between is gone."""
    parent, child = pty.openpty()
    ioctl(child, TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    process = subprocess.Popen(_command(*words), cwd=cwd, env=environment, stdin=child, stdout=child, stderr=child)
    os.close(child)
    seen = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        seen += piece
    process.wait()
    os.close(parent)
    return list(_lines(seen.decode("utf-8", "replace")))


def _lines(text: str) -> Iterator[str]:
    """What is left of a terminal's stream: a cursor that goes up takes lines back."""
    lines: list[str] = [""]
    for piece in re.findall(r"\x1b\[\d*A|\x1b\[2K|\x1b\[\?\d+[hl]|\r\n|\n|\r|\x1b\[[\d;]*m|[^\x1b\r\n]+|\x1b.", text):
        if re.fullmatch(r"\x1b\[\d*A", piece):
            lines = lines[: -int(piece[2:-1] or 1)] or [""]
        elif piece == "\x1b[2K":
            lines[-1] = ""
        elif piece in ("\r\n", "\n"):
            lines.append("")
        elif piece == "\r":
            continue
        elif not piece.startswith("\x1b[?"):
            lines[-1] += piece
    return (line for line in lines)


def _screen(said: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Iterator[tuple[float, str]]:
    """Every line with the second at which it appears."""
    moment = 0.4
    for words, lines in said:
        typed = " ".join(f'"{word}"' if " " in word else word for word in words)
        yield moment, f"\x1b[1m$ git mimo {typed}\x1b[0m"
        moment += 1.2
        kept = [line for line in lines if line.strip() or lines]
        while kept and not kept[-1].strip():
            kept.pop()
        shown = kept if len(kept) <= LONGEST else [*kept[:LONGEST], f"\x1b[2m… {len(kept) - LONGEST} more lines\x1b[0m"]
        for line in shown:
            yield moment, line
            moment += 0.12
        yield moment, ""
        moment += 1.2


def svg(lines: Sequence[tuple[float, str]]) -> str:
    """A terminal as a picture in which each line appears at its time and stays."""
    width, height = round(COLUMNS * LETTER) + 40, len(lines) * LINE + 66
    rows = "\n".join(
        f'<text x="20" y="{58 + number * LINE}" opacity="0"><animate attributeName="opacity" values="1" '
        f'begin="{moment:.2f}s" dur="0.01s" fill="freeze"/>{_spans(line)}</text>'
        for number, (moment, line) in enumerate(lines)
        if line
    )
    dots = "".join(
        f'<circle cx="{24 + 20 * place}" cy="22" r="6" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="A session in a terminal: start, review, merge">\n'
        f'<rect width="{width}" height="{height}" rx="10" fill="#0d1117"/>{dots}\n'
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" '
        f'fill="#c9d1d9" xml:space="preserve">\n{rows}\n</g></svg>\n'
    )


def _spans(line: str) -> str:
    """A line with its colours as spans."""
    found: list[str] = []
    style = ""
    for piece in re.split(r"(\x1b\[[\d;]*m)", line[: COLUMNS * 3]):
        if match := re.fullmatch(r"\x1b\[([\d;]*)m", piece):
            codes = [code for code in match[1].split(";") if code]
            colours = [COLOURS[code] for code in codes if code in COLOURS]
            bold = ' font-weight="bold"' if "1" in codes else ""
            style = f' fill="{colours[-1]}"{bold}' if colours else ""
        elif piece:
            text = html.escape(re.sub(r"\x1b.", "", piece), quote=False).replace(" ", "\u00a0")
            found.append(f"<tspan{style}>{text}</tspan>" if style else text)
    return "".join(found)


def _photograph(page: Path, picture: Path, profile: Path, *, dark: bool, size: str = "1200,1000") -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("no Chromium is on PATH to photograph the page with")
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    subprocess.run(
        [browser, *switches, f"--user-data-dir={profile}", f"--screenshot={picture}", f"--window-size={size}",
         f"--blink-settings=preferredColorScheme={0 if dark else 1}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
