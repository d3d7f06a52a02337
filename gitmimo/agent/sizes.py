"""What a model's name says of its size."""

_LOCAL_ROUTES = ("local/", "ollama/", "ollama_chat/", "lm_studio/", "llamafile/")
_SMALL_SIZES = ("0.5b", "1b", "1.5b", "1.7b", "2b", "3b", "4b", "7b", "8b")


def is_small(name: str) -> bool:
    """Whether a model's name says that it is local or has at most 8 billion parameters."""
    lowered = name.lower()
    words = lowered.replace("/", "-").replace(":", "-").replace("_", "-").split("-")
    return lowered.startswith(_LOCAL_ROUTES) or any(word in _SMALL_SIZES for word in words)
