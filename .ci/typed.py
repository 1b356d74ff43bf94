"""What a type checker must accept (``python -m mypy``): each public class is what `minisparse.protocols` says it is."""

from __future__ import annotations

import numpy as np

import minisparse as ms
from minisparse.protocols import Bound, Hook, Layer, Loss, Model, Normaliser, Optimiser, Rule, Run, Weights

rng = np.random.default_rng(0)
pattern: ms.Pattern = ms.bernoulli(4, 4, 0.5, rng)
dense: Weights = ms.DenseWeights(pattern)
csr: Weights = ms.CsrWeights(pattern)
grouped: Weights = ms.GroupedWeights(ms.group_to_group(4, 4, 2, p_between=0.25, rng=rng))
made: Weights = ms.make_weights(pattern)
from_mask: Weights = ms.make_weights(np.eye(4))
from_seed: ms.Pattern = ms.bernoulli(4, 4, 0.5, 0)
bound: Bound = csr.bind(csr.from_values(np.ones(csr.nnz)))

normalisers: list[Normaliser] = [
    ms.Plain(), ms.Dendritic(), ms.Joint(), ms.LpConstant(2), ms.LpVariable(1), ms.WeightNorm()
]  # fmt: skip
rnn: Model = ms.RNN(2, made, 3, normalise=normalisers[1])
mlp: Model = ms.MLP([dense, ms.make_weights(ms.full(3, 4))], normalise=[normalisers[2]])
conv: Model = ms.ConvNet(ms.ConvPool((8, 8), 2), mlp)
truncated: Model = ms.Truncated(ms.Noisy(ms.SequenceRNN([ms.Recurrent(2, made)], 3), 0.1, 0), 5)
layers: list[Layer] = [ms.Recurrent(2, made), ms.ConvPool((8, 8), 2), ms.PatchConv((8, 8), 2, 2)]
losses: list[Loss] = [ms.softmax_cross_entropy, ms.cross_entropy_per_step, ms.mean_squared_error]
optimisers: list[Optimiser] = [ms.SGD(0.1), ms.Adam(1e-3)]
hooks: list[Hook] = [ms.Dale(np.ones((4, 1))), ms.Cosine(), ms.SET(0.3), ms.RigL(), ms.Hebbian()]
rules: list[Rule] = [
    ms.SET(0.3, signs=np.ones((4, 1))),
    ms.RigL(),
    ms.Hebbian(),
    ms.DeepRewiring(),
    ms.CannistraciHebb(),
    ms.evolve.Rule(ms.evolve.Schedule(0.2)),
]


def own_hook(run: Run) -> None:
    """A function of a user's is a hook."""
    print(run.epoch, run.params.keys())


class OwnSize(ms.normalise.Scaled):
    """A size and its derivative are a normaliser."""

    def size(self, weights: Weights, v: np.ndarray) -> tuple[np.ndarray, None]:
        return 2 * weights.afferents(v), None


class OwnScores(ms.evolve.Rule):
    """A score of what goes and one of what comes are a rewiring rule."""

    def prune_score(self, site: ms.evolve.Site) -> np.ndarray:
        return np.abs(site.values)

    def growth_score(self, site: ms.evolve.Site, keep: np.ndarray) -> np.ndarray:
        return np.ones(site.weights.shape)


def own_loss(output: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function that returns value and gradient is a loss."""
    return (output - target).sum(), np.ones_like(output)


hooks.append(own_hook)
losses.append(own_loss)
normalisers.append(OwnSize())
rules.append(OwnScores(ms.evolve.Schedule(0.2)))
report: ms.GradientReport = ms.check(rnn, {}, np.ones((2, 2, 3)))
params: dict = ms.RNN(2, made, 3).init(0)
swish: ms.Activation = ms.Activation("swish", lambda a: a * ms.sigmoid(a), lambda a: a, keeps="argument")
history: list[dict] = ms.fit(rnn, {}, optimisers[1], ms.load("digits"), 1, rng, after_step=hooks)
