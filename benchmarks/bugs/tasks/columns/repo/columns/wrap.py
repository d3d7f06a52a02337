"""Filling and aligning text by words."""


def wrap(text, width):
    """Lines of at most `width` characters; only a word that is longer by itself may stand out, alone on its line."""
    if width < 1:
        raise ValueError("width must be at least 1")
    lines = []
    line = []
    length = 0
    for word in text.split():
        if line and length + len(word) > width:
            lines.append(" ".join(line))
            line = []
            length = 0
        line.append(word)
        length += len(word)
    if line:
        lines.append(" ".join(line))
    return lines


def align(line, width, how="left"):
    """Pad a line to the width."""
    if how == "left":
        return line.ljust(width)
    if how == "right":
        return line.rjust(width)
    if how == "center":
        return line.center(width)
    raise ValueError(f"unknown alignment: {how}")


def side_by_side(texts, width, gap="  "):
    """Several texts as columns next to each other."""
    columns = [wrap(text, width) for text in texts]
    height = max((len(column) for column in columns), default=0)
    rows = []
    for index in range(height):
        cells = [column[index] if index < len(column) else "" for column in columns]
        rows.append(gap.join(align(cell, width) for cell in cells).rstrip())
    return rows
