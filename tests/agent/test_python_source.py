"""Code is compared and put together by its syntax."""

from gitmimo.agent.patch.python_source import (
    find_functions,
    fingerprint,
    head_of,
    hide_body,
    merge_code,
    parses,
    with_body,
)

BOX = '''"""A box."""

import os


class Box:
    """Holds things."""

    def get(self, key):
        """Read."""
        return self.data[key]

    @property
    def size(self):
        return len(self.data)


def make(n=1):
    text = """
left
"""
    return Box()
'''


def test_layout_comments_and_docstrings_do_not_count() -> None:
    assert fingerprint("a.py", "x = 1 # one\n") == fingerprint("a.py", "x = (1)\n")
    assert fingerprint("a.py", "def f():\n    'a'\n    return 1\n") == fingerprint("a.py", "def f():\n    return 1\n")
    assert fingerprint("a.py", "x = 1\n") != fingerprint("a.py", "x = 2\n")


def test_other_languages_compare_without_white_space() -> None:
    assert fingerprint("a.js", "let  x = 1;\n\n") == fingerprint("a.js", "let x =\n1;")
    assert fingerprint("a.js", "let x = 1;") != fingerprint("a.js", "let x = 2;")


def test_text_that_does_not_parse_is_known_as_such() -> None:
    assert not parses("a.py", "def f(:\n")
    assert parses("a.js", "function (")
    assert fingerprint("a.py", "def f(:") == "def f(:"


def test_functions_are_found_with_their_heads() -> None:
    found = {function.name: function for function in find_functions("a.py", BOX)}
    assert list(found) == ["Box.get", "Box.size", "make"]
    assert head_of(BOX, found["Box.get"]) == '    def get(self, key):\n        """Read."""\n'
    assert head_of(BOX, found["Box.size"]) == "    @property\n    def size(self):\n"


def test_a_body_can_be_hidden_and_replaced() -> None:
    get, _, make = find_functions("a.py", BOX)
    assert "return self.data[key]" not in hide_body(BOX, get)
    written = with_body(BOX, get, "        return self.data.get(key)\n\n    def other(self):\n        pass\n")
    assert written == BOX.replace("self.data[key]", "self.data.get(key)")
    kept = with_body(BOX, make, '    text = """\nleft\n"""\n    return None\nprint(1)\n')
    assert kept == BOX.replace("return Box()", "return None")
    assert with_body(BOX, get, "\n\n") is None


def test_a_function_on_one_line_keeps_its_file_whole() -> None:
    (function,) = find_functions("a.py", "def f(): return 1\n")
    assert (function.first, function.head_end, function.last) == (1, 1, 1)


def test_whole_files_replace_files() -> None:
    written = BOX.replace("self.data[key]", "self.data.get(key)")
    assert merge_code("a.py", BOX, written) == written
    assert merge_code("a.js", "old", "new") == "new"


def test_one_method_replaces_its_namesake_with_the_right_indent() -> None:
    expected = BOX.replace("return self.data[key]", "return self.data.get(key)").replace('        """Read."""\n', "")
    plain = "def get(self, key):\n    return self.data.get(key)\n"
    indented = "    def get(self, key):\n        return self.data.get(key)\n"
    in_class = "class Box:\n    def get(self, key):\n        return self.data.get(key)\n"
    for reply in (plain, indented, in_class):
        assert merge_code("a.py", BOX, reply, meant="Box.get") == expected


def test_new_imports_come_with_a_function() -> None:
    reply = "import re\nimport os\n\ndef make(n=1):\n    return re\n"
    merged = merge_code("a.py", BOX, reply, meant="make")
    assert merged is not None
    assert "import os\nimport re\n\n\nclass Box" in merged
    assert merged.endswith("def make(n=1):\n    return re\n")


def test_what_holds_no_such_function_is_refused() -> None:
    assert merge_code("a.py", BOX, "print('hi')\n", meant="make") is None
    assert merge_code("a.py", BOX, "def get(self:\n", meant="Box.get") is None
    assert merge_code("a.py", BOX, "def set(self, key):\n    pass\n", meant="Box.get") is None
