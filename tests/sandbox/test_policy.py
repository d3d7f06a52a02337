"""What commands that the person names may read."""

from pathlib import Path

from gitmimo.sandbox.policy import command_paths


def test_programs_named_by_absolute_paths_are_readable_and_data_is_not(tmp_path: Path) -> None:
    tool = tmp_path / "opt" / "bin" / "check"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    places = command_paths([f"FLAG=1 {tool} --all && /usr/bin/env true; cat {tmp_path}/missing"])
    assert any(tool.is_relative_to(place) for place in places)
    assert tmp_path not in places
