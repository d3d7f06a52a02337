"""What secrets look like: the formats of provider keys, and the places where passwords stand."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern whose group 1 (or whole match) is the secret; tried only where one of `marks` stands in the text."""

    name: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    certain: bool = True


def _rule(name: str, marks: str, pattern: str, *, certain: bool = True, flags: int = 0) -> Rule:
    return Rule(name=name, marks=tuple(marks.split()), pattern=re.compile(pattern, flags), certain=certain)


# as whole words of a variable's name: KEYCLOAK_REALM, TOKENIZER_MODEL and MONKEYPATCH_MODE hold no secrets
SECRET_NAME = re.compile(
    r"(?:^|_)(?:(?:API|SSH|ACCESS|AUTH|SECRET|PRIVATE)?(?:KEY|TOKEN)|SECRET|PASSW(?:OR)?D|PASS|PASSPHRASE|CREDENTIALS?"
    r"|PAT|PWD|AUTH|DSN|COOKIE)\d*(?:_|$)",
    re.I,
)
PASSWORD_NAME = re.compile(r"(?:^|_)(?:PASSW(?:OR)?D|PASS|PASSPHRASE|PWD)\d*$", re.I)
HARMLESS_NAME = re.compile(
    r"SOCK|_(?:PATH|FILE|DIR|URL|ID|NAME|FIELD|TYPE|LENGTH|SIZE)$|MAX_TOKENS|^PWD$|^OLDPWD$|PUBLIC|FINGERPRINT|^GPG_KEY",
    re.I,
)

_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"  # also after a line break inside JSON
PROVIDER_RULES = (
    _rule("anthropic-key", "sk-ant-", _START + r"sk-ant-[A-Za-z0-9_-]{20,}"),
    _rule("openrouter-key", "sk-or-", _START + r"sk-or-(?:v\d-)?[A-Za-z0-9]{20,}"),
    _rule("openai-key", "sk-", _START + r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}"),
    _rule("api-key", "sk-", _START + r"sk-(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}"),
    _rule("groq-key", "gsk_", _START + r"gsk_[A-Za-z0-9]{20,}"),
    _rule("xai-key", "xai-", _START + r"xai-[A-Za-z0-9]{20,}"),
    _rule("perplexity-key", "pplx-", _START + r"pplx-[A-Za-z0-9]{20,}"),
    _rule("replicate-key", "r8_", _START + r"r8_[A-Za-z0-9]{30,}"),
    _rule("huggingface-token", "hf_ api_org_", _START + r"(?:hf|api_org)_[A-Za-z0-9]{20,}"),
    _rule("google-key", "AIza", _START + r"AIza[A-Za-z0-9_-]{30,}"),
    _rule("google-oauth", "ya29. GOCSPX-", _START + r"(?:ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})"),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _START + r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _rule("github-token", "github_pat_", _START + r"github_pat_[A-Za-z0-9_]{20,}"),
    _rule("gitlab-token", "gl", _START + r"gl(?:pat|ptt|dt|ft|rt|soat|cbt|imt|agent|oas)-[A-Za-z0-9_-]{20,}"),
    _rule("npm-token", "npm_", _START + r"npm_[A-Za-z0-9]{30,}"),
    _rule("npm-token", "_authToken", r"_authToken\s*=\s*([A-Za-z0-9_-]{20,})"),
    _rule("pypi-token", "pypi-", _START + r"pypi-[A-Za-z0-9_-]{40,}"),
    _rule("aws-key-id", "AKIA ASIA ABIA ACCA", _START + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _rule(
        "aws-secret",
        "aws AWS",
        r"aws.{0,24}?(?:secret|key).{0,24}?[=:]\s*\\?[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        flags=re.I,
    ),
    _rule("slack-token", "xox", _START + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _rule("slack-token", "xapp-", _START + r"xapp-\d-[A-Za-z0-9-]{20,}"),
    _rule("slack-webhook", "hooks.slack", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,}"),
    _rule("stripe-key", "_live_ _test_", _START + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _rule("stripe-webhook", "whsec_", _START + r"whsec_[A-Za-z0-9+/=]{24,}"),
    _rule("sendgrid-key", "SG.", _START + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _rule("digitalocean-token", "do", _START + r"do[opr]_v1_[a-f0-9]{32,}"),
    _rule("databricks-token", "dapi", _START + r"dapi[a-f0-9]{32}"),
    _rule("docker-token", "dckr_pat_", _START + r"dckr_pat_[A-Za-z0-9_-]{20,}"),
    _rule("vault-token", "hvs. hvb.", _START + r"hv[sb]\.[A-Za-z0-9_-]{20,}"),
    _rule("azure-key", "AccountKey", r"AccountKey=([A-Za-z0-9+/]{40,}={0,2})"),
    _rule("telegram-token", ":AA", _START + r"\d{8,10}:AA[A-Za-z0-9_-]{30,}"),
    _rule("discord-token", ".", _START + r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}"),
    _rule("mailchimp-key", "-us", _START + r"[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    _rule("square-token", "sq0", _START + r"sq0(?:csp|atp)-[A-Za-z0-9_-]{22,}"),
    _rule("twilio-key", "AC SK", _START + r"(?:AC|SK)[a-f0-9]{32}(?![A-Za-z0-9])"),
    _rule("age-key", "AGE-SECRET", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    _rule("json-web-token", "eyJ", _START + r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{10,}"),
)
_PEM_HEADER = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_PEM_BREAK = r"(?:\s|\\[rn]|[\"'+,\\])*"
PEM_RULES = (
    _rule(
        "private-key",
        "-----BEGIN",
        _PEM_HEADER
        + _PEM_BREAK
        + r"(?=(?:[A-Za-z-]+:[^\n]*\n\s*)*[A-Za-z0-9+/=]{24})(?:(?!-----).){0,20000}?"
        + r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|(?=\n[ \t]*\n)|(?!-----)\Z)",
        flags=re.S,
    ),
    _rule("private-key", "-----BEGIN", _PEM_HEADER, certain=False),
)
_WORD = (
    r"[A-Za-z0-9_.-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key"
    r"|private[_-]?key|credential)[A-Za-z0-9_]{0,30}"
)
_NAMES = "pass Pass PASS pwd PWD secret Secret SECRET token Token TOKEN key Key KEY redential REDENTIAL"
_VALUE = r"[^\s\"'`\\&;,]{6,200}"
_QUOTE = r"\\*[\"']"
_IS = r"\\?[\"']?\s*[:=]\s*\\?[\"']?"
_LINES = re.M | re.I
LIKELY_RULES = tuple(
    _rule(name, marks, pattern, certain=False, flags=flags)
    for name, marks, pattern, flags in (
        ("env-password", _NAMES, rf"(?:^|(?<=[\s\"';&?])|(?<=\\n)){_WORD}=\\?[\"']?({_VALUE})", _LINES),
        ("json-password", _NAMES, rf"[\"']{_WORD}{_QUOTE}\s*:\s*{_QUOTE}({_VALUE}){_QUOTE}", re.I),
        (
            "yaml-password",
            _NAMES,
            rf"(?:^|(?<=\\n))[ \t-]*{_WORD}:[ \t]+[\"']?({_VALUE})[\"']?(?=[ \t]*(?:$|\\|\"))",
            _LINES,
        ),
        (
            "option-password",
            "--pass --token --secret --api --key",
            rf"--(?:password|passwd|token|secret|api-?key|key)[ =][\"']?({_VALUE})",
            0,
        ),
        ("bearer-token", "earer", r"[Bb]earer\s+([A-Za-z0-9._~+/=-]{16,})", 0),
        ("basic-auth", "asic", rf"[Aa]uthorization{_IS}Basic\s+([A-Za-z0-9+/=]{{8,}})", 0),
        ("api-key-header", "x- X-", rf"x-(?:api|auth|access)-(?:key|token){_IS}([A-Za-z0-9._~+/=-]{{12,}})", re.I),
        (
            "url-password",
            "://",
            r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>{}$]{0,80}:([^\s:/@\"'<>{}$]{3,200})@",
            0,
        ),
    )
)
PLACEHOLDER = re.compile(
    r"x{4}|\*{3}|\.{3}|…|example|your|placeholder|redacted|changeme|change[-_]me|dummy|\$\{|\{\{|%\(|<|\[redacted:"
    r"|^(?:pass(?:word|wd)?|secret|token|user|test|none|null|true|false|string|postgres|admin|root|undefined)\d{0,3}$",
    re.I,
)
CODE = re.compile(r"[$(<{\[%@*/]|.*[\w\])](?:\(|\[|\{)|[\w.]*\.(?:get|environ|getenv|[a-z_]+\Z)")
NAME_ONLY = re.compile(r"[A-Za-z_][\w-]*(?:\.\w+)*\Z")
