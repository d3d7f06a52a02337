from versions.semver import Version, latest

ORDER = [
    "0.9.9",
    "1.0.0-1",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-a",
]


def test_whole_order():
    assert [str(v) for v in sorted(Version.parse(t) for t in reversed(ORDER))] == ORDER


def test_build_does_not_count():
    assert Version.parse("1.0.0+a") == Version.parse("1.0.0+b")
    assert hash(Version.parse("1.0.0-x.1+a")) == hash(Version.parse("1.0.0-x.1+b"))


def test_latest_with_pre():
    assert latest(["1.0.0-rc.9", "1.0.0-rc.10"], allow_pre=True) == "1.0.0-rc.10"
    assert latest([]) is None
