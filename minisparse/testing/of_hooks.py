"""Laws of a hook: what a run keeps of it, and what it may change in a run."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend
from ..data.dataset import Dataset
from ..losses import softmax_cross_entropy
from ..optim import Adam
from ..protocols import Hook, Loss, Model, Run
from ..step_losses import cross_entropy_per_step
from ..train import fit
from .cases import PAIR, different, fresh, network, off_pattern

EPOCHS = 2
PLACES = ("before_step", "after_step", "after_epoch")


class Stop(Exception):
    """A run is killed."""


class Case:
    """A hook in short runs of a small network: called before and after every step, and after every epoch.

    The network is stored sparsely; `once` also takes "dense", where packed numbers have places without a synapse. A
    model that is handed in is stored as it is.
    """

    def __init__(self, rule: Hook, model: Model | None = None):
        self.rule, self.model = rule, model
        self.places: tuple[str, ...] = PLACES
        self.storages: tuple[str, ...] = PAIR[::-1] if model is None else ("as it is",)
        self._once = functools.cache(lambda storage: Trained(self, fresh(self.rule), storage).fit())
        self.chance = functools.cache(lambda: different(self.once().left(), self.run().left()))

    def once(self, storage: str | None = None) -> Trained:
        """Return the one run with this storage, or the first one."""
        return self._once(storage or self.storages[0])

    def run(self, hook: Any = None, **settings: Any) -> Trained:
        """Train with a copy of the hook, or with this one."""
        return Trained(self, fresh(self.rule) if hook is None else hook).fit(**settings)

    def new(self, differ: list[str]) -> list[str]:
        """Leave out what already differs by chance, from one run to the next."""
        return [] if _of_run(self.chance()) else [name for name in differ if name not in self.chance()]


class Trained:
    """A run of `fit` with a hook, and what is left of it."""

    def __init__(self, case: Case, hook: Any, storage: str = "csr"):
        self.hook, self.places = hook, case.places
        self.model = network(storage) if case.model is None else case.model.copy()  # type: ignore[attr-defined]
        self.params = self.given = self.model.init(np.random.default_rng(0))  # type: ignore[attr-defined]
        self.opt, self.history, self.runs = Adam(lr=0.02), [], []

    def fit(self, path: Path | None = None, kill: int | None = None, resume: bool = False) -> Trained:
        """Train; die after the epoch `kill`, when its checkpoint is written."""

        def note(run: Run) -> None:
            self.runs.append(run)
            if run.epoch == kill and run.step == 1:
                raise Stop

        hooks: dict[str, Any] = {place: [self.hook] if place in self.places else [] for place in PLACES}
        hooks["before_step"] = [note, *hooks["before_step"]]
        data, loss = toy(self.model, self.params)
        settings = {"batch_size": 8, "checkpoint": path, "resume": resume, "quiet": True, "loss": loss}
        with contextlib.suppress(Stop):
            self.history = fit(self.model, self.params, self.opt, data, EPOCHS, 0, **settings, **hooks)
        return self

    def left(self) -> dict:
        """Return all that must be equal for two runs to be the same, bit for bit, the hook's state as well."""
        state = getattr(self.hook, "state", None)
        state = {f"state[{key!r}]": fresh(value) for key, value in (state if isinstance(state, dict) else {}).items()}
        patterns = {f"pattern {name}": w.pattern.mask() for name, w in self.model.weights.items()}
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in self.history]
        return {**self.params, **self.opt.state, **patterns, **state, "history": rows}

    def out_of_form(self) -> Iterator[str]:
        """Yield what is wrong with the form of each parameter: its name, shape, dtype, and zeros off the pattern."""
        for name, start in self.model.init(np.random.default_rng(0)).items():
            found, weights = self.params.get(name), self.model.weights.get(name)
            shape = start.shape if weights is None else weights.from_values(np.zeros(weights.nnz)).shape
            if found is None or found.dtype != start.dtype or found.shape != shape:
                now = "gone" if found is None else f"{found.dtype} {found.shape}"
                how = "" if weights is None else f", as its {weights.storage} storage packs it"
                yield f"{name}, {start.dtype} {shape}{how}, is {now} after it"
            elif weights is not None and off_pattern(weights, found + 0.0):
                how = "use weights.masked on it or its gradient"
                yield f"{name}, in {weights.storage} storage, is not 0 where no synapse is; {how}"


def sample_shape(model: Any, params: dict) -> tuple[int, ...]:
    """Return the shape of one example that a model takes: (n_in,), or (3, n_in) for one that takes sequences."""
    for shape in ((model.n_in,), (3, model.n_in)):
        try:
            model.forward(params, np.ones((*shape, 2), np.float32))
            return shape
        except Exception:  # it takes the other form; if it takes neither, its own error is shown when it is used
            continue
    return (model.n_in,)


def toy(model: Any, params: dict) -> tuple[Dataset, Loss]:
    """Return 24 examples of random classes for a model's sizes, of every step if it answers at every step; the loss."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((24, *sample_shape(model, params))).astype(np.float32)
    steps = model.forward(params, np.moveaxis(x[:2], 0, -1))[0].shape[:-2]
    y = rng.integers(0, model.n_out, (24, *steps))
    loss = cross_entropy_per_step if steps else softmax_cross_entropy
    return Dataset("toy", x[:16], y[:16], x[16:], y[16:], model.n_out), loss


def it_runs(case: Case) -> Iterator[str]:
    """`fit` runs with it, as before_step, after_step and after_epoch, in sparse and in dense storage."""
    for storage in case.storages:
        trained = Trained(case, fresh(case.rule), storage)
        try:
            trained.fit()
        except Exception as error:
            said = f"`fit` with it raises {type(error).__name__}: {error}"
            left = next(trained.out_of_form(), None)
            if left:
                yield f"{left}, and then {said}"
            else:
                yield said if case.model is not None else f"{said}; if it needs a network of its own kind, pass model="


def the_parameters_keep_their_form(case: Case) -> Iterator[str]:
    """Names, shapes and dtypes of parameters stay; absent synapses stay 0; the run's dicts are changed in place."""
    for storage in case.storages:
        trained = case.once(storage)
        for run in trained.runs[-1:]:
            if run.params is not trained.given or run.model is not trained.model or run.opt is not trained.opt:
                yield "it puts another object into run.params, run.model or run.opt; change what is there, in place"
        yield from trained.out_of_form()


def the_same_seed_gives_the_same_run(case: Case) -> Iterator[str]:
    """Two runs from the same numbers are the same, bit for bit: random numbers come from run.rng."""
    differ = _of_run(case.chance())
    if differ:
        yield f"two runs from the same seed differ in {_some(differ)}; draw from run.rng, not from elsewhere"


def its_state_is_a_flat_dict_of_arrays(case: Case) -> Iterator[str]:
    """`state`, if it has one, holds arrays of numbers under names: a checkpoint stores nothing else."""
    hook = fresh(case.rule)
    for when in ("before training", "after training"):
        state = getattr(hook, "state", {})
        if not isinstance(state, dict):
            yield f"{when} its state is a {type(state).__name__}; it must be a dict of arrays"
            return
        for key, value in state.items():
            if not isinstance(key, str):
                yield f"{when} its state has the key {key!r}; keys must be names"
            elif not hasattr(value, "dtype") or value.dtype.kind not in "fiub":
                kind = f"array of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
                yield f"{when} state[{key!r}] is no array of numbers ({kind}); numpy.array(value) makes one"
        if when == "before training":
            case.run(hook)


def a_new_run_starts_afresh(case: Case) -> Iterator[str]:
    """A second run with the same hook is the same as the first, its state too: begin() forgets what a run has left."""
    hook = fresh(case.rule)
    first = case.run(hook).left()
    differ = case.new(different(first, case.run(hook).left()))
    if differ:
        yield f"a second run with it differs in {_some(differ)}; write begin(), which `fit` calls when a run starts"


def a_resumed_run_is_the_same(case: Case) -> Iterator[str]:
    """A run that was killed and goes on from its checkpoint ends as one that was not, bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        case.run(path=path, kill=EPOCHS)
        again = case.run(path=path, resume=True)
        differ = case.new(different(case.once().left(), again.left()))
    if differ:
        yield f"a run that is resumed differs in {_some(differ)}; keep what it remembers in state, as arrays"


def the_backend_is_left_alone(case: Case) -> Iterator[str]:
    """The library that computes is the same before and after."""
    before = backend.current_module()
    arrays = case.run().params.values()
    if backend.current_module() is not before or any(backend.array_module(a) is not np for a in arrays):
        yield "it has switched the backend, or moved parameters to another library"


def _of_run(names: list[str]) -> list[str]:
    """Return the names that belong to the run, and not to the memory of a hook, which may hold the time, say."""
    return [name for name in names if not name.startswith("state[")]


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3])


MEMORY: tuple[Callable, ...] = (
    the_same_seed_gives_the_same_run, its_state_is_a_flat_dict_of_arrays, a_new_run_starts_afresh,
    a_resumed_run_is_the_same, the_backend_is_left_alone,
)  # fmt: skip
LAWS: tuple[Callable, ...] = (it_runs, the_parameters_keep_their_form, *MEMORY)
