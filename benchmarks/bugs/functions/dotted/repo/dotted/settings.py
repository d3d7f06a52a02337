"""Settings in folders, and the same with dotted names."""


def flatten(settings, prefix=""):
    """Dicts within dicts as one dict with dotted names, at any depth: {"a": {"b": 1}} becomes {"a.b": 1}.

    The names begin with the prefix and a dot, if there is one. Empty dicts leave nothing.
    """
    flat = {}
    for key, value in settings.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            flat.update(flatten(value, key))
        else:
            flat[name] = value
    return flat


def unflatten(flat):
    """The opposite: {"a.b": 1} becomes {"a": {"b": 1}}."""
    settings = {}
    for name, value in flat.items():
        *folders, last = name.split(".")
        folder = settings
        for key in folders:
            folder = folder.setdefault(key, {})
        folder[last] = value
    return settings
