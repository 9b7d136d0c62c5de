"""A dictionary that holds the latest keys only."""

from tidegate.gather.recent import Recent


def test_one_key_too_many_drops_the_one_that_was_set_first():
    recent = Recent[str, int](2)
    for number, key in enumerate("abacd"):
        recent[key] = number
    assert recent == {"c": 3, "d": 4}


def test_setting_a_key_again_makes_it_the_latest():
    recent = Recent[str, int](2)
    recent["a"], recent["b"], recent["a"] = 1, 2, 3
    recent["c"] = 4
    assert list(recent.items()) == [("a", 3), ("c", 4)]
