"""What absolute paths have in common."""


def common_folder(paths):
    """The deepest folder that is at or above all of these absolute paths.

    "/srv/www" for "/srv/www/a" and "/srv/www/b/c"; "/" if they have nothing more than that in common.
    """
    shared = paths[0].split("/")
    for path in paths[1:]:
        parts = path.split("/")
        length = 0
        while length < min(len(shared), len(parts)) and shared[length] == parts[length]:
            length += 1
        shared = shared[:length]
    return "/".join(shared)


def shorten(paths):
    """The paths as seen from their common folder, without a "/" at the beginning."""
    length = len(common_folder(paths))
    return [path[length:].lstrip("/") for path in paths]
