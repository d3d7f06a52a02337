from dotted.settings import flatten, unflatten


def test_without_folders():
    assert flatten({"debug": True, "level": 3}) == {"debug": True, "level": 3}


def test_one_folder():
    assert flatten({"db": {"host": "a", "port": 5432}}) == {"db.host": "a", "db.port": 5432}


def test_folders_in_folders():
    assert flatten({"app": {"db": {"host": "a"}, "name": "x"}}) == {"app.db.host": "a", "app.name": "x"}


def test_prefix():
    assert flatten({"debug": True}, "app") == {"app.debug": True}


def test_an_empty_folder():
    assert flatten({"db": {}, "level": 3}) == {"level": 3}


def test_unflatten():
    assert unflatten({"app.db.host": "a", "debug": True}) == {"app": {"db": {"host": "a"}}, "debug": True}
