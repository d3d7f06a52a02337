"""Templates with {{ path.to.value | filter: argument }} places."""

import re

PLACE = re.compile(r"\{\{(.*?)\}\}")


def find_value(data, path):
    """Follow "user.name" or "items.0" into dictionaries, lists and attributes; None when it leads nowhere."""
    for part in path.split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and part.isdigit():
            data = data[int(part)] if int(part) < len(data) else None
        else:
            data = getattr(data, part, None)
        if not data:
            return None
    return data


FILTERS = {
    "upper": lambda value, _: str(value or "").upper(),
    "default": lambda value, argument: value or argument,
    "join": lambda value, argument: (argument or ", ").join(str(item) for item in value or ()),
}


def apply_filters(value, filters):
    """Send a value through filters written as "name" or "name: argument"."""
    for text in filters:
        name, _, argument = text.partition(":")
        function = FILTERS.get(name.strip())
        if function is None:
            raise KeyError(f"unknown filter: {name.strip()}")
        value = function(value, argument.strip())
    return value


def render(template, data):
    """Fill in all places; a value that is missing becomes empty text."""

    def fill(match):
        path, *filters = match[1].split("|")
        value = apply_filters(find_value(data, path.strip()), filters)
        return "" if value is None else str(value)

    return PLACE.sub(fill, template)
