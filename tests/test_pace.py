import numpy as np
import pytest

import minisparse as ms
from minisparse import kernels
from minisparse.pace import SHARE, Pace, paced


class Machine:
    """Steps that take as long as a table says, on a clock of its own."""

    def __init__(self):
        self.now, self.used = 0.0, []

    def steps(self, pace, count, seconds):
        """Return the mean time of a step."""
        start = self.now
        for _ in range(count):
            with pace:
                self.used.append(pace.count)
                self.now += seconds[pace.count]
        return (self.now - start) / count

    def pace(self):
        return Pace((2, 1), lambda count: None, lambda: self.now)


def test_on_a_quiet_machine_trials_cost_next_to_nothing():
    machine = Machine()
    pace = machine.pace()
    assert machine.steps(pace, 1000, {2: 0.04, 1: 0.075}) <= 0.04 * (1 + SHARE)
    assert pace.count == 2


def test_beside_a_busy_program_it_takes_one_thread_and_afterwards_all_again():
    machine = Machine()
    pace = machine.pace()
    quiet, busy = {2: 0.04, 1: 0.075}, {2: 0.22, 1: 0.075}
    machine.steps(pace, 200, quiet)
    machine.steps(pace, 100, busy)
    assert pace.count == 1
    assert machine.steps(pace, 1000, busy) <= 0.075 * 1.1
    machine.steps(pace, 200, quiet)
    assert pace.count == 2


def test_one_slow_step_changes_nothing_for_good():
    machine = Machine()
    pace = machine.pace()
    machine.steps(pace, 50, {2: 0.04, 1: 0.075})
    machine.steps(pace, 1, {2: 5.0, 1: 5.0})
    machine.steps(pace, 100, {2: 0.04, 1: 0.075})
    assert pace.count == 2


class Restless:
    """Another number of threads at every step."""

    def __init__(self, use):
        self.use, self.count = use, 2

    def __enter__(self):
        self.count = 3 - self.count
        self.use(self.count)

    def __exit__(self, *exception):
        pass


def trained(monkeypatch, storage, restless):
    pool = kernels.table(np.empty(0))
    if restless:
        monkeypatch.setattr("minisparse.pace.Pace", lambda counts, use: Restless(use))
    else:
        monkeypatch.setattr("minisparse.pace.Pace", lambda counts, use: Restless(lambda count: pool.use_threads(2)))
    model = ms.RNN(8, ms.make_weights(ms.bernoulli(300, 300, 0.3, rng=0), storage), 10)
    params = model.init(rng=0, w_max=0.05)
    draw = np.random.default_rng(0)
    x, y = draw.random((400, 8, 8)).astype(np.float32), draw.integers(0, 10, 400)
    data = ms.Dataset("noise", x, y, x[:100], y[:100], 10)
    ms.fit(model, params, ms.Adam(), data, 1, rng=0, quiet=True)
    return params


@pytest.mark.skipif(
    not hasattr(kernels.table(np.empty(0)), "use_threads") or kernels.table(np.empty(0)).threads() < 2,
    reason="there is one thread, or none of Numba's",
)
def test_no_bit_depends_on_the_number_of_threads_and_the_users_number_comes_back(monkeypatch):
    pool = kernels.table(np.empty(0))
    before = pool.threads()
    fixed, restless = (trained(monkeypatch, "csr", restless) for restless in (False, True))
    assert all(np.array_equal(fixed[name], restless[name]) for name in fixed)
    assert pool.threads() == before


def test_dense_storage_leaves_blas_its_threads():
    model = ms.RNN(8, ms.make_weights(ms.full(5, 5), "dense"), 10)
    with paced(model, model.init(rng=0)) as pace:
        assert not isinstance(pace, Pace)
