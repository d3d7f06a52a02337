"""Splits lines of separated values; fields may be quoted, a doubled quote inside stands for one."""


def split_line(line, separator=",", quote='"'):
    """The fields of one line.

    An empty line has one empty field. A quoted field keeps separators and spaces; outside quotes spaces at both ends go.
    """
    fields = []
    current = ""
    quoted = False
    was_quoted = False
    index = 0
    while index < len(line):
        char = line[index]
        if quoted:
            if char == quote and line[index + 1 : index + 2] == quote:
                current += quote
                index += 1
            elif char == quote:
                quoted = False
            else:
                current += char
        elif char == quote and not current.strip():
            current = ""
            quoted = was_quoted = True
        elif char == separator:
            fields.append(current if was_quoted else current.strip())
            current = ""
            was_quoted = False
        else:
            current += char
        index += 1
    if quoted:
        raise ValueError(f"quote is never closed: {line!r}")
    if current or not fields:
        fields.append(current if was_quoted else current.strip())
    return fields


def read_table(text, separator=","):
    """Rows as dictionaries by the names in the first line; empty lines are skipped, short rows are an error."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    header = split_line(lines[0], separator)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = split_line(line, separator)
        if len(fields) != len(header):
            raise ValueError(f"line {number} has {len(fields)} fields instead of {len(header)}")
        rows.append(dict(zip(header, fields)))
    return rows
