"""commit-msg: refuse secrets in messages, and drop verdicts about trees that were not tested."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitmimo.git.repository import Repository
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid
from gitmimo.redact import find_secrets

_VERDICT = re.compile(rb"^Mimo-Verdict:[^\n]*\b([0-9a-f]{12})[ \t]*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCheck:
    """The corrected message, the changes made to it, and the reason to refuse it."""

    message: bytes
    remark: str = ""
    refusal: str = ""


def check_message(
    repository: Repository, message: bytes, tree: Oid, *, known_secrets: Mapping[str, str] | None = None
) -> MessageCheck:
    """Drop a verdict about another tree than the one being committed; refuse a secret."""
    secrets = [finding for finding in find_secrets(message, known_secrets) if finding.certain]
    if secrets:
        where = f"line {secrets[0].line} ({secrets[0].rule})"
        return MessageCheck(message=message, refusal=f"the commit message contains a secret: {where}")
    found = _VERDICT.search(message)
    if found is None or without_mimo(repository, tree).startswith(found[1].decode()):
        return MessageCheck(message=message)
    remark = "the files have changed since the verdict, so `Mimo-Verdict` was taken out of the message"
    return MessageCheck(message=_VERDICT.sub(b"", message), remark=remark)
