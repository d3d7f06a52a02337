"""The configuration of a session, kept with it so that it is resumed as it was started."""

from collections.abc import Mapping
from typing import Any

from gitmimo.config import OPTIONS, Config, Setting

# what a person may have changed so that the session can go on; kept only when given as a flag
_READ_ANEW = ("budget", "maxtokens", "rate.", "baseurl", "llm", "timeout", "notify", "sandbox")


def settings_to_keep(config: Config) -> dict[str, Any]:
    """The values that a resumed session must have again."""
    return {
        name: setting.value
        for name, setting in config.settings.items()
        if setting.origin == "flag" or not name.startswith(_READ_ANEW)
    }


def restore(current: Config, kept: Mapping[str, Any]) -> Config:
    """The configuration of now with a session's own values; flags given now win."""
    settings = dict(current.settings)
    for name, value in kept.items():
        option = OPTIONS.get(name)
        if option is None or settings[name].origin == "flag":
            continue
        settings[name] = Setting(
            option=option, value=tuple(value) if isinstance(value, list) else value, origin="session"
        )
    return Config(settings, current.prices, current.windows)
