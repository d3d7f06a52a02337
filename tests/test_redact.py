"""Secrets never pass, ordinary code does. Every token here is put together at run time and is nobody's."""

import base64
import json
import random
import string
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitmimo import redact as redact_module
from gitmimo.errors import CheckError
from gitmimo.redact import Finding, find_secrets, known_secrets, redact, secret_check

ROOT = Path(__file__).parent.parent


def _random(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    chooser = random.Random(length)
    return "7a" + "".join(chooser.choice(alphabet) for _ in range(length - 2))


HEX = "0123456789abcdef"
PEM = "-----{} RSA " + "PRIVATE KEY-----"
SECRETS = {
    "openai legacy": "sk" + "-" + _random(48),
    "openai project": "sk" + "-proj-" + _random(60),
    "anthropic": "sk" + "-ant-api03-" + _random(90),
    "openrouter": "sk" + "-or-v1-" + _random(64, HEX),
    "groq": "gsk" + "_" + _random(52),
    "hugging face": "hf" + "_" + _random(34),
    "google": "AIza" + "Sy" + _random(33),
    "google oauth": "ya29" + ".a0" + _random(40),
    "github classic": "ghp" + "_" + _random(36),
    "github fine-grained": "github" + "_pat_" + _random(22) + "_" + _random(59),
    "github app": "ghs" + "_" + _random(36),
    "gitlab": "glpat" + "-" + _random(20),
    "npm": "npm" + "_" + _random(36),
    "pypi": "pypi" + "-AgEIcHlwaS5vcmc" + _random(60),
    "aws key id": "AKIA" + _random(16, string.ascii_uppercase + string.digits).upper(),
    "aws secret": "aws_secret_access_key = " + _random(40),
    "slack bot": "xoxb" + "-123456789012-" + _random(24),
    "slack hook": "https://hooks.slack.com/services/" + "T0000AAAA/B0000BBBB/" + _random(24),
    "stripe": "sk" + "_live_" + _random(24),
    "sendgrid": "SG" + "." + _random(22) + "." + _random(43),
    "telegram": "123456789" + ":AA" + _random(33),
    "discord": "M" + _random(23) + "." + _random(6) + "." + _random(27),
    "mailchimp": _random(32, HEX) + "-us" + "12",
    "square": "sq0" + "csp-" + _random(43),
    "twilio": "SK" + _random(32, HEX),
    "xai": "xai" + "-" + _random(70),
    "deepseek": "sk" + "-" + _random(32, HEX),
    "digitalocean": "dop" + "_v1_" + _random(64, HEX),
    "jwt": "eyJ" + _random(20) + ".eyJ" + _random(40) + "." + _random(43),
    "private key": PEM.format("BEGIN") + f"\n{_random(64)}" * 3 + "\n" + PEM.format("END"),
    "bearer": "Authorization: " + "Bearer " + _random(40),
    "basic": "Authorization: " + "Basic " + base64.b64encode(b"ada:" + _random(12).encode()).decode(),
    "env password": "DB_PASSWORD" + "=Tr0ub4dor&3xyz",
    "env secret": "export APP_SECRET" + "=" + _random(20),
    "json password": '{"password"' + ': "hunter2!x"}',
    "url password": "postgres://ada" + ":s3cr3tpw@db.internal/app",
    "option": "mysql --password" + "=Gr33nTr33s",
    "yaml password": "password" + ": Gr33n-Tr33s-9",
}  # fmt: skip


def _core(secret: str) -> str:
    """The part that must not survive."""
    if "PRIVATE" in secret:
        return _random(64)[10:30]
    return secret.rstrip('"}').split("@")[0][-8:]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("shape", ["plain", "sentence", "jsonl", "jsonl in jsonl"])
def test_synthetic_secrets_are_taken_out(name: str, shape: str) -> None:
    secret = SECRETS[name]
    text = {
        "plain": secret,
        "sentence": f"output:\n{secret}\nand so on",
        "jsonl": json.dumps({"step": 3, "output": f"$ cat config\n{secret}\nOK"}),
        "jsonl in jsonl": json.dumps({"line": json.dumps({"output": f"first\n{secret}\nOK"})}),
    }[shape]
    clean, count = redact(text)
    assert _core(secret) not in clean
    assert count >= 1
    assert redact(clean) == (clean, 0)
    assert "[redacted:" in clean


VALUE = "q9#Lp/Z+t2 vB=x8"


@pytest.mark.parametrize(
    "text",
    [
        f"got {VALUE} there",
        base64.b64encode(b"user:" + VALUE.encode()).decode(),
        base64.urlsafe_b64encode(b"ab" + VALUE.encode() + b"tail").decode(),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        VALUE.encode().hex(),
        json.dumps({"key": VALUE + '"'}),
        f"{VALUE[:7]}\n{VALUE[7:]}",
        f'"{VALUE[:7]}"\n    "{VALUE[7:]}"',
        f'key = "{VALUE[:7]}" + \\\n   "{VALUE[7:]}"',
        json.dumps({"output": f"{VALUE[:5]}\n{VALUE[5:9]}\r\n{VALUE[9:]}"}),
    ],
)
def test_known_values_are_found_in_every_disguise(text: str) -> None:
    clean, count = redact(text, {"MY_KEY": VALUE})
    assert count == 1
    assert "[redacted:MY_KEY]" in clean
    assert "q9#Lp" not in clean


def test_a_token_wrapped_over_two_lines_is_found() -> None:
    token = SECRETS["anthropic"]
    clean, _ = redact(f"key:\n  {token[:15]}\n  {token[15:]}\n(rest)")
    assert token[15:40] not in clean
    assert clean.endswith("\n(rest)")


def test_a_whole_token_does_not_take_the_next_line_along() -> None:
    clean, _ = redact(f"{SECRETS['groq']}\nhello there")
    assert clean == "[redacted:groq-key]\nhello there"


def test_findings_name_line_and_rule_and_never_the_secret() -> None:
    found = find_secrets(f"one\ntwo {SECRETS['github classic']}\n".encode())
    assert [(f.rule, f.line, f.certain) for f in found] == [("github-token", 2, True)]
    assert SECRETS["github classic"] not in repr(found)


def test_what_only_looks_like_a_password_is_not_certain() -> None:
    assert [f.certain for f in find_secrets(SECRETS["json password"].encode())] == [False]


def test_utf16_and_binary_content_is_scanned() -> None:
    assert find_secrets(SECRETS["groq"].encode("utf-16"))
    assert find_secrets(b"\xff\x00\x01" + SECRETS["groq"].encode() + b"\x00")


def test_ordinary_sources_raise_no_alarm() -> None:
    paths = [*ROOT.glob("gitmimo/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "pyproject.toml", Path(__file__)]
    paths += list(Path(json.__file__).parent.glob("*.py")) + list(Path(urllib.parse.__file__).parent.glob("*.py"))
    assert [(path.name, f) for path in paths for f in find_secrets(path.read_bytes()) if f.certain] == []


@pytest.mark.parametrize(
    "line",
    [
        "password = os.environ['DB_PASSWORD']",
        "PASSWORD=$(pass show db)",
        "    token=settings.api_token,",
        'headers = {"Authorization": f"Bearer {token}"}',
        "API_KEY=your-api-key-here",
        'client = OpenAI(api_key="sk-...")',
        "export OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "max_tokens=4096 token_count=1000000",
        "def reset_password(token: str, password: str) -> None:",
        "postgres://user:password@localhost/db",
        "https://example.org:8080/path@v2",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "sha512-" + _random(86) + "==",
        "see risk-assessment-procedures-overview and task-management-in-practice-20",
        "  password: str = Field(min_length=8)",
        "secretKeyRef: database-credentials",
    ],
)
def test_ordinary_lines_pass_unchanged(line: str) -> None:
    assert redact(line) == (line, 0)


def test_a_broken_scanner_stops_the_storing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, known: object) -> Iterator[Finding]:
        raise RuntimeError("boom")

    monkeypatch.setattr(redact_module, "_scan", broken)
    with pytest.raises(CheckError, match="nothing may be stored"):
        redact("harmless")


def test_secret_variables_are_chosen_by_name() -> None:
    environment = {
        "GROQ_API_KEY": "gsk_a8long2value",
        "SECRET_KEY_BASE": "0f3a9be27c",
        "OPENAI_APIKEY": "x9-k2-m4-p8-zz",
        "VAULT_PASSPHRASE": "correct horse battery",
        "DB_PASSWORD": "hunter2hunter2",
        "PATH": "/usr/bin:/bin",
        "SSH_AUTH_SOCK": "/tmp/agent.1",
        "PWD": "/home/ada/project",
        "GITHUB_TOKEN": "short",
    }
    found = ["DB_PASSWORD", "GROQ_API_KEY", "OPENAI_APIKEY", "SECRET_KEY_BASE", "VAULT_PASSPHRASE"]
    assert sorted(known_secrets(environment)) == found


@pytest.mark.parametrize(
    "variable",
    [
        "KEYCLOAK_REALM=production",
        "TOKENIZER_MODEL=gpt2-medium",
        "MONKEYPATCH_MODE=standard",
        "PRIMARY_KEY_FIELD=identifier",
        "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "SSH_PUBLIC_KEY=AAAAB3NzaC1yc2EAAAADAQABAAABgQ",
        "GOOGLE_APPLICATION_CREDENTIALS=/home/ada/key1.json",
        "POSTGRES_PASSWORD=development",
        "SORT_KEY=created_at",
        "AUTH=enabled-by-default",
    ],
)
def test_innocent_variables_are_no_secrets(variable: str) -> None:
    name, _, value = variable.partition("=")
    assert known_secrets({name: value}) == {}
    assert find_secrets(f"environment = '{value}'\n".encode(), known_secrets({name: value})) == ()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_file_that_gains_a_secret_is_named_and_one_that_had_it_is_not(encoding: str) -> None:
    check = secret_check({"DB_PASSWORD": "hunter2hunter2"})
    data = "caf\xe9\nlogin('hunter2hunter2')\n".encode(encoding)
    assert check(data, lambda: b"") == "DB_PASSWORD in line 2"
    assert check(data, lambda: data) == ""
    assert check("caf\xe9\n".encode(encoding), lambda: b"") == ""
