"""Every exception of litellm in the user's words, and whether trying again makes sense."""

import importlib
import re
from collections.abc import Callable, Mapping

from gitmimo.errors import BadReply, NoKey
from gitmimo.llm.failures import (
    AttemptFailed,
    Repeat,
    cut_off,
    error_text,
    failure_of_status,
    no_route,
    nonsense,
    overflow,
    unknown_model,
    wrong_key,
)

_CLASS_NAMES = re.compile(r"\A(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)\b[:.]? *)+(?:- *)?")


def failure_of(error: BaseException, *, model: str, begun: bool) -> AttemptFailed:
    """Translate what litellm raised, by the name of its class or of the nearest known base."""
    for kind in type(error).__mro__:
        translate = TRANSLATIONS.get(kind.__name__)
        if translate is not None:
            failed = translate(error, model)
            failed.charged = failed.charged or begun
            return failed
    return AttemptFailed(BadReply(f"`{model}` failed: {type(error).__name__}: {_said(error)}"), charged=True)


def stream_errors() -> tuple[type[BaseException], ...]:
    """What litellm, the OpenAI client and httpx raise, and the faults of adapters that meet an unexpected answer."""
    named = vars(importlib.import_module("litellm.exceptions")).values()
    own = [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]
    http = importlib.import_module("httpx").HTTPError
    faults = (
        ImportError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RuntimeError,
    )
    return (*own, http, *faults)


def _by_status(error: BaseException, model: str) -> AttemptFailed:
    sent = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    headers = {str(name).lower(): str(value) for name, value in dict(sent or {}).items()}
    status = getattr(error, "status_code", None)
    return failure_of_status(
        status if isinstance(status, int) else 500,
        _said(error).encode(),
        headers,
        model=model,
        where=f"`{_provider(error, model)}`",
        provider=_provider(error, model),
    )


def _as_key(error: BaseException, model: str) -> AttemptFailed:
    said, provider = _said(error), _provider(error, model)
    if "missing" in said.lower() or "must be set" in said or "No API key" in said:
        return AttemptFailed(
            NoKey(f"`{provider}` needs an API key", hint=f"git mimo config set --provider {provider} --api-key KEY")
        )
    return AttemptFailed(wrong_key(provider, f": {said}"))


def _as_unknown(error: BaseException, model: str) -> AttemptFailed:
    return AttemptFailed(unknown_model(model, f"`{_provider(error, model)}`", f": {_said(error)}"))


def _as_overflow(error: BaseException, model: str) -> AttemptFailed:
    return AttemptFailed(overflow(model, f": {_said(error)}"))


def _as_timeout(error: BaseException, model: str) -> AttemptFailed:
    return cut_off(model, _said(error))


def _as_no_route(error: BaseException, model: str) -> AttemptFailed:
    said = _said(error)
    if "onnect" in said and "peer closed" not in said:
        return no_route(f"`{_provider(error, model)}`", said)
    return cut_off(model, said)


def _as_refusal(error: BaseException, model: str) -> AttemptFailed:
    return AttemptFailed(BadReply(f"`{model}` refused the request: {_said(error)}"))


def _as_fault(error: BaseException, model: str) -> AttemptFailed:
    if "onnection error" in _said(error) or "annot connect" in _said(error):
        return _as_no_route(error, model)
    return AttemptFailed(
        BadReply(f"the server of `{model}` failed: {_said(error)}", hint="try again later"), repeat=Repeat.LATER
    )


def _as_cut(error: BaseException, model: str) -> AttemptFailed:
    return cut_off(model, _said(error))


def _as_nonsense(error: BaseException, model: str) -> AttemptFailed:
    return nonsense(model, _said(error))


TRANSLATIONS: Mapping[str, Callable[[BaseException, str], AttemptFailed]] = {
    "APIConnectionError": _as_no_route,
    "APIError": _by_status,
    "APIResponseValidationError": _as_nonsense,
    "AuthenticationError": _as_key,
    "BadGatewayError": _as_fault,
    "BadRequestError": _by_status,
    "BlockedPiiEntityError": _as_refusal,
    "BudgetExceededError": _as_refusal,
    "ContentPolicyViolationError": _as_refusal,
    "ContextWindowExceededError": _as_overflow,
    "GuardrailRaisedException": _as_refusal,
    "ImageFetchError": _as_refusal,
    "InternalServerError": _as_fault,
    "InvalidRequestError": _by_status,
    "JSONSchemaValidationError": _as_nonsense,
    "LiteLLMUnknownProvider": _as_unknown,
    "MidStreamFallbackError": _as_cut,
    "MockException": _by_status,
    "ModelNotMappedError": _as_unknown,
    "ModifyResponseException": _as_refusal,
    "NotFoundError": _as_unknown,
    "OpenAIError": _as_key,
    "PaymentRequiredError": _by_status,
    "PermissionDeniedError": _as_key,
    "RateLimitError": _by_status,
    "RejectedRequestError": _as_refusal,
    "SensitiveDataRouteException": _as_refusal,
    "ServiceUnavailableError": _as_fault,
    "Timeout": _as_timeout,
    "UnprocessableEntityError": _by_status,
    "UnsupportedParamsError": _as_refusal,
    "VectorStoreSearchError": _as_refusal,
}


def _said(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error)
    return error_text(_CLASS_NAMES.sub("", text).encode()) or type(error).__name__


def _provider(error: BaseException, model: str) -> str:
    return str(getattr(error, "llm_provider", "") or model.partition("/")[0])
