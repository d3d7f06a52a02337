from parts.needs import needs, price

PLANS = {"cart": {"wheel": 4, "board": 2}, "wheel": {"spoke": 8, "rim": 1}, "stool": {"leg": 3, "board": 1}}


def test_bought_part():
    assert needs(PLANS, "board", 5) == {"board": 5}


def test_one_level():
    assert needs(PLANS, "stool") == {"leg": 3, "board": 1}


def test_parts_that_are_built():
    assert needs(PLANS, "cart") == {"spoke": 32, "rim": 4, "board": 2}


def test_several_pieces():
    assert needs(PLANS, "stool", 10) == {"leg": 30, "board": 10}


def test_price():
    assert price(PLANS, {"leg": 2, "board": 5}, "stool") == 11
