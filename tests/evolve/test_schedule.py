"""When a rule rewires, and how much."""

import numpy as np
import pytest
from helpers.growth import toy

import minisparse as ms
from minisparse import evolve
from minisparse.evolve import places


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Look at a row or two at a time, so that every small layer has several blocks."""
    monkeypatch.setattr(places, "BLOCK", 11)


def test_the_schedule():
    cosine = evolve.Schedule(0.3, every=100, decay="cosine", stop=0.75)
    assert cosine(0, 1000) == pytest.approx(0.3)
    assert cosine(375, 1000) == pytest.approx(0.15)
    assert cosine(750, 1000) == pytest.approx(0, abs=1e-15)
    assert cosine(751, 1000) == 0
    constant = evolve.Schedule(0.1, decay=None, stop=500)
    assert (constant(500, 1000), constant(501, 1000)) == (0.1, 0)
    assert ms.RigL().schedule == evolve.Schedule(0.3, 100, "steps", "cosine", 0.75)
    for make, sentence in [
        (lambda: ms.RigL(1.0), "fraction, the share of synapses that is rewired, must lie between 0 and 1"),
        (lambda: ms.RigL(every=0), "every must be at least 1 and stop above 0"),
        (lambda: ms.RigL(unit="hours"), "unit 'hours' is unknown; choose one of steps, epochs"),
        (lambda: ms.RigL(scope="here"), "scope 'here' is unknown; choose one of anywhere, within, between"),
        (lambda: ms.Hebbian("spearman"), "score 'spearman' is unknown; choose one of pearson, cosine"),
        (lambda: ms.Hebbian(ema=1), "batches must be at least 1 and ema between 0 and 1"),
        (lambda: ms.CannistraciHebb("links"), "form 'links' is unknown; choose one of paths, nodes"),
        (lambda: ms.DeepRewiring(l1=-1), "l1, noise and seed must be at least 0"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            make()


@pytest.mark.parametrize(
    ("settings", "when", "expected"),
    [
        ({"every": 3}, "after_step", [3, 6, 9, 12]),
        ({"every": 3}, "after_epoch", [4, 8, 12]),
        ({"every": 5}, "after_epoch", [8]),
        ({"every": 1, "unit": "epochs"}, "after_step", [4, 8, 12]),
        ({"every": 1, "unit": "epochs", "stop": 0.5}, "after_epoch", [4, 8]),
    ],
)
def test_one_rule_is_a_hook_after_steps_and_after_epochs_and_starts_afresh(settings, when, expected):
    seen = []

    class Noted(ms.SET):
        def __call__(self, run):
            self.now = (run.epoch - 1) * run.steps + run.step + 1
            super().__call__(run)

        def rewire(self, *arguments):
            seen.append(self.now)
            return super().rewire(*arguments)

    rule = Noted(0.2, **({"stop": 0.75} | settings))
    for _ in range(2):
        model = ms.RNN(6, ms.make_weights(ms.fixed_count(9, 9, 30, np.random.default_rng(0))), 3)
        params = model.init(np.random.default_rng(1))
        seen.clear()
        ms.fit(model, params, ms.SGD(), toy(), 4, np.random.default_rng(2), 10, quiet=True, **{when: [rule]})
        assert seen == expected
