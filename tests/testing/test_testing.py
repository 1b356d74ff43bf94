"""The laws: this library's own rules keep them, and each defect in a rule of a user's breaks the law that is its own.

The users' rules are those of the pages; a defect is one line of a page, written otherwise.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse.testing import of_models

laws = ms.testing.laws
DOCS = Path(__file__).parents[2] / "docs"
SQUARE, WIDE = ms.bernoulli(5, 5, 0.5, rng=0), ms.bernoulli(4, 6, 0.5, rng=1)
OFTEN = ms.evolve.Schedule(0.3)
OWN = {
    **{phi.name: phi for phi in (ms.relu, ms.tanh, ms.sigmoid)},
    **{loss.__name__: loss for loss in (ms.softmax_cross_entropy, ms.cross_entropy_per_step, ms.mean_squared_error)},
    **{f"{rule!r}": rule for rule in (ms.Plain(), ms.Dendritic(), ms.LpConstant(1), ms.LpVariable(2), ms.Joint())},
    **{type(rule).__name__: rule for rule in (ms.evolve.Rule(OFTEN), ms.SET(0.3), ms.RigL(), ms.Hebbian(batches=2))},
    "DEEP R": ms.DeepRewiring(l1=0, noise=0),  # alone: else the synapses that stay move
    "CH3-L3": ms.CannistraciHebb("nodes"),
    **{type(hook).__name__: hook for hook in (ms.ClipNorm(0.1), ms.Cosine())},
    "Recurrent": ms.Recurrent(3, SQUARE, "tanh", alpha=0.3, start=True),
    "ConvPool": ms.ConvPool((4, 4), 2, 2),
    "PatchConv": ms.PatchConv((4, 4), 2, 2),
    "MLP": ms.MLP([WIDE, ms.full(3, 4)], "tanh", ms.Joint()),
    "RNN": ms.RNN(3, SQUARE, 2, "tanh"),
    "SequenceRNN": ms.SequenceRNN([ms.Recurrent(2, SQUARE, "tanh", alpha=0.3)], 2),
}


@pytest.mark.parametrize("rule", OWN.values(), ids=OWN)
def test_our_own_rules_pass_through_the_same_door(rule):
    assert laws(rule).ok


def test_hooks_that_need_a_network_of_their_kind_get_it():
    signs = np.array([[1], [1], [-1], [1], [-1]])
    assert laws(ms.Dale(signs), model=ms.RNN(3, SQUARE, 2)).ok


def test_a_law_that_a_rule_cannot_keep_is_left_out_with_a_reason():
    found = laws(ms.relu, exempt={"out is written": "it is a trial"})
    assert "out is written" not in found.held
    assert "exempt   out is written (it is a trial)" in str(found)


LAYER = """
import numpy as np

class Scale:
    def __init__(self):
        self.w = np.array([[1.0], [2.0]])

    def forward(self, x):
        self.x = x
        return self.w * x

    def backward(self, dy):
        self.dw = (dy * self.x).sum(axis=1, keepdims=True)
        return dy * self.w
"""


def test_a_layer_with_its_numbers_on_itself_passes_too():
    space: dict = {}
    exec(LAYER, space)
    assert laws(space["Scale"](), x=np.ones((2, 3))).held == ["the layer passes the gradient check"]
    assert "needs an input" in laws(space["Scale"](), on_fail=None).failed[0].sentence


def page(name: str) -> str:
    """Return the code of a page, without what only trains, draws or prints."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"own_{name}.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    code = "\n".join(block for block in blocks if "class " in block or "def " in block)
    return re.sub(r"^(model = |params|digits|hooks|ms\.fit|print).*\n", "", code, flags=re.MULTILINE)


SKIP = "Skip(*(ms.make_weights(ms.bernoulli(*size, 0.5, rng=0)) for size in ((5, 4), (3, 5), (3, 4))))"
MADE = {
    "gelu": ("activation", "gelu"),
    "smoothed": ("hook_and_loss", "smoothed"),
    "noise": ("hook_and_loss", "GradientNoise()"),
    "l1": ("normaliser", "SmoothL1()"),
    "balanced": ("normaliser", "Balanced()"),
    "carried": ("rewiring", "Carried()"),
    "skip": ("model", SKIP),
    "layer": (None, "Scale()"),
}
END = "        return np.broadcast_to(-received[:, None], (post, pre))\n"
METHODS = {
    "it rewires": """
    def rewire(self, *given, **more):
        return {}
""",
    "the number of synapses is constant": """
    def grow(self, *given):
        return [part[1:] for part in super().grow(*given)]
""",
    "what it says is what it did": """
    def rewire(self, *given, **more):
        events = super().rewire(*given, **more)
        return {name: ms.evolve.Rewired(event.grown, event.pruned) for name, event in events.items()}
""",
    "newcomers come where no synapse was": """
    def grow(self, site, keep, rng):
        return ms.evolve.flat_places(site.weights.pattern)[~keep], np.zeros((~keep).sum())
""",
    "survivors keep their values": """
    def rewire(self, model, params, *given, **more):
        events = super().rewire(model, params, *given, **more)
        params["W0"] *= 0.99
        return events
""",
    "survivors keep their moments": """
    def rewire(self, model, params, opt, *given, **more):
        events = super().rewire(model, params, opt, *given, **more)
        opt.state["m.W0"] *= 0.99
        return events
""",
    "moments of newcomers are 0": """
    def rewire(self, model, params, opt, *given, **more):
        events, weights = super().rewire(model, params, opt, *given, **more), model.weights["W0"]
        moments = weights.values(opt.state["m.W0"])
        opt.state["m.W0"] = weights.from_values(np.where(moments == 0, moments.mean(), moments))
        return events
""",
    "absent synapses stay exactly 0": """
    def rewire(self, model, params, *given, **more):
        old = params["W0"].copy()
        events, weights = super().rewire(model, params, *given, **more), model.weights["W0"]
        if weights.storage == "dense":
            params["W0"] = np.where(weights.pattern.mask(), params["W0"], old)
        return events
""",
    "full patterns stay as they are": """
    def rewire(self, model, params, *given, **more):
        params["W1"] += np.float32(0.5)
        return super().rewire(model, params, *given, **more)
""",
    "storages agree": """
    def keep(self, site, share, room):
        return super().keep(site, share * (0.5 if site.weights.storage == "dense" else 1), room)
""",
    "newcomers have the signs it promises": """
    def keeps_signs(self, signs):
        return True

    def grow(self, *given):
        places, values = super().grow(*given)
        return places, values + 1
""",
    "the same generator gives the same rewiring": """
    def prune_score(self, site):
        return np.random.default_rng().random(site.values.size)
""",
}
ONE_CACHE = "(lambda **now: (vars(self.__dict__.setdefault('c', SimpleNamespace())).update(now), self.c)[1])(held"
NOT_COPIED = "twin = Skip(*self.weights.values())\n        twin.weights = self.weights\n        return twin"
DEFECTS = [
    *(("carried", END, END + method, law) for law, method in METHODS.items()),
    ("carried", "self.state[name] = 0.9 *", "self.mem = 0.9 *", "what it remembers is in its state"),
    ("carried", "return np.abs(site.effective) *", "return np.abs(site.effective)[1:] #", "it rewires"),
    ("gelu", "* C * (1 + 3 * K * a**2)", "* C", "the slope is the derivative"),
    ("gelu", "0.5 * a * (1 + np.tanh(C * (a + K * a**3)))", "a - a.mean()", "each entry stands alone"),
    ("gelu", "math.sqrt(2 / math.pi)", "np.sqrt(2 / np.pi)", "float32 stays float32"),
    ("gelu", "return 0.5 * (1 + t) +", "return np.where(a > 0, 1, 1) * 0.5 * (1 + t) +", "float32 stays float32"),
    ("gelu", "0.5 * a * (1 + np.tanh(C * (a + K * a**3)))", "np.log(1 + np.exp(a))", "large arguments stay finite"),
    ("gelu", "    return 0.5 * a * (1 +", "    a *= 1.01\n    return 0.5 * a * (1 +", "it changes nothing"),
    ("gelu", "def value(a):", "def value(a, out=None):", "out is written"),
    ("gelu", "return 0.5 * a * (1", "return np.atleast_2d(0.5 * a) * (1", "it keeps the shape"),
    ("gelu", 'keeps="argument"', 'keeps="value"', "a network with it passes the gradient check"),
    ("smoothed", "share * (np.exp(log_p) - q)", "share * (q - np.exp(log_p))", "the gradient is the derivative"),
    ("smoothed", "(mask / mask.sum())", "mask", "it is a mean over the batch"),
    ("smoothed", "[..., None, :]\n    classes", "[..., None, :] * np.float64(1)\n    classes",
     "float32 stays float32 in the gradient"),
    ("smoothed", " - output.max(axis=-2, keepdims=True)", "", "large outputs stay finite"),
    ("smoothed", "    z = output -", "    output -= 1\n    z = output -", "it leaves its arguments alone"),
    ("smoothed", "mask.sum())", "mask.size)", "what is masked does not count"),
    ("smoothed", "share * (np.exp(log_p) - q)", "share * (np.exp(log_p) - q) * mask.mean()",
     "what is masked does not count"),
    ("smoothed", "xp.ones(labels.shape)", "np.arange(1.0, 1 + labels.size)", "a mask of ones changes nothing"),
    ("smoothed", "log_p).sum(),", "log_p).sum(axis=0),", "it returns a value and a gradient"),
    ("l1", ", v / length", ", None", "the gradient is right in every storage"),
    ("l1", "weights.masked(length.copy())", "length", "storages agree"),
    ("balanced", "weights.masked(a - weights.by_row(mean))", "a - weights.by_row(mean)",
     "absent synapses stay exactly 0"),
    ("balanced", "a - weights.by_row(mean)", "a / weights.by_row(weights.row_sum(a * a) ** 0.5)",
     "empty rows and zeros stay finite"),
    ("balanced", "/ weights.afferents(a)", "/ weights.afferents(a).astype(np.float64)", "float32 stays float32"),
    ("balanced", "    def backward(self, dw, weights):", "    def backward(self, dw, weights):\n        dw *= 1.5",
     "it keeps no state"),
    ("balanced", "(weights.row_sum(w), 0)", "(weights.row_sum(w), 1)", "its declared invariants hold"),
    ("balanced", "def __repr__(self):", "def name(self):", "its repr is its settings"),
    ("balanced", "extras = ()", 'extras = ("s",)', "it has the shapes of its parameters"),
    ("noise", "in run.grads.items()", "in run.gradients.items()", "it runs"),
    ("noise", "            run.grads[name] =", "            run.params = {**run.params}\n            run.grads[name] =",
     "the parameters keep their form"),
    ("noise", "= grad + noise", "= grad + noise + grad.dtype.type(0.01)", "the parameters keep their form"),
    ("noise", "            run.grads[name] =", "            run.params['W0'] = run.params['W0'].reshape(-1)\n"
     "            run.grads[name] =", "it runs"),
    ("noise", '= {"t": np.array(0)}', '= {"t": np.array(0), "n": getattr(self, "state", {}).get("n", 0) + np.ones(1)}',
     "a new run starts afresh"),
    ("noise", "run.rng.standard_normal", "np.random.default_rng().standard_normal", "the same seed gives the same run"),
    ("noise", "np.array(0)", "0", "its state is a flat dict of arrays"),
    ("noise", "begin", "start", "a new run starts afresh"),
    ("noise", 't = int(self.state["t"])', "t = self.count = getattr(self, 'count', -1) + 1",
     "a resumed run is the same"),
    ("skip", '        grads["b1"] = dz.sum(axis=1, keepdims=True)\n', "", "it runs forward and back"),
    ("skip", "da.sum(axis=1, keepdims=True)", "da.mean(axis=1, keepdims=True)",
     "every gradient is right in both storages"),
    ("skip", "ms.asarray(values, dtype)", "ms.asarray(values, np.float32)", "float32 stays float32"),
    ("skip", "SimpleNamespace(held", f"{ONE_CACHE}", "it keeps no state"),
    ("skip", "        h = np.tanh(", "        x = x - x.mean(axis=1, keepdims=True)\n        h = np.tanh(",
     "each example stands alone"),
    ("skip", "rng.standard_normal(", "np.random.default_rng().standard_normal(",
     "the same seed makes the same parameters"),
    ("skip", '"model": "Skip"', '"model": Skip', "its config is plain"),
    ("skip", "return Skip(*self.weights.values())", NOT_COPIED, "a copy is independent"),
    ("skip", "held = dict(self.weights)\n", "held = self.held = getattr(self, 'held', None) or dict(self.weights)\n",
     "the weights in force are used"),
    ("skip", "return params[name]", "return self.weights[name].unpack(params[name])", "weight is what the passes use"),
    ("skip", "return params[name]", "return 2 * params[name]", "weight is what the passes use"),
    ("skip", "cache.links.update(saw)", "cache.links.update({n: (-p, q, d) for n, (p, q, d) in saw.items()})",
     "links are what the synapses saw"),
    ("layer", "(dy * self.x).sum", "(dy * self.x).mean", "the layer passes the gradient check"),
]  # fmt: skip
IDS = [f"{defect[0]}: {defect[-1]}" for defect in DEFECTS]


def broken(rule: str, line: str, defect: str) -> tuple:
    """Return a page's rule with a line written otherwise, and what `laws` must be given for it."""
    name, made = MADE[rule]
    code = LAYER if name is None else page(name)
    assert line in code
    space: dict = {}
    exec(compile(code.replace(line, defect), f"own_{name}", "exec"), space)
    return eval(made, space), {"x": np.ones((2, 3))} if name is None else {}


@pytest.mark.parametrize(("rule", "line", "defect", "law"), DEFECTS, ids=IDS)
def test_a_defect_breaks_the_law_that_is_its_own(rule, line, defect, law):
    made, given = broken(rule, line, defect)
    sentence = {each.name: each for each in laws(made, generate_only=True, **given)}[law].broken()
    assert sentence is not None
    assert law in ("it runs", "it rewires") or not sentence.startswith("it raises")


SAID = [
    ("noise", "            run.grads[name] =", "            run.params['W0'] = run.params['W0'].reshape(-1)\n"
     "            run.grads[name] =", "it runs",
     r"^W0, float32 \(6, 7\), as its dense .* \(42,\) after it, and then `fit`"),
    ("smoothed", "share * (np.exp(log_p) - q)", "share * (np.exp(log_p) - q) * mask.mean()",
     "what is masked does not count", "^the gradient is not that of the answers"),
    ("gelu", "def value(a):", "def value(a, out=None):", "a network with it passes the gradient check",
     r"^value\(a, out\) does not write"),
    ("gelu", "    return 0.5 * a * (1 +", "    a *= 1.01\n    return 0.5 * a * (1 +", "it changes nothing",
     r"^value\(a\) writes into a"),
    ("gelu", "np.tanh(C * (a + K", "np.no_such(C * (a + K", "it keeps the shape", r"\(value, line 8\)"),
    ("skip", "dict(self.weights)\n", "self.held = getattr(self, 'held', None) or dict(self.weights)\n",
     "the weights in force are used", "does forward read self.weights"),
    ("skip", "da.sum(axis=1, keepdims=True)", "da.mean(axis=1, keepdims=True)", "the weights in force are used",
     "and so before it$"),
]  # fmt: skip
"""Defects of which a law must say in so many words what is wrong."""


@pytest.mark.parametrize(
    ("rule", "line", "defect", "law", "said"), SAID, ids=[f"{each[0]}: {each[-1]}" for each in SAID]
)
def test_a_law_names_what_the_user_has_written(rule, line, defect, law, said):
    made, given = broken(rule, line, defect)
    found = {each.name: each for each in laws(made, generate_only=True, **given)}[law].broken()
    assert re.search(said, found)


def test_storages_that_a_model_keeps_beside_its_weights_are_found_at_once():
    made, _ = broken("skip", "W0", "W0")

    class Old(type(made)):
        def __init__(self, *storages):
            super().__init__(*storages)
            self.kept = dict(self.weights)

        def forward(self, params, x):
            return super(Old, Old(*self.kept.values())).forward(params, x)

        def copy(self):
            return Old(*self.weights.values())

    failed = laws(Old(*made.weights.values()), on_fail=None).failed
    assert [name for name, _ in failed] == ["it runs forward and back"]
    assert re.search(r"put into csr storage .* does forward read self\.weights\?$", failed[0].sentence)


def test_arrays_of_many_numbers_are_moved_all_together(monkeypatch):
    monkeypatch.setattr(of_models, "EACH", 3)
    assert laws(broken("skip", "W0", "W0")[0]).ok
    wrong, _ = broken("skip", "outer(dpost, pre)", "outer(dpost * (np.arange(len(dpost)) != 2)[:, None], pre)")
    law = "every gradient is right in both storages"
    sentence = {each.name: each for each in laws(wrong, generate_only=True)}[law].broken()
    assert "along a random direction" in sentence
    assert sentence.endswith("a smaller network shows which entries")


def test_a_hook_may_hold_what_chance_has_made_and_arrays_that_grow():
    class Times:
        def begin(self):
            self.state = {"seconds": np.zeros(0), "drawn": np.zeros(0)}

        def __call__(self, run):
            self.state["seconds"] = np.append(self.state["seconds"], time.perf_counter())
            self.state["drawn"] = np.append(self.state["drawn"], 1.0)

    assert laws(Times()).ok


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "line", "defect", "law"), DEFECTS, ids=IDS)
def test_one_call_finds_each_defect(rule, line, defect, law):
    made, given = broken(rule, line, defect)
    verdict = laws(made, on_fail=None, **given)
    print(verdict)
    assert law in dict(verdict.failed)


def test_nearly_every_law_has_a_defect_of_its_own():
    assert len({law for *_, law in DEFECTS}) >= 40


def test_a_broken_law_is_an_assertion_error_that_names_it_and_says_what_is_wrong():
    wrong = ms.Activation("square", lambda a: a * a, lambda a: a, keeps="argument")
    with pytest.raises(AssertionError, match=r"square \(activation\) breaks a law") as error:
        laws(wrong)
    assert "BROKEN   the slope is the derivative: a: the gradient is the right one times 0.5" in str(error.value)
    assert "holds    it keeps the shape" in str(error.value)


@pytest.mark.parametrize("law", laws(ms.Dendritic(), generate_only=True))
def test_laws_are_tests_of_their_own(law):
    law()


def test_a_law_alone_raises_its_sentence():
    law = laws(lambda output, target: (0.0, output), generate_only=True)[1]
    with pytest.raises(AssertionError, match=r"^the gradient is the derivative: "):
        law()
    assert (
        repr(law)
        == "the gradient is the derivative: Each entry of the gradient is the difference quotient of the value."
    )


def test_what_cannot_be_tested_is_refused_in_a_sentence():
    for given, said in (
        ((ms.SET,), r"laws tests a rule that is made, such as SET\(\)"),
        ((3,), "3 is none of activation, loss"),
        ((ms.relu, "function"), "kind 'function' is unknown"),
    ):
        with pytest.raises(ms.UserError, match=said):
            laws(*given)
    with pytest.raises(ms.UserError, match="take no argument 'model'; it takes target"):
        laws(ms.softmax_cross_entropy, model=1)
    with pytest.raises(ms.UserError, match="law 'no law' is unknown"):
        laws(ms.relu, exempt={"no law": "because"})


def test_the_rule_that_is_handed_in_is_not_changed():
    rule = ms.Cosine()
    before = str(vars(rule))
    laws(rule)
    assert str(vars(rule)) == before
