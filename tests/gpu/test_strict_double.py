"""The double refuses what CuPy refuses, and what CuPy does wrongly without a word."""

from __future__ import annotations

import math

import numpy as np
import pytest
import strict_double

xp = strict_double.cupy


@pytest.fixture
def a():
    return xp.asarray(np.arange(6.0).reshape(2, 3))


def test_it_computes_what_numpy_computes(a) -> None:
    host = np.arange(6.0).reshape(2, 3)
    for device, expected in [
        (2.0 * a - a / 4, 2.0 * host - host / 4),
        (a @ a.T, host @ host.T),
        (-(abs(a) ** 2), -(abs(host) ** 2)),
        (np.float64(3) * a, 3 * host),
        (xp.exp(a).sum(axis=0, keepdims=True), np.exp(host).sum(axis=0, keepdims=True)),
        (xp.where(a > 2, a, 0), np.where(host > 2, host, 0)),
        (xp.concatenate([a, a], axis=1), np.concatenate([host, host], axis=1)),
        (xp.tensordot(a, a, axes=((1,), (1,))), np.tensordot(host, host, axes=((1,), (1,)))),
        (xp.linalg.norm(a), np.linalg.norm(host)),
        (xp.maximum(a, 2, dtype=float), np.maximum(host, 2)),
        (a[1], host[1]),
        (a[:, None, ::2], host[:, None, ::2]),
        (a[xp.asarray([1, 0]), xp.asarray([2, 2])], host[[1, 0], [2, 2]]),
        (a.astype("f4").reshape(3, 2).argmax(axis=0), host.reshape(3, 2).argmax(axis=0)),
    ]:
        assert type(device) is xp.ndarray
        np.testing.assert_array_equal(device.get(), expected)
        assert device.shape == np.shape(expected)


@pytest.mark.parametrize(
    "mix",
    [
        lambda a: a + np.ones((2, 3)),
        lambda a: np.ones((2, 3)) + a,
        lambda a: a + np.array(1.0),
        lambda a: a * [1.0, 2.0, 3.0],
        lambda a: a == None,  # noqa: E711
        lambda a: xp.exp(np.ones(3)),
        lambda a: xp.exp([1.0, 2.0]),
        lambda a: xp.sum([1.0, 2.0]),
        lambda a: xp.where(a > 1, a, np.zeros(3)),
        lambda a: xp.concatenate([a, np.ones((2, 3))]),
        lambda a: xp.tensordot(a, np.ones((3, 2)), axes=1),
        lambda a: a.clip(np.zeros(3), None),
        lambda a: a.sum(axis=0, out=np.zeros(3)),
        lambda a: np.exp(a),
        lambda a: np.sum(a),
        lambda a: np.asarray(a),
        lambda a: np.zeros((2, 3)) @ a,
        lambda a: a.__setitem__(0, np.ones(3)),
        lambda a: a.__setitem__(0, [1.0, 1.0, 1.0]),
        lambda a: a.__iadd__(np.ones((2, 3))),
        lambda a: a[[0, 1]],
        lambda a: a[np.array([0, 1])],
        lambda a: list(a[0]),
        lambda a: range(a[0, 0].astype(int)),
        lambda a: xp.ndarray((2, 3)),
    ],
)
def test_host_numbers_are_no_operands_and_nothing_converts_by_itself(a, mix) -> None:
    with pytest.raises(TypeError):
        mix(a)


@pytest.mark.parametrize("name", ["insert", "nosuch", "errstate", "random", "cuda", "poly1d"])
def test_a_name_that_cupy_lacks_or_the_host_owns_is_absent(name) -> None:
    with pytest.raises(AttributeError):
        getattr(xp, name)


@pytest.mark.parametrize("name", ["setflags", "resize", "to_device", "nosuch"])
def test_a_method_that_cupy_arrays_lack_is_absent(a, name) -> None:
    with pytest.raises(AttributeError):
        getattr(a, name)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: xp.sum(a, where=a > 1),
        lambda a: xp.exp(a, where=a > 1),
        lambda a: a.max(initial=0.0),
        lambda a: xp.asarray([1.0], like=a),
        lambda a: xp.zeros(3, kind="f"),
    ],
)
def test_a_keyword_that_cupy_lacks_is_refused(a, call) -> None:
    with pytest.raises(TypeError):
        call(a)


def test_ufunc_methods_are_cupys(a) -> None:
    xp.add.at(a, (xp.asarray([0, 0]), xp.asarray([1, 1])), 10.0)
    assert a.get()[0, 1] == 21
    assert xp.add.reduce(a, axis=0).shape == (3,)
    for method in (lambda: xp.maximum.reduce(a), lambda: xp.multiply.at(a, 0, 2.0)):
        with pytest.raises(NotImplementedError):
            method()


def test_views_write_through(a) -> None:
    a[0] = 7.0
    a[1][1:] = a[0][1:]
    row = a[1]
    row -= 1
    first = a[0, 0]
    first += 3
    bits = a.view(np.dtype("i8"))
    bits &= xp.asarray(-(np.arange(3) != 2).astype(np.int64))
    assert a.get().tolist() == [[10, 7, 0], [2, 6, 0]]
    b = a
    b *= 2
    assert a.get()[0, 0] == 20
    assert a.clip(0, 1, out=a) is a
    assert a.get().max() == 1


def test_a_loop_goes_over_the_first_axis_in_views(a) -> None:
    for row in a:
        row -= row.max()
    assert a.get().tolist() == [[-2, -1, 0], [-2, -1, 0]]


def test_an_index_out_of_range_is_refused(a) -> None:
    with pytest.raises(IndexError):
        a[xp.asarray([0, 5])]


def test_naming_a_place_twice_in_an_assignment_is_refused(a) -> None:
    twice = xp.asarray([1, 1])
    with pytest.raises(ValueError, match="twice"):
        a[twice] = xp.zeros((2, 3))
    a[twice] = 0.0
    a[xp.asarray([1, 0])] = xp.ones((2, 3))
    assert a.get().min() == 1


@pytest.mark.parametrize(
    "race",
    [
        lambda v: v.__setitem__(slice(1, None), v[:-1]),
        lambda v: v[1:].__iadd__(v[:-1]),
        lambda v: xp.add(v[:-1], 1.0, out=v[1:]),
        lambda v: v[::-1].clip(0, 1, out=v),
    ],
)
def test_overlapping_source_and_target_are_refused(race) -> None:
    with pytest.raises(ValueError, match="overlap"):
        race(xp.zeros(4))


def test_unwritten_memory_is_nan() -> None:
    assert np.isnan(xp.empty((2, 3)).get()).all()
    assert np.isnan(xp.empty_like(xp.ones(3, dtype="f4")).get()).all()


def test_flags_tell_the_layout_and_cannot_be_set(a) -> None:
    assert a.flags.c_contiguous
    assert a.T.flags["F_CONTIGUOUS"]
    with pytest.raises(AttributeError):
        a.flags.writeable = False


@pytest.mark.parametrize(
    ("act", "to_host", "to_device"),
    [
        (lambda a: a.get(), 1, 0),
        (lambda a: a[0, 1].item(), 1, 0),
        (lambda a: a.tolist(), 1, 0),
        (lambda a: float(a[0, 1]), 1, 0),
        (lambda a: int(a[0, 1]), 1, 0),
        (lambda a: bool(a[0, 1]), 1, 0),
        (lambda a: math.sqrt(a.sum()), 1, 0),
        (lambda a: f"{a.sum()}", 1, 0),
        (lambda a: repr(a), 1, 0),
        (lambda a: xp.asnumpy(a), 1, 0),
        (lambda a: a[a > 2], 1, 0),
        (lambda a: a.nonzero(), 1, 0),
        (lambda a: xp.unique(a), 1, 0),
        (lambda a: xp.where(a > 1), 1, 0),
        (lambda a: a.__setitem__(a > 2, 0.0), 0, 0),
        (lambda a: xp.asarray(np.ones(3)), 0, 1),
        (lambda a: xp.array([1.0, 2.0]), 0, 1),
        (lambda a: xp.asarray(a), 0, 0),
        (lambda a: xp.zeros(3) + xp.arange(3) * xp.allclose(a, a), 0, 0),
        (lambda a: (len(a), a.shape, np.shape(a), a.dtype.kind), 0, 0),
    ],
)
def test_every_move_is_counted(a, act, to_host, to_device) -> None:
    with strict_double.counted() as moved:
        act(a)
    assert (moved["to_host"], moved["to_device"]) == (to_host, to_device)


def test_an_array_of_repeats_is_refused(a) -> None:
    assert xp.repeat(a, 2, axis=0).shape == (4, 3)
    with pytest.raises(TypeError, match="repeat on the host"):
        xp.repeat(a, xp.asarray([1, 2]), axis=0)


def test_copies_do_not_share_memory() -> None:
    host = np.zeros(3)
    a = xp.asarray(host)
    a += 1
    assert host.tolist() == [0, 0, 0]
    a.get()[0] = 9
    assert a.get()[0] == 1
    assert xp.array(a) is not a
    assert xp.asarray(a) is a
