from teams.choose import bench, choose


def test_a_team_of_nobody():
    assert choose(["ann", "bob"], 0) == [[]]


def test_pairs():
    assert choose(["ann", "bob", "cy"], 2) == [["ann", "bob"], ["ann", "cy"], ["bob", "cy"]]


def test_everybody():
    assert choose(["ann", "bob"], 2) == [["ann", "bob"]]


def test_too_few_players():
    assert choose(["ann"], 2) == []


def test_bench():
    assert bench(["ann", "bob", "cy"], ["bob"]) == ["ann", "cy"]


def test_nobody_on_the_bench():
    assert bench(["ann"], ["ann"]) == []
