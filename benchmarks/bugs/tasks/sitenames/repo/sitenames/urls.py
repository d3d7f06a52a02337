"""From source files to addresses: endings dropped, names made clean, doubles numbered."""

import re
import unicodedata

ENDINGS = (".html", ".htm", ".md", ".rst")
INDEX = "index"


def slugify(text):
    """Lower-case ASCII words joined by hyphens; never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return "-".join(words) or "page"


def drop_ending(name):
    """Remove one known ending from a file name; other names stay as they are."""
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            name = name.rstrip(ending)
    return name


def page_url(path):
    """The address of a source file: "blog/My Post.md" gives "/blog/my-post/", "blog/index.html" gives "/blog/"."""
    *folders, name = path.strip("/").split("/")
    parts = [slugify(folder) for folder in folders]
    stem = drop_ending(name)
    if stem.lower() != INDEX:
        parts.append(slugify(stem))
    return "/" + "".join(part + "/" for part in parts)


def unique_urls(paths):
    """Addresses for many files; a second file with the same address gets "-2", the third "-3"."""
    seen = {}
    urls = {}
    for path in sorted(paths):
        url = page_url(path)
        seen[url] = seen.get(url, 0) + 1
        if seen[url] > 1:
            url = f"{url.rstrip('/')}-{seen[url]}/"
        urls[path] = url
    return urls
