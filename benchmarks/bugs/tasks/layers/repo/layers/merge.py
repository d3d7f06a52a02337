"""Merging nested configuration, later layers first."""

DEFAULTS = {
    "server": {"host": "localhost", "port": 8000, "tags": ["web"]},
    "debug": False,
}


def merge(base, override):
    """A new dictionary: nested dictionaries are merged, lists joined, everything else replaced.

    Neither argument is changed, and the result shares no dictionary or list with them.
    """
    result = dict(base)
    for key, value in override.items():
        current = result.get(key)
        if isinstance(current, dict) and isinstance(value, dict):
            result[key] = merge(current, value)
        elif isinstance(current, list) and isinstance(value, list):
            current += value
        else:
            result[key] = value
    return result


def load(*layers):
    """Merge layers over the defaults; the last layer has the last word."""
    config = DEFAULTS
    for layer in layers:
        config = merge(config, layer)
    return config


def lookup(config, path, default=None):
    """Find "server.port" in nested dictionaries."""
    for part in path.split("."):
        if not isinstance(config, dict) or part not in config:
            return default
        config = config[part]
    return config


def flatten(config, prefix=""):
    """All settings as {"server.port": 8000}."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
