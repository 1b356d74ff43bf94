"""Laws of a rewiring rule: which synapses go, which come, and what the others and the optimiser keep."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from ..evolve.places import flat_places
from ..gradcheck import check
from ..losses import softmax_cross_entropy
from ..optim import Adam
from ..protocols import Model
from . import of_hooks
from .cases import PAIR, away, bits, different, finite, fresh, network, off_pattern, said, stored

STEPS = 3
EVERY = 2
"""In the laws' runs a rule with a `Schedule` rewires every other step, so that it does so at all."""


class Case(of_hooks.Case):
    """A rewiring rule: a hook after every step, and of one rewiring what was before and after it."""

    def __init__(self, rule: Any, model: Model | None = None):
        super().__init__(_often(rule), model)
        self.places = ("after_step",)
        self.rewired = functools.cache(lambda storage="csr", dtype=np.float32: Rewiring(self, storage, dtype))


def _often(rule: Any) -> Any:
    rule = fresh(rule)
    schedule = getattr(rule, "schedule", None)
    if is_dataclass(schedule) and hasattr(schedule, "every"):
        rule.schedule = replace(schedule, every=EVERY, unit="steps", decay=None, stop=1.0)  # type: ignore[type-var]
    return rule


class Rewiring:
    """Some steps, a rewiring, some steps, and a second one: the network before and after it, and what the rule says."""

    def __init__(self, case: Case, storage: str, dtype: type):
        self.rule, self.rng = fresh(case.rule), np.random.default_rng(7)
        self.model = stored(network() if case.model is None else case.model, storage)
        self.params, self.opt = self.model.init(np.random.default_rng(0), dtype=dtype), Adam(lr=0.3)
        shape = of_hooks.sample_shape(self.model, self.params)
        self.x, self.labels = away((*shape, 8), 1, dtype), np.arange(8) % self.model.n_out
        for _ in range(2):
            self.train(STEPS)
            self.before = self.shot()
            self.events = self.rewire()
        self.after = self.shot()

    def train(self, steps: int = 1) -> None:
        """Take steps down the gradient."""
        for _ in range(steps):
            logits, self.cache = self.model.forward(self.params, self.x)
            _, dlogits = softmax_cross_entropy(logits, self.labels)
            self.opt.step(self.params, self.model.backward(dlogits, self.cache))

    def rewire(self) -> dict:
        """Rewire once; a rule that looks at activity or gradients gets those of the last step."""
        links = getattr(self.cache, "links", {})
        if hasattr(self.rule, "observe"):
            self.rule.observe(self.model, links)
        parameters = inspect.signature(self.rule.rewire).parameters.values()
        wants = any(p.name == "links" or p.kind is p.VAR_KEYWORD for p in parameters)
        return self.rule.rewire(self.model, self.params, self.opt, self.rng, **({"links": links} if wants else {}))

    def shot(self) -> dict[str, dict[int, tuple]]:
        """Return for each sparse parameter the value and the moments at each of its places."""
        found = {}
        for name, weights in self.model.weights.items():
            moments = [value for key, value in self.opt.state.items() if key.partition(".")[2] == name]
            columns = [weights.values(packed) for packed in (self.params[name], *moments)]
            found[name] = dict(zip(flat_places(weights.pattern).tolist(), zip(*columns, strict=True), strict=True))
        return found

    def moved(self, name: str) -> tuple[set, set]:
        """Return the places that the rule says went and came."""
        n_pre, event = self.model.weights[name].shape[1], self.events[name]
        return tuple({int(i) * n_pre + int(j) for i, j in places} for places in (event.pruned, event.grown))  # type: ignore


def it_rewires(case: Case) -> Iterator[str]:
    """It runs and exchanges synapses, in both storages, and says which: (post, pre) that were pruned and grown."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name, event in done.events.items():
            for what in ("pruned", "grown"):
                if np.ndim(getattr(event, what, None)) != 2 or np.shape(getattr(event, what))[1] != 2:
                    yield f"the event of {name} must have {what}, an array (count, 2) of post and pre"
                    return
        if not any(len(event.grown) for event in done.events.values()):
            yield "it has rewired nothing, though vacant places are there"


def the_number_of_synapses_is_constant(case: Case) -> Iterator[str]:
    """As many synapses are there after a rewiring as before."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name in done.before:
            if len(done.before[name]) != len(done.after[name]):
                yield f"{name} had {len(done.before[name])} synapses, and has {len(done.after[name])} after it"


def what_it_says_is_what_it_did(case: Case) -> Iterator[str]:
    """The old pattern, without what was pruned, with what was grown, is the new one."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name in done.events:
            pruned, grown = done.moved(name)
            if (set(done.before[name]) - pruned) | grown != set(done.after[name]):
                yield f"the pattern of {name} is not what its event says; return what was pruned and grown"


def newcomers_come_where_no_synapse_was(case: Case) -> Iterator[str]:
    """No synapse grows where one stays; with regrow=False none where one was pruned."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name, event in done.events.items():
            pruned, grown = done.moved(name)
            if grown & (set(done.before[name]) - pruned) or len(grown) != len(event.grown):
                yield f"{name}: a synapse has grown where one is"
            elif getattr(done.rule, "regrow", True) is False and grown & pruned and _has_room(done, name):
                yield f"{name}: a synapse has grown where one was pruned, though regrow is False"


def _has_room(done: Rewiring, name: str) -> bool:
    weights = done.model.weights[name]
    return weights.shape[0] * weights.shape[1] - weights.nnz >= len(done.events[name].grown)


def survivors_keep_their_values(case: Case) -> Iterator[str]:
    """What stays has the same value, bit for bit."""
    yield from _survivors(case, slice(0, 1), "value")


def survivors_keep_their_moments(case: Case) -> Iterator[str]:
    """What stays has the same moments of the optimiser, bit for bit."""
    yield from _survivors(case, slice(1, None), "moments")


def _survivors(case: Case, part: slice, what: str) -> Iterator[str]:
    for storage in PAIR:
        done = case.rewired(storage)
        for name, old in done.before.items():
            pruned, grown = done.moved(name) if name in done.events else (set(), set())
            for place in (old.keys() & done.after[name].keys()) - pruned - grown:
                if bits(list(old[place][part])) != bits(list(done.after[name][place][part])):
                    yield f"{storage}: a synapse of {name} that stays has other {what} after it"
                    return


def moments_of_newcomers_are_0(case: Case) -> Iterator[str]:
    """The optimiser knows nothing of a new synapse yet."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name in done.events:
            grown = done.moved(name)[1] & done.after[name].keys()
            if any(any(moment != 0 for moment in done.after[name][place][1:]) for place in grown):
                yield f"{storage}: a new synapse of {name} has moments of another one; set them to 0"


def absent_synapses_stay_exactly_0(case: Case) -> Iterator[str]:
    """Off the new pattern parameters and moments are +0.0, and everything is finite, in its dtype."""
    for dtype in (np.float32, np.float64):
        for storage in PAIR:
            done = case.rewired(storage, dtype)
            for name, weights in done.model.weights.items():
                moments = {k: v for k, v in done.opt.state.items() if k.partition(".")[2] == name}
                for key, packed in {name: done.params[name], **moments}.items():
                    if packed.dtype != dtype:
                        yield f"{key} is {packed.dtype} after it, and was {np.dtype(dtype)}"
                    if not finite(packed):
                        yield f"{key} holds nan or inf after it"
                    if off_pattern(weights, packed):
                        yield f"{storage}: {key} is not 0 where no synapse is any more; pack it for the new pattern"


def full_patterns_stay_as_they_are(case: Case) -> Iterator[str]:
    """Where every synapse exists nothing can grow, and nothing goes."""
    done = case.rewired()
    for name, weights in done.model.weights.items():
        if len(done.before[name]) == weights.shape[0] * weights.shape[1] and done.before[name] != done.after[name]:
            yield f"{name} has no vacant place, but it was changed"


def storages_agree(case: Case) -> Iterator[str]:
    """From the same generator the same synapses go and come, in every storage."""
    dense, sparse = (case.rewired(storage, np.float64) for storage in PAIR)
    for name in dense.before:
        if dense.after[name].keys() != sparse.after[name].keys():
            yield f"{name} has other synapses in dense than in csr; choose by values in pattern order"


def newcomers_have_the_signs_it_promises(case: Case) -> Iterator[str]:
    """If keeps_signs(signs) is true, no new synapse has the other sign."""
    for storage in PAIR:
        done = case.rewired(storage)
        for name in done.events:
            n_pre = done.model.weights[name].shape[1]
            signs = np.where(np.arange(n_pre) % 2, 1, -1)[:, None]
            if not done.rule.keeps_signs(signs):
                continue
            grown = done.moved(name)[1] & done.after[name].keys()
            if any(done.after[name][place][0] * signs[place % n_pre, 0] < 0 for place in grown):
                yield f"keeps_signs is true, but a new synapse of {name} has the wrong sign"


newcomers_have_the_signs_it_promises.applies = lambda case: hasattr(case.rule, "keeps_signs")  # type: ignore


def the_network_still_passes_the_gradient_check(case: Case) -> Iterator[str]:
    """After it every gradient agrees, and the optimiser takes its next step."""
    for storage in PAIR:
        done = Rewiring(case, storage, np.float64)
        report = check(done.model, done.params, done.x, mode="direction")
        if not report.ok:
            yield f"{storage}: {said(report)}"
        done.train()


def the_same_generator_gives_the_same_rewiring(case: Case) -> Iterator[str]:
    """Two copies of the rule do the same with generators in the same state."""
    one, two = Rewiring(case, "csr", np.float32), Rewiring(case, "csr", np.float32)
    if different(one.params, two.params) or one.after != two.after:
        yield "two rewirings from the same state differ; draw from the generator that is handed in"


def what_it_remembers_is_in_its_state(case: Case) -> Iterator[str]:
    """Steps and rewirings change no attribute but `state`, which is what a checkpoint holds and a new run empties."""
    done, new = case.rewired(), vars(fresh(case.rule))
    now = vars(done.rule)
    for name in sorted((now.keys() | new.keys()) - {"state"}):
        if name not in now or name not in new or _plain(now[name]) != _plain(new[name]):
            yield f"self.{name} has changed; keep in self.state, a dict of arrays, what the next rewiring needs"


def _plain(thing: Any) -> Any:
    """Return what can be compared of an attribute; of an object its attributes."""
    own = hasattr(thing, "__dict__") and not isinstance(thing, type) and not callable(thing)
    return {name: _plain(value) for name, value in vars(thing).items()} if own else bits(thing)


what_it_remembers_is_in_its_state.applies = lambda case: hasattr(case.rule, "__dict__")  # type: ignore


LAWS: tuple[Callable, ...] = (
    it_rewires, the_number_of_synapses_is_constant, what_it_says_is_what_it_did, newcomers_come_where_no_synapse_was,
    survivors_keep_their_values, survivors_keep_their_moments, moments_of_newcomers_are_0,
    absent_synapses_stay_exactly_0, full_patterns_stay_as_they_are, storages_agree,
    newcomers_have_the_signs_it_promises, the_network_still_passes_the_gradient_check,
    the_same_generator_gives_the_same_rewiring, what_it_remembers_is_in_its_state,
)  # fmt: skip
