"""A small data set and a run on it."""

import numpy as np

import minisparse as ms

RNG = np.random.default_rng(0)


X = RNG.standard_normal((37, 4, 3)).astype(np.float32)


Y = RNG.integers(0, 3, 37)


TOY = ms.Dataset("toy", X[:25], Y[:25], X[25:], Y[25:], 3)


OPTIMISERS = {"adam": lambda: ms.Adam(lr=0.01), "momentum": lambda: ms.SGD(lr=0.1, momentum=0.9)}


class Remembers:
    """A hook with memory: it counts its calls, keeps a moving mean, and draws from the run's generator."""

    def __init__(self):
        self.state = {}

    def __call__(self, run):
        self.state["calls"] = self.state.get("calls", np.zeros(1, int)) + 1
        mean = self.state.get("mean", np.zeros_like(run.params["b_in"]))
        self.state["mean"] = 0.9 * mean + run.params["b_in"] * run.rng.random(dtype=np.float32)
        run.params["b_out"] += np.float32(1e-3) * np.tanh(self.state["mean"]).mean()


def network(storage, n=7, dtype=np.float32, seed=1, **options):
    pattern = ms.bernoulli(n, n, 0.6, np.random.default_rng(seed))
    model = ms.RNN(3, ms.make_weights(pattern, storage), 3, **options)
    return model, model.init(np.random.default_rng(2), dtype=dtype, w_max=0.3)


class Run:
    """Everything that belongs to one run; `fit` may be called as often as one likes."""

    def __init__(self, storage="dense", optimiser="adam", **options):
        self.model, self.params = network(storage, **options)
        self.opt, self.memory = OPTIMISERS[optimiser](), Remembers()
        self.history = []

    def fit(self, epochs, dataset=TOY, seed=3, **settings):
        self.history = ms.fit(
            self.model, self.params, self.opt, dataset, epochs, np.random.default_rng(seed),
            **{"batch_size": 10, "after_step": [self.memory], "quiet": True, **settings},
        )  # fmt: skip
        return self

    def bits(self):
        """All that must be equal for two runs to be the same, as bytes."""
        arrays = {**self.params, **self.opt.state, **self.memory.state}
        arrays["pattern"] = self.model.weights["W_rec"].pattern.mask()
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in self.history]
        packed = {k: (np.asarray(v).dtype.str, np.shape(v), np.asarray(v).tobytes()) for k, v in arrays.items()}
        return packed, rows, self.model.weights["W_rec"].storage
