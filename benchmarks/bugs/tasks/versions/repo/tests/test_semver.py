from versions.semver import Version, latest


def ordered(*texts):
    return [str(v) for v in sorted(Version.parse(t) for t in texts)]


def test_numbers_compare_as_numbers():
    assert ordered("1.10.0", "1.9.0", "1.9.9") == ["1.9.0", "1.9.9", "1.10.0"]


def test_a_release_is_later_than_its_candidates():
    assert ordered("1.0.0", "1.0.0-rc.1") == ["1.0.0-rc.1", "1.0.0"]


def test_candidates_count():
    assert ordered("1.0.0-rc.10", "1.0.0-rc.2") == ["1.0.0-rc.2", "1.0.0-rc.10"]


def test_latest():
    assert latest(["1.0.0", "v1.2.0", "2.0.0-beta"]) == "1.2.0"
