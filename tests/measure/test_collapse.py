"""Whether curves fall on one: by hand, and over the right number, the usual axis and wrong numbers."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.measure import collapse, spread


def bump(numbers):
    return np.exp(-(np.log(numbers) ** 2))


def test_curves_of_one_number_fall_on_one_over_it_and_not_over_the_usual_axis():
    factors = np.array([1.0, 5.0, 20.0, 100.0])
    numbers = np.geomspace(0.01, 100, 41)
    found = collapse([numbers / factor for factor in factors], factors, [bump(numbers)] * 4)
    assert found["number"] == pytest.approx(0, abs=1e-12)
    assert found["usual"] > 0.2 < found["shuffled"]
    assert found["holds"]


def test_curves_that_hang_on_the_usual_axis_do_not_hold():
    rates = np.geomspace(0.01, 100, 41)
    found = collapse([rates] * 4, [1.0, 5.0, 20.0, 100.0], [bump(rates)] * 4)
    assert found["usual"] == pytest.approx(0, abs=1e-12)
    assert not found["holds"]


def test_a_spread_is_taken_where_three_networks_have_values():
    places = [[1, 10], [1, 10], [1, 10], [10, 1000]]
    values = [[0, 0], [1, 1], [2, 2], [1e9, 1e9]]
    at_ten = np.std([0, 1, 2, 1e9], ddof=1)
    assert spread(places, values, points=4) == pytest.approx((1 + at_ten) / 2)


def test_too_few_networks_are_refused():
    with pytest.raises(ms.UserError, match="at least 3 networks, got 2"):
        spread([[1, 2]] * 2, [[1, 2]] * 2)
    with pytest.raises(ms.UserError, match="nowhere on the axis"):
        spread([[1, 2], [10, 20], [100, 200]], [[1, 2]] * 3)
