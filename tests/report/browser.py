"""A headless Chromium for tests: loads a page, runs keys and questions in it, takes pictures."""

import contextlib
import html
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


def find_browser() -> str:
    """The browser's path; skips the test where there is none."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    return found


def screenshot(page: Path, picture: Path, profile: Path, *, size: tuple[int, int], dark: bool = False) -> None:
    """Write a PNG of the page."""
    switches = [f"--screenshot={picture}", f"--window-size={size[0]},{size[1]}"]
    switches += ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    _run([*switches, page.as_uri()], profile)


def print_pdf(page: Path, target: Path, profile: Path) -> None:
    """Print the page to PDF."""
    _run([f"--print-to-pdf={target}", page.as_uri()], profile)


def ask(page: Path, script: str, profile: Path, *, size: tuple[int, int] = (1280, 900), address: str = "") -> Any:
    """Run `script` in the loaded page and return the JSON value it returns.

    The page's content policy forbids foreign script, so a copy is asked whose policy allows this one question. The
    copy is named `asked-…` and loaded from its file, or from `address`.
    """
    text = page.read_text()
    question = f"<script nonce=asked>setTimeout(async () => {{ const value = await (async () => {{ {script} }})();"
    question += (
        " const out = document.createElement('pre'); out.id = 'answer'; out.textContent = JSON.stringify(value);"
        " document.body.replaceChildren(out); }, 50)</script></body>"
    )
    copy = page.with_name(f"asked-{page.name}")
    copy.write_text(text.replace("script-src '", "script-src 'nonce-asked' '", 1).replace("</body>", question, 1))
    dumped = _run(
        ["--virtual-time-budget=8000", "--dump-dom", f"--window-size={size[0]},{size[1]}", address or copy.as_uri()],
        profile,
    )
    _, found, rest = dumped.partition('<pre id="answer">')
    assert found, dumped[-2000:]
    return json.loads(html.unescape(rest.partition("</pre>")[0]))


def _run(switches: list[str], profile: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, profile, ignore_errors=True)
        done = subprocess.run(
            [find_browser(), *SWITCHES, f"--user-data-dir={profile}", *switches],
            capture_output=True,
            check=False,
            timeout=120,
            env=environment | {"HOME": str(profile.parent)},
        )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode(errors="replace")
