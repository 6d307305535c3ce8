import pytest

from tests.fixtures.eventually import eventually


def test_it_returns_the_first_true_value() -> None:
    values = iter([0, "", None, 7, 8])
    assert eventually(lambda: next(values), 5.0, "a true value") == 7


def test_a_condition_that_is_true_already_needs_no_time() -> None:
    assert eventually(lambda: "here", 0.0, "what is here already") == "here"


def test_past_the_deadline_it_says_what_never_came_and_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: the bus; last seen: \[\]"):
        eventually(list, 0.05, "the bus")


def test_an_error_of_the_condition_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 / 0, 5.0, "a number")
