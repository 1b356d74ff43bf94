"""
Dale's principle and the gain of a recurrent network
====================================================

Most neurons either excite all their targets or inhibit them all (Dale's principle). Fruengel and Oberlaender
(*Sparse connectivity enables efficient information processing in cortex-like artificial neural networks*, 2025) train
recurrent networks with 11.5 % inhibitory neurons and find that dense ones stay at chance for tens of epochs, while
networks with a tenth of the synapses start to learn at once.

This chapter derives the gradient, checks it, shows the effect with 300 neurons instead of 10,000, and asks for its
cause: the constraint on the signs, the signs the network starts with, or something else? The default run is Figures 6B
and 6F. ``--figure NAME ...`` runs others: 6E (gradients), S5A (free signs), S5B (from sparse to dense), S5C (strong
inhibition), *clamp* (signs that are only initialised), *memory* (Adam's), *step* (its learning step matched, too) and
*long* (does the wait end?); ``--figure all`` runs all of them.
"""

# %%
# The claim, in one figure
# ------------------------
# The run below ends with ``out/dale/dale.png``: test accuracy over epochs, per density; left with 11.5 % inhibitory
# neurons (6B), right with 50 % (6F). Two knobs turn the effect live: ``--fraction 0.5`` and ``--inhibition-gain 10``.
#
# The trick that makes it small is a *gain-matched replica*. One time step multiplies a uniform activity by
# :math:`g = p N \tfrac{w_{max}}{2} (1 - 2f)`, with density :math:`p`, :math:`N` neurons, initial weights up to
# :math:`w_{max}` and inhibitory fraction :math:`f` (derived below). The paper has :math:`N = 10\,000` and
# :math:`w_{max} = 0.001`. With :math:`w_{max} = 10 / N` every :math:`N` has the same gain. The run prints both.
#
# Why, in short
# -------------
# Let :math:`W` be the recurrent weights, :math:`h_t` the activity (:math:`h_0 = 0`), :math:`a_t` the drive that makes
# :math:`h_{t+1}` of it, and :math:`da_t` the slope of the loss :math:`L` in that drive. Count how often a term of
# :math:`dW` has passed :math:`W`, for three steps, :math:`t = 0, 1, 2`. Forward, :math:`h_1` comes from the input
# alone, and :math:`h_2` has passed :math:`W` once. Backward, :math:`da_2` comes from the readout alone, and
# :math:`da_1` has passed :math:`W` once. So both terms of :math:`dW = da_1 h_1^\top + da_2 h_2^\top` have passed it
# once. With :math:`T` steps :math:`h_t` has passed it :math:`t - 1` times and :math:`da_t` has passed it
# :math:`T - 1 - t` times: together :math:`T - 2` times, whatever :math:`t`. Each time multiplies by about :math:`g`. So
# the first gradient carries the factor :math:`g^{T-2}`.
#
# *Adam*, the optimiser, keeps for each weight a running mean :math:`m` of its gradient :math:`G` and a running mean
# :math:`v` of the square, and divides one by the root of the other:
#
# .. math::
#
#    m \leftarrow \beta_1 m + (1 - \beta_1)\, G, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, G^2, \qquad
#    W \leftarrow W - \eta\, \frac{m}{\sqrt{v}}
#
# with :math:`\beta_1 = 0.9`, :math:`\beta_2 = 0.999` and the learning rate :math:`\eta`. (The correction of the first
# steps, and a small number that avoids a division by 0, are left out here.) So :math:`v` forgets over
# :math:`1/(1 - \beta_2) = 1000` steps. A few huge gradients at the start keep :math:`\sqrt v` large, and every step is
# tiny until they are forgotten: the network waits. Two controls take the memory away, one puts it in:
#
# .. list-table::
#    :header-rows: 1
#
#    * - network
#      - what is done to it
#      - does it wait?
#    * - dense, plain
#      - nothing
#      - yes
#    * - dense, reset
#      - :math:`m` and :math:`v` are wiped once, after the first epoch
#      - no
#    * - dense, clipped
#      - a gradient longer than 1 is shortened to 1
#      - no
#    * - sparse, plain
#      - a tenth of the synapses, so :math:`g < 1`
#      - no
#    * - sparse, implanted
#      - it starts with the :math:`v` that the dense one has after an epoch
#      - yes
#
# An epoch *at chance* is one in which the network is right no more often than by guessing. Their number is the wait
# (the paper says delay).

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import math

import numpy as np

import minisparse as ms
from minisparse import lab
from minisparse.gradcheck import sight
from minisparse.lab import recipes

SIZE, W_MAX = 10_000, 0.001  # the paper's neurons and largest initial weight
USUAL = 0.115  # inhibitory
LEFT_CHANCE = 25.0  # percent: above it for good is learning
FIGURES = ("6B", "6F", "6E", "S5A", "S5B", "S5C", "clamp", "memory", "step", "long")


def knobs(flag):
    flag("--figure", nargs="+", choices=(*FIGURES, "all"), default=["6B", "6F"], help="what is run, as said above")
    flag("--fraction", type=float, default=USUAL, help="share of inhibitory neurons, 0 to 1")
    flag("--inhibitory", choices=("exact", "published_draw"), default="exact", help="that share, or as published")
    flag("--inhibition-gain", type=float, default=1.0, help="initial strength of inhibition over excitation")
    flag("--clamp", choices=("enforced", "init_only"), default="enforced", help="are signs kept after each step?")


args = lab.chapter(
    "dale", __doc__ or "Dale's principle and the gain of a recurrent network", {"nodes": 300, "epochs": 30, "seeds": 3,
    "density": [1.0, 0.5, 0.1], "checkpoint_every": 1, "time": "half a minute"},
    smoke={"nodes": 60, "epochs": 2, "seeds": 1, "figure": ["all"], "time": "under 10 s"}, add=knobs,
    paper={"dataset": "mnist", "nodes": SIZE, "epochs": 40, "seeds": 10, "time": "days on two cores; use a GPU"},
)  # fmt: skip
turned = (args.fraction, args.inhibition_gain) != (USUAL, 1.0)  # a knob is: then no panel of the paper is run but yours
figures = {"6B"} if turned else {*(FIGURES if "all" in args.figure else args.figure)}

# %%
# Forward
# -------
# The data are *digits*: images of 8 × 8 pixels of ten digits, 100 to a batch. The network reads an image row by row: at
# step :math:`t = 0, \dots, T-1` it sees row :math:`x_t`, and after the last row it answers. So :math:`T = 8` (28 on
# MNIST). Activity is (units, batch), one column per example; weights are (post, pre), so row :math:`i` of :math:`W` is
# what neuron :math:`i` receives.
#
# .. math::
#
#    a_t = W_{in} x_t + b_{in} + W h_t + b_{rec}, \qquad h_{t+1} = \varphi(a_t), \qquad h_0 = 0, \qquad
#    z = W_{out} h_T + b_{out}

for tag in ("R1", "R14", "R2", "R15", "R3", "L1"):
    print(f"  ({tag})  {ms.code_line(tag)}")

# %%
# Backward, in five rungs
# -----------------------
# **1. Forward with indices.** For neuron :math:`i`, example :math:`b`, step :math:`t`:
#
# .. math::
#
#    a_{t,i,b} = \sum_k W^{in}_{ik} x_{t,k,b} + \sum_j W_{ij} h_{t,j,b} + b^{in}_i + b^{rec}_i, \qquad
#    h_{t+1,i,b} = \varphi(a_{t,i,b})
#
# **2. Perturb.** Write :math:`da_{t,i,b} = \partial L / \partial a_{t,i,b}`. Move one synapse,
# :math:`W_{ij} \to W_{ij} + \varepsilon`. At every step it adds :math:`\varepsilon\, h_{t,j,b}` to
# :math:`a_{t,i,b}`; everything that follows from that is already counted in :math:`da_{t,i,b}`. So
# :math:`\partial L / \partial W_{ij} = \sum_{t,b} da_{t,i,b}\, h_{t,j,b}`.
#
# **3. Collect.** The state :math:`h_{t+1,j}` is heard by every neuron :math:`i` at the next step, through
# :math:`W_{ij}`, and (only :math:`h_T`) by the readout. Sum over the listeners, then pass the nonlinearity:
#
# .. math::
#
#    da_{T-1,j,b} = \varphi'(a_{T-1,j,b}) \sum_c W^{out}_{cj}\, dz_{c,b}, \qquad
#    da_{t,j,b} = \varphi'(a_{t,j,b}) \sum_i W_{ij}\, da_{t+1,i,b}
#
# The sum runs over the *first* index of :math:`W`: that is the transpose.
#
# **4. Matrix form, with shapes.** :math:`N` neurons, :math:`B` examples, :math:`I` inputs, :math:`C` classes.
#
# .. math::
#
#    \underbrace{da_{t}}_{N \times B} = (\underbrace{W^\top}_{N \times N} \underbrace{da_{t+1}}_{N \times B}) \circ
#    \varphi'(a_t), \qquad
#    \underbrace{dW}_{N \times N} = M \circ \sum_{t=1}^{T-1} da_t\, h_t^\top, \qquad
#    \underbrace{dW_{in}}_{N \times I} = \sum_t da_t\, x_t^\top, \qquad db = \sum_{t,b} da_t
#
# :math:`dz` is the slope of the loss in the logits :math:`z`. :math:`M` is the mask of existing synapses: an absent
# synapse has no gradient. The sum over :math:`t` starts at 1
# because :math:`h_0 = 0`. ReLU's slope at 0 is taken as 0. The cache holds the states :math:`h_t` and no :math:`a_t`,
# because both slopes can be read from the value: :math:`1[h > 0]` and :math:`1 - h^2`. (``kept`` is that value; an
# activation whose slope needs its argument keeps :math:`a_t`.)
#
# **5. The code.** These lines are read from the library by their tags. (R11 is for rules that make the weights from raw
# ones, called v there; here it does nothing.)

for tag in ("R4", "R5", "R16", "R6", "R13", "R7", "N1", "R8", "R9", "R10", "R11", "D1", "R12"):
    print(f"  ({tag})  {ms.code_line(tag)}")

# %%
# Unrolled, the forward pass runs along the solid arrows and the backward pass along the dashed ones. Every copy of
# :math:`W` is the same matrix, so its gradient is the sum over the copies.

ms.plot.unrolled(args.out / "unrolled.png")

# %%
# The gradient check, live
# ------------------------
# All sizes differ (batch 3, time 5, neurons 7, inputs 2, classes 4), so that a transposed matrix or a wrong divisor
# cannot hide. Every entry of every parameter and of the input is compared with a central difference in float64, with a
# random cotangent (numbers in the place of :math:`dz`); off the pattern the gradient must be exactly 0. Both storages
# are checked: dense, and *csr*, which holds the existing synapses only. So few numbers are faster on the processor, so
# the check runs there even if the networks below run on a GPU.

reports = {(storage, activation): ms.check(*sight.example(storage, activation)[:4])
           for storage in ("dense", "csr") for activation in ("relu", "tanh")}  # fmt: skip
print(f"\ngradient check, relu, dense storage\n{reports['dense', 'relu']}")
worst = {name: max(row.error for row in report.rows) for name, report in reports.items()}
print("worst error: " + "; ".join(f"{' '.join(name)} {error:.0e}" for name, error in worst.items()) + "\n")
assert all(report.ok for report in reports.values())

# %%
# The gain law, in three lines
# ----------------------------
# Let :math:`s_j = \pm 1` be the sign of neuron :math:`j`. A synapse exists with probability :math:`p` and has the
# magnitude :math:`w_{max}/2` on average, so
#
# 1. the mean matrix is :math:`\bar W = \bar w\, \mathbf 1 s^\top` with :math:`\bar w = p\, w_{max}/2`;
# 2. forward, :math:`\bar W \mathbf 1 = \bar w\, (s^\top \mathbf 1)\, \mathbf 1 = g\, \mathbf 1` with
#    :math:`g = \bar w N (1 - 2f)`: equal activity stays equal and grows by :math:`g` per step;
# 3. backward, :math:`\bar W^\top s = \bar w\, (\mathbf 1^\top s)\, s = g\, s`: a gradient along the sign vector grows
#    by the same :math:`g`.
#
# If :math:`g > 1`, activity and gradient explode together. Inhibition :math:`k` times as strong
# gives :math:`g = \bar w N (1 - f - k f)`. The measured gains below are the mean of :math:`W \mathbf 1` over neurons
# and :math:`s^\top W^\top s / s^\top s`, of the very matrices that are then trained.
#
# The law is about the mean, and it leaves out the gates :math:`\varphi'`. That is right as long as all neurons hold
# positive numbers: all gates are open, and ReLU changes nothing. How right it is shows the run, below, on the first
# batch. If :math:`g < 0`, as with strong inhibition, it fails: the mean drive turns negative, ReLU cuts it to 0, and
# nothing explodes even if :math:`g < -1`.
#
# Is the clamp differentiated?
# ----------------------------
# No. After each step :math:`W_{ij} \leftarrow s_j \max(0, s_j W_{ij})`: a projection of the *parameter*, outside the
# function whose gradient is taken, so the passes never hear of it. At the wall Adam's moments are left alone. A weight
# that the clamp holds at 0 keeps collecting its true gradient in :math:`m` and :math:`v`; while that gradient points
# into the wall, the weight is pushed out and set back at every step, and once it turns, the stale mean :math:`m` keeps
# the weight at the wall for some ten steps (:math:`1/(1-\beta_1)`) before it leaves. Differentiating the clamp instead
# (slope 0 beyond the wall) would kill such weights for good.
#
# The experiment
# --------------
# One seed gives four independent streams: synapses, signs, initial weights, order of the batches.
# A run is a *cell*: its settings, its curve and what made it are one row of ``rows.jsonl``.

dataset = ms.load(args.dataset, root=args.data_dir)

EXTRA = {"plain": "", "reset": ", Adam reset", "clipped": ", clipped", "implanted": ", implanted v",
         "sparse start": ", 90 % start at 0", "matched step": ", step matched"}  # fmt: skip


def title(config):
    """Name a setting in a few words."""
    if config["clamp"] == "free":
        return f"p = {config['density']:g}, both signs"
    strength = f" x{config['inhibition_gain']:g}" if config["inhibition_gain"] != 1 else ""
    signs = ", init_only" if config["clamp"] == "init_only" else ""
    return f"p = {config['density']:g}, f = {config['inhibitory']:g}{strength}{signs}{EXTRA[config['adam']]}"


DECADES = np.arange(-12, 13)


class Gradients:
    """Keep, after each epoch, how large the last batch's gradient of the recurrent weights was."""

    def __init__(self):
        self.state = {}

    def __call__(self, run):
        size = abs(run.model.weights["W_rec"].values(run.grads["W_rec"]).astype(float))
        xp = ms.array_module(size)  # a GPU does the counting; what comes to the host is a row of numbers
        counts = xp.histogram(size, xp.asarray(10.0**DECADES))[0]
        found = xp.concatenate([xp.median(size)[None], (size == 0).mean()[None], counts / size.size])[None]
        self.state["sizes"] = np.concatenate([ms.to_numpy(a) for a in (self.state.get("sizes", found[:0]), found)])


class ClippedAdam(ms.Adam):
    """Adam that never sees a gradient longer than 1 (all parameters together)."""

    def step(self, params, grads):
        length = float(sum((grad * grad).sum(dtype=float) for grad in grads.values())) ** 0.5
        super().step(params, {name: grad * min(1.0, 1.0 / length) for name, grad in grads.items()})


def reset_after_first_epoch(run):
    """Forget both of Adam's moments, once."""
    if run.epoch == 1:
        run.opt.state.clear()


def build(config):
    """Make a network and its clamp, with the generator of the batches."""
    n = config["nodes"]
    return recipes.recurrent(
        dataset, n, config["density"], config["seed"], storage=config["storage"],
        w_max=W_MAX if config["clamp"] == "free" else W_MAX * SIZE / n,  # without signs there is no gain to match
        inhibitory=None if config["clamp"] == "free" else config["inhibitory"],
        published_draw=config["draw"] == "published_draw", inhibition_gain=config["inhibition_gain"],
        clamp=config["clamp"],
    )  # fmt: skip


def implant_dense_memory(opt, weights, config):
    """Start an optimiser with the second moments that the dense network of the same seed has after one epoch."""
    donor = build({**config, "density": 1.0})
    memory = ms.Adam(lr=1e-3)
    ms.fit(donor.model, donor.params, memory, dataset, 1, donor.rng, after_step=donor.after_step, quiet=True)
    for key, value in memory.state.items():
        if key != "step":
            kept = value if key.startswith("v.") else 0 * value
            opt.state[key] = weights.pack(donor.model.weights["W_rec"].unpack(kept)) if key.endswith("W_rec") else kept
    opt.state["step"] = memory.state["step"]


def run_cell(config, checkpoint):
    """Train one network; returns its measurements."""
    net = build(config)
    model, params, weights = net.model, net.params, net.model.weights["W_rec"]
    n, p, f, k = (config[name] for name in ("nodes", "density", "inhibitory", "inhibition_gain"))
    rates = recipes.replica_of(max(SIZE, n), n).rates(1e-3, ("W_rec",)) if config["adam"] == "matched step" else {}
    opt = (ClippedAdam if config["adam"] == "clipped" else ms.Adam)(lr=1e-3, rates=rates)
    if config["adam"] == "implanted":
        implant_dense_memory(opt, weights, config)

    if config["adam"] == "sparse start":
        p = 0.1
        kept = ms.bernoulli(n, n, p, recipes.streams(config["seed"], 5)[4]).mask()
        params["W_rec"] = weights.pack(weights.unpack(params["W_rec"]) * ms.asarray(kept))
    signs = np.ones((config["nodes"], 1)) if net.strengths is None else net.strengths
    w = model.weight(params)
    gains = ms.forward_gain(weights, w), ms.backward_gain(weights, w, signs)
    start, gradients = weights.values(params["W_rec"]), Gradients()

    history = ms.fit(
        model, params, opt, dataset, config["epochs"], net.rng, after_step=[*args.hooks, *net.after_step],
        after_epoch=[gradients, *([reset_after_first_epoch] if config["adam"] == "reset" else [])],
        checkpoint=checkpoint, resume=args.resume, checkpoint_every=args.checkpoint_every,
        label=f"{title(config)}, seed {config['seed']}", quiet=args.dataset == "digits",
    )  # fmt: skip
    accuracy = [row["test_accuracy"] for row in history[1:]]
    return {
        "origin": dataset.origin, "accuracy": accuracy, "train_loss": [row["train_loss"] for row in history[1:]],
        "delay": ms.training_delay(accuracy, LEFT_CHANCE, for_good=True),
        "predicted_gain": ms.predicted_gain(n, p, W_MAX * SIZE / n, f, k) if net.dale else 0.0,
        "forward_gain": gains[0], "backward_gain": gains[1],
        "gain_after": ms.forward_gain(weights, model.weight(params)),
        "violations": net.dale.violations(model, params) if net.dale else 0,
        "gradients": [[float(f"{x:.4g}") for x in epoch] for epoch in ms.to_numpy(gradients.state["sizes"])],
        "sign_changes": ms.sign_changes(start, weights.values(params["W_rec"])),
        "seconds": sum(row["seconds"] for row in history),
    }  # fmt: skip


# %%
# One list of cells: for each figure its networks, as density and settings. If you turn a knob, only your own is run.

base = {"dataset": args.dataset, "nodes": args.nodes, "storage": args.storage, "clamp": args.clamp, "adam": "plain",
        "inhibitory": args.fraction, "draw": args.inhibitory, "inhibition_gain": args.inhibition_gain,
        "epochs": args.epochs}  # fmt: skip
short = {**base, "epochs": max(1, args.epochs // 2)}
half = {**short, "inhibitory": 0.5}
networks = {
    "6B": [(p, base) for p in args.density],
    "6F": [(p, half) for p in args.density],
    "S5C": [(p, {**short, "inhibition_gain": 10.0}) for p in args.density],
    "memory": [(p, {**short, "adam": adam}) for adam, p in (("reset", 1.0), ("clipped", 1.0), ("implanted", 0.1))],
    "S5B": [(1.0, {**short, "adam": "sparse start"})],
    "S5A": [(0.1, {**short, "clamp": "free"})],
    "step": [(p, {**settings, "adam": "matched step"}) for settings in (base, half) for p in (1.0, 0.1)],
    "long": [(1.0, {**base, "epochs": 10 * args.epochs})],
}
wanted = {part: members for part, members in networks.items() if part in figures}
if figures & {"6E", "S5B", "memory"}:  # which compare with the plain networks of both densities
    wanted["6B"] = [(p, base) for p in dict.fromkeys([*args.density, 1.0, 0.1])]
if "clamp" in figures:
    wanted["clamp"] = [(p, {**of, "clamp": "init_only"}) for part in ("6B", "6F") for p, of in networks[part]]
cells = [{"part": part, "config": {**settings, "density": p, "seed": seed}}
         for part, members in wanted.items() for p, settings in members
         for seed in range(args.first_seed, args.first_seed + args.seeds)]  # fmt: skip
for cell in cells:
    lab.cost.preflight(args.nodes, cell["config"]["density"], args.storage)
if not args.smoke:
    lab.confirm(args, lab.cost.estimate(dataset, [cell["config"] for cell in cells]))


done = "{}, seed {}: {:.1f} % after {} epochs".format
rows = lab.cells(args, "dale", cells, run_cell, lambda row: done(
    title(row["config"]), row["config"]["seed"], row["accuracy"][-1], row["config"]["epochs"]))  # fmt: skip

# %%
# The first batch of the first seed, before anything is learnt: by how much the gradient differs between dense and
# sparse, beside the factor of the law; by how much the activity grows from step to step; and which share of the gates
# is open. In the dense network half of the gates are shut at step 0, hardly any after two steps, and from then on the
# law holds. In the sparse network the random part of :math:`W`, which the law leaves out, keeps the
# activity up. The network with strong inhibition goes up and down instead. (At the paper's size, :math:`T = 28`, the
# factor is above :math:`10^{15}`; spread over :math:`N^2 = 10^8` weights it leaves some :math:`10^{10}` for each of
# them.)

print("first batch     g^(T-2)     |dW|  h grows: 1st, 2nd, 3rd, last   open gates (%): step 0, 1, 2, last")
for name, p, k in (("dense", 1.0, 1.0), ("p = 0.1", 0.1, 1.0), ("inhibition x10", 1.0, 10.0)):
    n = min(args.nodes, 300)
    net = build({**base, "nodes": n, "density": p, "seed": args.first_seed, "inhibition_gain": k})
    x, y = map(ms.asarray, next(iter(ms.batches(dataset.x_train, dataset.y_train, 100, net.rng))))
    logits, cache = net.model.forward(net.params, x)
    dW = net.model.backward(ms.softmax_cross_entropy(logits, y)[1], cache)["W_rec"]
    law = ms.predicted_gain(n, p, W_MAX * SIZE / n, args.fraction, k) ** (len(x) - 2)
    size, gates = (ms.to_numpy(value.mean(axis=(1, 2))) for value in (cache.h[1:], 100.0 * (cache.h[1:] > 0)))
    grows, gates = (", ".join(f"{v:.3g}" for v in some[[0, 1, 2, -1]]) for some in (size[1:] / size[:-1], gates))
    print(f"{name:14s}{law:9.1e}{np.linalg.norm(ms.to_numpy(dW)):9.1e}  {grows:31s}{gates}")

# %%
# An explosion can also stop Adam *for good*. The largest number of float32 is :math:`3.4 \cdot 10^{38}`. So the square
# of a gradient above :math:`1.8 \cdot 10^{19}` is inf, and :math:`v` is inf from then on: it does not fade. The step
# :math:`\eta\, m / \sqrt v` is 0, and that weight never moves again, while the loss stays finite and nothing seems
# wrong. Sixty time steps with the paper's gain are enough, since :math:`g^{58}` is above :math:`10^{33}`. Here are two
# weights that start at 0. The first gradient of one is just below that border, of the other just above it; all later
# gradients are 1.

adam, W = ms.Adam(lr=1e-3), np.zeros(2, np.float32)
with np.errstate(over="ignore"):
    for k, G in enumerate(([1e19, 2e19], [1, 1], [1, 1]), 1):
        adam.step({"W": W}, {"W": np.float32(G)})
        print("Adam in float32, step {}: v = {:.0e}, {}; W = {:.4f}, {:.4f}".format(k, *adam.state["v.W"], *W))
print()

# %%
# So ``fit`` looks at the optimiser after each epoch. If a number in it is not finite, training ends there with a
# ``NonFiniteError``; for the recurrent weights it names ``v.W_rec``. A clipped gradient, smaller initial weights or
# float64 help.
#
# The number that the effect hangs on, then the table. A network that gives one answer to everything is right as often
# as that class occurs, which is below 10 % for some classes. One that tells two answers apart, and no more, reaches at
# most the share of the two commonest classes. So a network is *at chance* until its accuracy stays above 25 % for good.
# (With half of the synapses it wanders about below that for a while, and falls back.) Three numbers are the three
# seeds, and ± is the standard deviation over them. *x10*: inhibition is ten times as strong. *long*: ten times as many
# epochs. *after*: the gain when the training is over.


def pick(rows, *parts, **settings):
    """The rows of some parts, of the settings that are named."""
    return [row for row in rows if row["part"] in parts and row["config"].items() >= settings.items()]


def waits(*parts, **settings):
    return [math.inf if row["delay"] is None else row["delay"] for row in pick(rows, *parts, **settings)]


def listed(delays):
    found = ["never" if delay in (None, math.inf) else str(delay) for delay in delays]
    return "never" if {*found} == {"never"} else ", ".join(found)


def at_chance(found):
    return "epochs at chance: " + "; ".join(f"{name}: {listed(delays)}" for name, delays in found.items())


named = {"dense": (1, USUAL), "p = 0.1": (0.1, USUAL), "f = 0.5": (1, 0.5)}
sides = ((SIZE, 1), (args.nodes, SIZE / args.nodes))
what = f"gain per time step, g = p N (w_max / 2) (1 - 2 f), f = {USUAL} or as said"
lab.matched(what, *({k: ms.predicted_gain(n, p, W_MAX * x, f) for k, (p, f) in named.items()} for n, x in sides))
if "step" in figures:
    what = "most by which a step of Adam moves the gain, eta p N; here: figure step alone"
    lab.matched(what, *({k: ms.gain_step(1e-3 * x, p, n) for k, (p, _) in named.items()} for n, x in sides))
share = np.sort(np.bincount(ms.to_numpy(dataset.y_test)) / len(dataset.y_test) * 100)
ends = f"{share[0]:.1f} to {share[-1]:.1f} %; two answers: at most {share[-2:].sum():.1f} %"
print(f"chance: one answer to all {len(dataset.y_test):,} test images is right for {ends}\n")
print("p: density, f: inhibitory        g: law forward backward after  epochs at chance   accuracy % epochs")
for group in lab.rows.seeds(rows):
    row, last = group[0], lab.claims.spread([row["accuracy"][-1] for row in group])
    gains = (np.mean([row[key] for row in group]) for key in ("forward_gain", "backward_gain", "gain_after"))
    numbers = "{:6.2f}{:8.2f}{:9.2f}{:6.2f}".format(row["predicted_gain"], *gains)
    name, delays = title(row["config"]) + ", long" * (row["part"] == "long"), listed(row["delay"] for row in group)
    print(f"{name:33s}{numbers}  {delays:17s}{last:>12s}{row['config']['epochs']:7d}")

# %%
# What the paper says
# -------------------
# The verdicts are computed from the rows. "Tens of epochs" reads at least 10; "no delay" reads at most 2 on digits,
# because an epoch of digits has 15 steps where one of MNIST has 600, and 0 elsewhere. A median gradient of exactly 0
# counts as ten times smaller (6E). At the default size a verdict can at best read REPRODUCED AT REDUCED SIZE.

NO_DELAY = 2 if args.dataset == "digits" else 0
setting = f"{args.nodes} neurons, {args.dataset}, {args.epochs} epochs, {args.seeds} seeds, signs "
claims = lab.Judged(setting + args.clamp, full=args.dataset == "mnist" and args.nodes == SIZE)
shows = {}  # for each part and inhibitory fraction, what is seen if it is as the paper has it

CLAIMS = {"6B": "dense waits for tens of epochs, p = 0.1 not", "6F": "50 % inhibitory: no delay at any p",
          "S5C": "10x initial inhibition: no delay at any p"}  # fmt: skip
judged = set() if args.smoke or turned else figures
for part, f in dict.fromkeys((row["part"], row["config"]["inhibitory"]) for row in pick(rows, *FIGURES)):
    panel, clamp = "S5C" if part == "S5C" else "6F" if f == 0.5 else "6B", pick(rows, part)[0]["config"]["clamp"]
    asked = (1.0, 0.1) if panel == "6B" else dict.fromkeys([1.0, *args.density, 0.1])
    found = {p: delays for p in asked if (delays := waits(part, density=p, inhibitory=f))}
    if part not in {*judged} & {"6B", "6F", "S5C", "clamp", "step"} or (panel == "6B" and len(found) < 2):
        continue
    right = [min(d) >= 10 < args.epochs if (panel, p) == ("6B", 1) else max(d) <= NO_DELAY for p, d in found.items()]
    if all(right):
        shows[part, f] = ": dense networks stay at chance" if panel == "6B" else ": none waits"
    numbers = {f"delay {k} seed {i}": min(d, 1e6) for k, ds in enumerate(found.values()) for i, d in enumerate(ds)}
    note = at_chance({f"p = {p:g}": delays for p, delays in found.items()})
    claim = f"step matched: {CLAIMS[panel]}" if part == "step" else f"{CLAIMS[panel]} ({clamp})"
    claims.judge(panel, claim, numbers, all(right), note=note, setting=setting + clamp)
plain = {p: pick(rows, "6B", density=p) for p in (1.0, 0.1)}
early = {p: np.array([row["gradients"][1:5] or row["gradients"] for row in found]) for p, found in plain.items()}
if "6E" in judged:
    medians = {f"p = {p:g}": np.median(found[..., 0], axis=1).tolist() for p, found in early.items()}
    note = "; ".join(f"{name}: {listed(f'{x:.2g}' for x in found)}" for name, found in medians.items())
    numbers = {f"{name}, seed {k}": m for name, values in medians.items() for k, m in enumerate(values)}
    smaller = all(10 * dense <= sparse > 0 for dense, sparse in zip(*medians.values(), strict=True))
    claims.judge("6E", "median gradient in epochs 2 to 5: 10 times smaller if dense", numbers, smaller, note=note)
if "S5A" in judged:
    freed = [row["sign_changes"] for row in pick(rows, "S5A")]
    turn = [(c["positive_to_negative"] / c["positive"], c["negative_to_positive"] / c["negative"]) for c in freed]
    claim = "more positive weights turn negative than the reverse, p = 0.1"
    note = "; ".join(f"{100 * down:.1f} % down, {100 * up:.1f} % up" for down, up in turn)
    claims.judge("S5A", claim, {}, all(down > up for down, up in turn), note=note, setting=setting + "free")
if "S5B" in judged:
    begun, tenth = waits("S5B"), min(10, short["epochs"]) - 1
    at = [[row["accuracy"][tenth] for row in found] for found in (pick(rows, "S5B"), plain[0.1])]
    behind = max(begun) <= NO_DELAY and np.mean(at[0]) < np.mean(at[1])
    claim = "sparse to dense: no delay, but behind the sparse network at epoch 10"
    shows |= {"S5B": ": no wait"} if max(begun) <= NO_DELAY else {}
    claims.judge("S5B", claim, {"accuracy then": at[0], "sparse": at[1]}, behind, note=at_chance({"p = 1": begun}))
if "memory" in judged:
    found = {adam: waits("memory", adam=adam) for adam in ("reset", "clipped", "implanted")}
    if max(found["reset"] + found["clipped"]) < min(found["implanted"]):
        shows |= {"memory": ": without Adam's memory it learns", "implanted": ": with the dense one's it waits"}
    claim = "control: Adam reset or clipped ends the wait; implanted, p = 0.1 waits"
    claims.judge("6B", claim, {}, note=at_chance(found))
if "long" in judged:
    delays, steps = waits("long"), math.ceil(len(dataset.y_train) / 100)
    ended = min(delays) >= 10 and max(delays) < math.inf
    shows |= {"long": ": it learns in the end"} if ended else {}
    found = {"steps at chance": [None if delay == math.inf else steps * delay for delay in delays]}
    claims.judge("6B", f"control, {10 * args.epochs} epochs: dense learns in the end", found, ended, digits=0)

# %%
# The figures
# -----------
# They are drawn from the rows alone. A title says a finding only where the rows show it. A line is the mean over the
# seeds, its band goes from the lowest to the highest of them.


def by_density(*parts, **settings):
    """Name and style a line for each density among some rows."""
    groups = {group[0]["config"]["density"]: group for group in lab.rows.seeds(pick(rows, *parts, **settings))}
    return {f"p = {p:g}, g = {m[0]['predicted_gain']:.2f}": (ms.plot.of_density(p), m) for p, m in groups.items()}


def special(adam):
    return {adam: (ms.plot.LINES[{"reset": 2, "clipped": 3}.get(adam, 5)], pick(rows, "memory", "S5B", adam=adam))}


def by_fraction(*parts):
    """Give a panel for each share and strength of inhibition in some parts, with a line for each density."""
    what = {"clamp": "Signs free after the start\n", "step": "Step of the gain as in the paper\n",
            "S5C": "Inhibition ten times as strong\n"}  # fmt: skip
    found = {(row["part"], row["config"]["inhibitory"], row["config"]["inhibition_gain"]) for row in pick(rows, *parts)}
    return {what.get(part, "") + f"{100 * f:g} % inhibitory{f', x{k:g}' if k != 1 else ''}{shows.get((part, f), '')}":
            by_density(part, inhibitory=f) for part, f, k in sorted(found)}  # fmt: skip


def plot_accuracy(panels, path):
    """Draw accuracy over epochs: for each title its lines, and for each line's name its style and its rows."""
    figure, axes = ms.plot.figure(1, len(panels), size=(1 + 5 * len(panels), 4.6), sharey=True, squeeze=False)
    for panel, (name, lines) in zip(axes[0], panels.items(), strict=True):
        epochs = min(len(members[0]["accuracy"]) for _, members in lines.values())
        for label, (style, members) in lines.items():
            ms.plot.band(panel, [row["accuracy"][:epochs] for row in members], style, label)
        panel.axhspan(share[0], share[-1], color="0.85", linewidth=0)
        panel.set(xlim=(0.5, epochs + 0.5), ylim=(0, 100), title=name)
        ms.plot.epochs(panel)
        ms.plot.name_lines(panel)
    axes[0, 0].set_ylabel("test accuracy (%)")
    axes[0, 0].text(1, 1, "grey: one answer to all images", color="0.35", size=11)
    figure.supxlabel("p: density of synapses; g: gain of activity per time step", size=11)
    ms.plot.save(figure, path, alt="Test accuracy over epochs. " + "; ".join(panels).replace("\n", ", ") + ".")


def plot_gradients(early, path):
    """Draw which share of the gradients in epochs 2 to 5 is larger than a size; what is 0 is larger than none."""
    figure, axes = ms.plot.figure(size=(7, 4.6))
    for p, found in early.items():  # (seeds, epochs, median and shares of 0 and of decades)
        above = 100 * found[..., :1:-1].mean(axis=1).cumsum(axis=1)
        ms.plot.band(axes, above, ms.plot.of_density(p), f"p = {p:g}", x=10.0 ** DECADES[-2::-1])
    title = f"{100 * early[1.0][..., 1].mean():.0f} % of the gradients of dense networks are exactly 0"
    axes.set(xscale="log", xlim=(10, 1e-12), ylim=(0, 100), xlabel="size x, epochs 2 to 5", ylabel="dL/dW above x (%)")
    axes.set_title(title)
    ms.plot.name_lines(axes)
    ms.plot.save(figure, path, alt=f"Share of the gradients above a size, by density: {title}.")


pictures = {
    "dale": by_fraction("6B", "6F"), **{part: by_fraction(part) for part in ("clamp", "step", "S5C")},
    "memory": {
        f"Dense{shows.get('memory', '')}": by_density("6B", density=1.0) | special("reset") | special("clipped"),
        f"Sparse{shows.get('implanted', '')}": by_density("6B", density=0.1) | special("implanted")},
    "S5B": {f"Dense from a sparse start{shows.get('S5B', '')}": by_density("6B") | special("sparse start")},
    "long": {f"Dense{shows.get('long', '')}": by_density("long")}}  # fmt: skip
drawn = []


def draw(name, part=None, plot=plot_accuracy):
    """Draw one of the figures if its cells were run."""
    if (part or name) in {*figures, "dale"} and pictures.get(name, early):
        plot(pictures.get(name, early), args.out / f"{name}.png")
        drawn.append(name)


draw("dale")

# %%
# Three things do *not* cause the wait. Not the constraint: networks whose signs are only initialised, and free
# afterwards, wait, too (``--figure clamp``).

draw("clamp")

# %%
# Not the small learning step of a small network (``--figure step``). Here the recurrent weights learn 10,000 / N times
# as fast, so that a step of Adam moves the gain by as much as it does in the paper's networks: dense networks wait, and
# half inhibitory ones do not. (They learn less well then, and sparse ones better.)

draw("step")

# %%
# And not a gain above 1 by itself. The dense networks of the two controls *reset* and *clipped* learn although theirs
# stays far above 1, to the end (column *after* of the table, with ``--figure memory``). What they lack is the memory of
# the *first few gradients*, which carry the factor :math:`g^{T-2}`. Adam squares them into :math:`v`. Within a few
# steps the activity has collapsed and the gradient is small again, but until :math:`v` has faded, :math:`\sqrt v`
# divides every step by a gradient that is long gone.
#
# The memory is *necessary*: wipe both moments once, or never let a long gradient in, and the wait ends (left). It is
# *sufficient*: implanted into a sparse network, whose gain never exceeded 1, it keeps that network at chance too, for
# as long as was trained here (right). That network's weights hardly move, so it goes on to answer much as it did
# untrained: at random, and that can be below the grey band, which is for networks that give one and the same answer.

draw("memory")

# %%
# Most gradients of the dense network are exactly 0 in these epochs, not just small: most of its neurons are silent
# (``--figure 6E``).

draw("gradients", "6E", plot_gradients)

# %%
# So the chain has five links: sign statistics, gain, explosion, Adam's memory, wait. Sparsity, balanced signs and
# strong inhibition cut it at the second link, clipping and wiping at the fourth. With inhibition ten times as strong
# the gain is below -1, and nothing explodes, as said above (``--figure S5C``):

draw("S5C")

# %%
# As long as :math:`v` is finite the memory also fades, and then the wait is over: ``--figure long`` trains the dense
# network ten times as long. It starts to learn after some thousands of steps, a few of the times in which :math:`v` is
# forgotten. On digits that is hundreds of epochs; of MNIST's epochs, with 600 steps each, it would be several. (The 30
# epochs of the default run are 450 steps: less than *one* epoch of the paper's.) So "never" in the table means: not in
# the epochs of this run. All of this was shown for 300 neurons and eight time steps; at the paper's size it is a
# prediction.

draw("long")

# %%
# Two statements do not show here. A dense network that starts sparse is *ahead* of the sparse one at epoch 10 (S5B:
# behind), and with the signs free, more negative weights turn positive than the reverse (S5A says the opposite). Both
# are about what happens after many more steps, or in networks thirty times as large; nothing is explained away by that.

draw("S5B")

# %%
# What the published code does differently
# ----------------------------------------
# * Its clamp edits a matrix that the next forward pass rebuilds from the trained parameter, so the signs are never
#   enforced: that is ``--clamp init_only`` here. Which of the two made the paper's figures is not known.
# * It draws the inhibitory neurons *with* replacement: 10.9 % instead of 11.5 %, 39 % instead of 50 %
#   (``dale_signs(..., replacement=True)``).
# * Early stopping and the reported accuracy both use the test set. So does the final accuracy here: compare, but do
#   not quote it as generalisation.
#
# Exercises
# ---------
# They are in ``chapters/exercises/dale.md``, with hints and solutions.
# ``python -m minisparse.lab exercise dale 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``minisparse/rnn.py`` (the passes), ``minisparse/dale.py`` (the clamp), ``tests/test_rnn.py`` (how they are checked).

suffix = "" if figures == {*FIGURES} else "-" + "-".join(name for name in FIGURES if name in figures)
suffix += f"-{args.dataset}-{args.nodes}" if args.dataset != "digits" else ""
suffix += f"-f{args.fraction:g}-gain{args.inhibition_gain:g}" * turned + "-published" * (args.inhibitory != "exact")
lab.finish(args, "dale", claims + lab.claims.planned("dale"), [f"{name}.png" for name in (*drawn, "unrolled")], suffix)
