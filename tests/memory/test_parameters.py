"""Which words of a task become parameters of a skill."""

from gitmimo.memory.generalise import generalise
from gitmimo.memory.procedure import Change, ProcedureStep

BEFORE = "def to_order(items):\n    return {i.name: i.missing for i in items if i.count <= i.minimum}\n"
OLD = "    return {i.name: i.missing for i in items if i.count <= i.minimum}\n"
NEW = "    to_order = {i.name: i.missing for i in items if i.count < i.minimum}\n    return to_order\n"
EDIT = ProcedureStep(kind="edit", path="shop.py", changes=(Change(old=OLD, new=NEW),))


def test_a_name_that_the_edited_file_held_is_what_the_task_is_about() -> None:
    task = "Mend to_order in shop.py: full shelves are ordered"
    assert generalise(task, [EDIT], before={"shop.py": BEFORE}).values == {}
    assert list(generalise(task, [EDIT], before={"shop.py": "x = 1\n"}).values.values()) == ["to_order"]


def test_it_stays_a_parameter_where_something_new_is_called_so() -> None:
    made = ProcedureStep(kind="write", path="docs/to_order.md", text="# to_order\n", new=True)
    found = generalise("Document to_order in docs/to_order.md", [EDIT, made], before={"shop.py": BEFORE})
    assert "to_order" in found.values.values()
