"""What a model's own server says of it: the window that it was started with, and how large the model is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitmimo.llm.http_client import HttpBackend, OllamaBackend

_WINDOW_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
_SIZE = re.compile(r"([\d.]+) ?([KMBT])\Z", re.I)
_FACTORS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """Window in tokens, number of parameters, function calls; zero and None where the server says nothing."""

    window: int = 0
    parameters: float = 0.0
    supports_tools: bool | None = None


def read_report(backend: HttpBackend) -> ServerReport:
    """Ask the server: its list of models (vLLM, SGLang, llama.cpp, LM Studio, OpenRouter), or Ollama's `show`."""
    model = backend.endpoint.model
    if isinstance(backend, OllamaBackend):
        shown = backend.fetch("/api/show", {"model": model})
        can = shown.get("capabilities")
        return ServerReport(
            parameters=_parameters(_mapping(shown.get("details")).get("parameter_size")),
            supports_tools="tools" in can if isinstance(can, list) else None,
        )
    listed = backend.fetch("/models").get("data")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    own = next((entry for entry in entries if entry.get("id") == model), entries[0] if len(entries) == 1 else {})
    meta = _mapping(own.get("meta"))
    window = next((value for name in _WINDOW_FIELDS if (value := own.get(name) or meta.get(name))), 0)
    return ServerReport(
        window=window if isinstance(window, int) and window > 0 else 0, parameters=_parameters(meta.get("n_params"))
    )


def _parameters(value: Any) -> float:
    """A number of parameters, written as a number or as in `7.6B`."""
    if isinstance(value, (int, float)):
        return float(value)
    match = _SIZE.match(str(value or ""))
    return float(match[1]) * _FACTORS[match[2].upper()] if match else 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
