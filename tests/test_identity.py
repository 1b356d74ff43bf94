"""What two things must agree in to be the same: settings in plain values, and hashes of arrays."""

import functools
import json

import numpy as np
import pytest

import minisparse as ms
from minisparse import evolve
from minisparse.identity import described, digest, name_of, written

SIGNS = np.array([[1], [1], [-1]])
PAIRS = [
    (ms.Dale(SIGNS), ms.Dale(-SIGNS)),
    (ms.Dale(SIGNS), ms.Dale(SIGNS, "init_only")),
    (ms.SET(0.3), ms.SET(0.9)),
    (ms.SET(0.3), ms.SET(0.3, every=2)),
    (ms.SET(0.3), ms.SET(0.3, signs=SIGNS)),
    (ms.RigL(0.3), ms.RigL(0.3, stop=0.5)),
    (ms.RigL(scope="within", groups={"W": ([0, 1], [0])}), ms.RigL(scope="within", groups={"W": ([0, 0], [0])})),
    (evolve.Hebbian(batches=3), evolve.Hebbian(batches=4)),
    (ms.DeepRewiring(l1=0.1), ms.DeepRewiring(l1=0.2)),
    (ms.CannistraciHebb("paths"), ms.CannistraciHebb("nodes")),
    (ms.Cosine(0.0), ms.Cosine(0.1)),
    (ms.ClipNorm(1.0), ms.ClipNorm(2.0)),
    (ms.LpConstant(2), ms.LpConstant(2.0000001)),
    (ms.Dendritic("paper"), ms.Dendritic("matched")),
    (functools.partial(print, end="a"), functools.partial(print, end="b")),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda thing: name_of(thing))
def test_every_setting_of_the_library_counts_and_is_plain(one, other):
    assert described(one) == json.loads(json.dumps(described(one)))
    assert name_of(one) == name_of(other)
    assert described(one) != described(other)
    assert written(one) != written(other)


def test_what_changes_in_a_run_does_not_count():
    class Hook:
        def __init__(self, rate, log):
            self.rate, self.log, self._calls, self.state = rate, [log], log, {"a": np.full(1, log)}
            self.other, self.lone, self.far = object(), {1, 2}, float("inf")

    assert described(Hook(0.1, 3)) == described(Hook(0.1, 4)) == {"rate": 0.1, "lone": [1, 2], "far": "inf"}
    assert described(Hook(0.1, 3)) != described(Hook(0.2, 3))


def test_a_thing_that_says_its_settings_is_believed():
    class Hook:
        def __init__(self, rate):
            self.rate = rate

        def config(self):
            return {"kind": "mine"}

    assert described(Hook(1)) == described(Hook(2)) == {"kind": "mine"}


def test_functions_count_by_their_name():
    assert name_of(print) == "print"
    assert name_of(ms.SET(0.1)) == "SET"
    assert described(print) == described(ms.SET) == {}


def test_a_hash_is_of_names_types_shapes_and_content():
    x = np.arange(6.0).reshape(2, 3)
    same = [x, np.asfortranarray(x), x[::1], x.astype(">f8")]
    assert len({digest({"x": array}) for array in same}) == 1
    others = [{"y": x}, {"x": x.T}, {"x": x.ravel()}, {"x": x.astype("f4")}, {"x": x + 1}, {"x": x, "y": x}, {}]
    others += [{"x": np.array("text")}, {"x": np.array("texts")}, {"x": np.zeros((0, 2))}, {"x": np.float32(1)}]
    assert len({digest(arrays) for arrays in [{"x": x}, *others]}) == len(others) + 1
