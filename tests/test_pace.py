import numpy as np

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
    machine.steps(pace, 800, quiet)
    assert pace.count == 2


def test_one_slow_step_changes_nothing_for_good():
    machine = Machine()
    pace = machine.pace()
    machine.steps(pace, 50, {2: 0.04, 1: 0.075})
    machine.steps(pace, 1, {2: 5.0, 1: 5.0})
    machine.steps(pace, 100, {2: 0.04, 1: 0.075})
    assert pace.count == 2


def test_the_users_number_of_threads_comes_back(monkeypatch):
    """That no bit depends on the number, tests/test_threads.py shows."""
    pool, used = kernels.table(np.empty(0)), []
    for name, value in (("own_threads", True), ("threads", lambda: 2), ("use_threads", used.append)):
        monkeypatch.setattr(pool, name, value, raising=False)
    model = ms.RNN(8, ms.make_weights(ms.bernoulli(9, 9, 0.5, rng=0), "csr"), 10)
    model.weights["W_rec"].own_threads = True
    with paced(model, model.init(rng=0)) as pace:
        for _ in range(20):
            with pace:
                assert pace.count in (1, 2)
    assert 1 in used
    assert used[-1] == 2


def test_dense_storage_leaves_blas_its_threads():
    model = ms.RNN(8, ms.make_weights(ms.full(5, 5), "dense"), 10)
    with paced(model, model.init(rng=0)) as pace:
        assert not isinstance(pace, Pace)
