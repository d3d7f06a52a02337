"""Questions about slash-separated paths, without looking at any disk."""


def clean(path):
    """Drop doubled slashes, "." parts and a slash at the end; resolve ".." where possible."""
    absolute = path.startswith("/")
    parts = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part == ".." and absolute:
            continue
        else:
            parts.append(part)
    return ("/" if absolute else "") + "/".join(parts)


def is_inside(path, folder):
    """Say whether a path is the folder itself or lies in it."""
    path, folder = clean(path), clean(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def common_folder(paths):
    """The deepest folder that holds all paths (a path counts as being in itself).

    "/" when absolute paths have nothing else in common, "" for relative ones or for no paths. Mixing absolute and relative paths
    is a ValueError.
    """
    paths = [clean(path) for path in paths]
    if not paths:
        return ""
    if len({path.startswith("/") for path in paths}) > 1:
        raise ValueError("absolute and relative paths mixed")
    first, last = min(paths), max(paths)
    length = 0
    while length < len(first) and first[length] == last[length]:
        length += 1
    return first[:length].rstrip("/") or first[:1].strip("abcdefghijklmnopqrstuvwxyz")


def relative(path, folder):
    """The path as seen from a folder that holds it."""
    if not is_inside(path, folder):
        raise ValueError(f"{path!r} is not in {folder!r}")
    return clean(path)[len(clean(folder)) :].lstrip("/") or "."
