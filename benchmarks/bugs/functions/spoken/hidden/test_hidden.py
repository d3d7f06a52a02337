from spoken.numbers import SMALL, TENS, spell


def below_hundred(number):
    names = list(SMALL)
    for tens in TENS[2:]:
        names.append(tens)
        names.extend(tens + "-" + one for one in SMALL[1:10])
    return names[number]


def test_all_below_hundred():
    for number in range(100):
        assert spell(number) == below_hundred(number)


def test_all_hundreds():
    for hundred in range(1, 10):
        start = SMALL[hundred] + " hundred"
        assert spell(100 * hundred) == start
        for rest in range(1, 100):
            assert spell(100 * hundred + rest) == start + " and " + below_hundred(rest)


def test_zero_is_said_once():
    assert [number for number in range(1000) if "zero" in spell(number)] == [0]
    assert spell(990) == "nine hundred and ninety"
