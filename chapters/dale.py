"""
Dale's principle and the gain of a recurrent network
====================================================

A cortical neuron either excites all its targets or inhibits them all (Dale's principle). Fruengel and Oberlaender
(*Sparse connectivity enables efficient information processing in cortex-like artificial neural networks*, 2025) train
recurrent networks with 11.5 % inhibitory neurons and find that dense ones stay at chance for tens of epochs, while
networks with a tenth of the synapses start to learn at once.

This chapter derives the gradient, checks it, shows the effect in under a minute with 300 neurons instead of 10,000,
and asks for its cause: the constraint on the signs, the signs the network starts with, or something else?
"""

# %%
# The claim, in one figure
# ------------------------
# The run below ends with ``out/dale/dale.png``: test accuracy over epochs, per density. A table with
# the numbers is printed as well. Two knobs turn the effect live: ``--fraction 0.5`` and ``--inhibition-gain 10``.
#
# The trick that makes it small is a *gain-matched replica*. One time step multiplies a uniform activity by
# :math:`g = p N \tfrac{w_{max}}{2} (1 - 2f)`, with density :math:`p`, :math:`N` neurons, initial weights up to
# :math:`w_{max}` and inhibitory fraction :math:`f` (derived below). The paper has :math:`N = 10\,000` and
# :math:`w_{max} = 0.001`. With :math:`w_{max} = 10 / N` every :math:`N` has the same gain: 3.85 dense, 0.39 at
# :math:`p = 0.1`.

import itertools
import math

import numpy as np

import minisparse as ms
from minisparse import lab
from minisparse.errors import InputError
from minisparse.gradcheck import sight
from minisparse.lab import recipes

CHANCE, LEFT_CHANCE = 15.0, 20.0  # percent: at or below is chance; above is learning


def knobs(flag):
    kinds = {"choices": ("exact", "published_draw"), "default": "exact"}
    clamps = {"choices": ("enforced", "init_only", "both"), "default": "both"}
    flag("--fraction", type=float, default=0.115, help="share of inhibitory neurons, 0 to 1")
    flag("--inhibitory", help="draw exactly that share, or with replacement as published", **kinds)
    flag("--inhibition-gain", type=float, default=1.0, help="initial strength of inhibition over excitation")
    flag("--clamp", help="are signs kept after each step?", **clamps)


STORY = [1.0, 0.5, 0.1]
args = lab.chapter(
    "dale",
    __doc__ or "Dale's principle and the gain of a recurrent network",
    {"nodes": 300, "density": STORY, "epochs": 30, "seeds": 2, "time": "under a minute"},
    smoke={"nodes": 60, "epochs": 2, "seeds": 1, "time": "under 10 s"},
    paper={"dataset": "mnist", "nodes": 10_000, "epochs": 40, "seeds": 10, "time": "days on two cores; use a GPU"},
    add=knobs,
)
if args.inhibition_gain <= 0:
    raise InputError(f"--inhibition-gain must be above 0, got {args.inhibition_gain:g}")

# %%
# Forward
# -------
# The network reads an image row by row: at step :math:`t = 0, \dots, T-1` it sees row :math:`x_t`, and after the last
# row it answers. (Steps count from 0, as the arrays do.) Activity is (units, batch), one column per example; weights
# are (post, pre), so row :math:`i` of :math:`W` is what neuron :math:`i` receives.
#
# .. math::
#
#    a_t = W_{in} x_t + b_{in} + W h_t + b_{rec}, \qquad h_{t+1} = \varphi(a_t), \qquad h_0 = 0, \qquad
#    z = W_{out} h_T + b_{out}

FORWARD = ("R1", "R14", "R2", "R15", "R3", "L1")
for tag in FORWARD:
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
# :math:`M` is the mask of existing synapses: an absent synapse has no gradient. The sum over :math:`t` starts at 1
# because :math:`h_0 = 0`. ReLU's slope at 0 is taken as 0. The cache holds the states :math:`h_t` and no :math:`a_t`,
# because both slopes can be read from the value: :math:`1[h > 0]` and :math:`1 - h^2`. (``kept`` is that value; an
# activation whose slope needs its argument keeps :math:`a_t`.)
#
# **5. The code.** These lines are read from the library by their tags:

BACKWARD = ("R4", "R5", "R16", "R6", "R13", "R7", "N1", "R8", "R9", "R10", "R11", "D1", "R12")
for tag in BACKWARD:
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
# random cotangent; off the pattern the gradient must be exactly 0.

rng = np.random.default_rng(7)
pattern = ms.bernoulli(7, 7, 0.5, rng)
reports = {}
for storage in ("dense", "csr"):
    for activation in ("relu", "tanh"):
        tiny = ms.RNN(2, ms.make_weights(pattern, storage), 4, activation)
        tiny_params = tiny.init(np.random.default_rng(1), dtype=np.float64, w_max=0.8)
        x, labels = ms.asarray(np.random.default_rng(2).standard_normal((5, 2, 3))), ms.asarray(np.array([0, 3, 1]))
        reports[storage, activation] = ms.check(tiny, tiny_params, x, labels)
print("\ngradient check, relu, dense storage")
print(reports["dense", "relu"])
for (storage, activation), report in reports.items():
    worst = max(row.error for row in report.rows)
    print(f"  {storage:5s} {activation:4s} worst error {worst:.0e}: {'agrees' if report.ok else 'DISAGREES'}")
    report.assert_ok()

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
# A run is a cell: its settings, its curve and what made it are one row of ``rows.jsonl``.

dataset = ms.load(args.dataset, root=args.data_dir)
n_in = dataset.sample_shape[1]


EXTRA = {"plain": "", "reset": ", Adam reset", "clipped": ", clipped", "implanted": ", implanted v",
         "sparse start": ", 90 % start at 0"}  # fmt: skip


def title(config):
    """Name a setting in a few words."""
    strength = f" x{config['inhibition_gain']:g}" if config["inhibition_gain"] != 1 else ""
    if config["clamp"] == "free":
        return f"p = {config['density']:g}, both signs"
    return f"p = {config['density']:g}, {100 * config['inhibitory']:g} % inhibitory{strength}{EXTRA[config['adam']]}"


DECADES = np.arange(-12, 13)


class Gradients:
    """Keep, after each epoch, how large the last batch's gradient of the recurrent weights was."""

    def __init__(self):
        self.state = {}

    def __call__(self, run):
        size = abs(ms.to_numpy(run.model.weights["W_rec"].values(run.grads["W_rec"])).astype(float))
        counts = np.histogram(size, 10.0**DECADES)[0]
        found = np.array([[np.median(size), (size == 0).mean(), *counts / size.size]])
        self.state["sizes"] = np.concatenate([ms.to_numpy(self.state.get("sizes", found[:0])), found])


class ClippedAdam(ms.Adam):
    """Adam that never sees a gradient longer than 1 (all parameters together)."""

    def step(self, params, grads):
        length = sum(float((grad * grad).sum(dtype=float)) for grad in grads.values()) ** 0.5
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
        w_max=1e-3 if config["clamp"] == "free" else 10 / n,  # without signs there is no gain to match
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
    model, params = net.model, net.params
    weights, opt = model.weights["W_rec"], (ClippedAdam if config["adam"] == "clipped" else ms.Adam)(lr=1e-3)
    n, p, f, k = (config[name] for name in ("nodes", "density", "inhibitory", "inhibition_gain"))
    if config["adam"] == "implanted":
        implant_dense_memory(opt, weights, config)

    if config["adam"] == "sparse start":
        kept = ms.bernoulli(n, n, 0.1, recipes.streams(config["seed"], 5)[4]).mask()
        params["W_rec"] = weights.pack(weights.unpack(params["W_rec"]) * ms.asarray(kept))
    signs = np.ones((config["nodes"], 1)) if net.strengths is None else net.strengths
    w = model.weight(params)
    gains = ms.forward_gain(weights, w), ms.backward_gain(weights, w, signs)
    start, gradients = ms.to_numpy(weights.values(params["W_rec"])).copy(), Gradients()

    history = ms.fit(
        model, params, opt, dataset, config["epochs"], net.rng, after_step=[*args.hooks, *net.after_step],
        after_epoch=[gradients, *([reset_after_first_epoch] if config["adam"] == "reset" else [])],
        checkpoint=checkpoint, resume=args.resume,
        label=f"{title(config)}, {config['clamp']}, seed {config['seed']}", quiet=args.dataset == "digits",
    )  # fmt: skip
    accuracy = [row["test_accuracy"] for row in history[1:]]
    return {
        "origin": dataset.origin,
        "storage_used": weights.storage,
        "predicted_gain": ms.predicted_gain(n, p, 10 / n, f, k) if net.dale else 0.0,
        "forward_gain": gains[0],
        "backward_gain": gains[1],
        "gain_after": ms.forward_gain(weights, model.weight(params)),
        "violations": net.dale.violations(model, params) if net.dale else 0,
        "gradients": [[float(f"{x:.4g}") for x in epoch] for epoch in ms.to_numpy(gradients.state["sizes"])],
        "sign_changes": ms.sign_changes(start, weights.values(params["W_rec"])),
        "delay": ms.training_delay(accuracy, LEFT_CHANCE),
        "accuracy": accuracy,
        "train_loss": [row["train_loss"] for row in history[1:]],
        "seconds": sum(row["seconds"] for row in history),
    }


# %%
# Three parts, one list of cells: densities, cures of the dense network, and controls of the optimiser's memory. If you
# choose a density or turn a knob, only your own setting is run.

clamps = ("enforced", "init_only") if args.clamp == "both" else (args.clamp,)
base = {"inhibitory": args.fraction, "draw": args.inhibitory, "inhibition_gain": args.inhibition_gain}
base |= {"epochs": args.epochs, "adam": "plain"}
story = args.density == STORY and (args.fraction, args.inhibition_gain) == (0.115, 1.0)
parts = [("densities", density, clamp, base) for density in args.density for clamp in clamps]
if story:
    short = {**base, "epochs": max(1, args.epochs // 2)}
    for cure in ({"inhibitory": 0.5}, {"inhibition_gain": 10.0}):
        parts += [("cures", 1.0, clamp, {**short, **cure}) for clamp in clamps]
    controls = {"reset": 1.0, "clipped": 1.0, "implanted": 0.1}
    parts += [("memory", p, clamps[0], {**short, "adam": adam}) for adam, p in controls.items()]
    parts += [("sparse start", 1.0, clamps[0], {**short, "adam": "sparse start"}), ("free", 0.1, "free", short)]

common = {"dataset": args.dataset, "nodes": args.nodes, "storage": args.storage}
cells = [
    {"part": part, "config": {**common, "density": density, "clamp": clamp, "seed": seed, **settings}}
    for part, density, clamp, settings in parts
    for seed in range(args.seeds)
]
configs = [cell["config"] for cell in cells]
for config in configs:
    lab.cost.preflight(config["nodes"], config["density"], config["storage"])
if not args.smoke:
    lab.confirm(args, lab.cost.estimate(dataset, configs))


def line(row):
    c = row["config"]
    after = f"{row['accuracy'][-1]:.1f} % after {c['epochs']} epochs"
    return f"{title(c)}, {c['clamp']}, seed {c['seed']}: {after}"


rows = lab.cells(args, "dale", cells, run_cell, line)

# %%
# The table. A delay is the first epoch above 20 % test accuracy, minus 1; chance is at most 15 %. (A network that gives
# one answer to everything is right as often as that class occurs: it may well lie below 10 %.)


def pick(rows, *parts, **wanted):
    """The rows of some parts, of the settings that are named."""
    return [row for row in rows if row["part"] in parts and row["config"].items() >= wanted.items()]


def listed(delays):
    return ", ".join("never" if delay in (None, math.inf) else str(delay) for delay in delays)


columns = f"{'gain: law':>10s}{'forward':>9s}{'backward':>9s}  {'delay':12s}{'accuracy %':>13s}{'epochs':>7s}"
print(f"\n{'setting':42s}{'signs':11s}{columns}")
for group in lab.rows.seeds(rows):
    row, config = group[0], group[0]["config"]
    forward, backward = (np.mean([row[key] for row in group]) for key in ("forward_gain", "backward_gain"))
    delays, last = listed(row["delay"] for row in group), lab.claims.spread([row["accuracy"][-1] for row in group])
    start = f"{title(config):42s}{config['clamp']:11s}{row['predicted_gain']:10.2f}{forward:9.2f}{backward:9.2f}"
    print(f"{start}  {delays:12s}{last:>13s}{config['epochs']:7d}")

# %%
# The figures
# -----------
# They are drawn from the rows alone.


def plot_accuracy(rows, path, chance=10.0):
    """Draw test accuracy over epochs, by density and, where they were run, of cures and controls."""
    c = rows[0]["config"]
    rows = pick(rows, "densities", "cures", "memory", clamp=c["clamp"])
    shown = lab.rows.seeds(rows)
    delays = {p: [row["delay"] for row in pick(rows, "densities", density=p)] for p in (1.0, 0.1)}
    shows = set(delays[1.0]) == {None} and None not in delays[0.1]
    first = "Dense networks stay at chance, sparse ones learn" if shows else "Test accuracy by density"
    second = "Balanced signs, strong inhibition or a reset of Adam\nend the wait; its memory, implanted, brings it back"
    parts = {f"{first}\n({c['nodes']} neurons, {c['dataset']}, signs {c['clamp']})": ("densities",)}
    parts[second if shows else "Cures, and controls of Adam's memory"] = ("cures", "memory")
    panels = {name: [g for g in shown if g[0]["part"] in of] for name, of in parts.items() if pick(rows, *of)}
    figure, axes = ms.plot.figure(1, len(panels), size=(3.2 + 3.2 * len(panels), 5.2), sharey=True, squeeze=False)
    for panel, (name, groups) in zip(axes[0], panels.items(), strict=True):
        for style, group in zip(itertools.cycle(ms.plot.LINES), groups, strict=False):
            label = f"{title(group[0]['config'])}  (gain {group[0]['predicted_gain']:.2f})"
            ms.plot.band(panel, [row["accuracy"] for row in group], style, label)
        panel.axhline(chance, color="0.5", linewidth=0.8, linestyle=":", label="chance")
        panel.set(xlabel="epoch", xlim=(0, len(groups[-1][0]["accuracy"]) + 0.5), ylim=(0, 100))
        panel.set_title(name, loc="left", size=10)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, frameon=False)
    axes[0, 0].set(ylabel="test accuracy (%)")
    figure.supxlabel("p: share of the possible synapses that exist; gain: growth of activity per time step", size=9)
    ends = {title(group[0]["config"]): np.mean([row["accuracy"][-1] for row in group]) for group in shown}
    finding = "; ".join(f"{name}: {end:.0f} %" for name, end in ends.items())
    alt = f"Test accuracy over epochs of networks with Dale's principle. Mean final accuracy: {finding}."
    ms.plot.save(figure, path, alt=alt)


def plot_gradients(rows, path):
    """Draw how large the gradients are over the epochs, and the accuracy of a dense network that starts sparse."""
    figure, (sizes, counts, starts) = ms.plot.figure(1, 3, size=(12.6, 4.0))
    clamp, epochs = (rows[0]["config"][key] for key in ("clamp", "epochs"))
    names = {("densities", 1.0): "dense", ("densities", 0.1): "sparse", ("sparse start", 1.0): "dense, 90 % start at 0"}
    for style, ((part, p), name) in zip(ms.plot.LINES, names.items(), strict=False):
        members = pick(rows, part, density=p, clamp=clamp)
        curve = np.mean([row["accuracy"] for row in members], axis=0)
        starts.plot(range(1, len(curve) + 1), curve, label=name, markevery=max(1, len(curve) // 8), **style)
        if part == "densities":
            found = np.array([row["gradients"] for row in members])  # (seeds, epochs, median and zeros and shares)
            median = np.maximum(np.median(found[..., 0], axis=0), 1e-14)
            sizes.plot(range(1, len(median) + 1), median, label=f"p = {p:g}", **style)
            moments = sorted({1, 2, 5, epochs} & set(range(1, epochs + 1)))
            for moment, width in zip(moments, (2.4, 1.8, 1.2, 0.6), strict=False):
                look = {**{k: style[k] for k in ("color", "linestyle")}, "label": f"p = {p:g}, epoch {moment}"}
                counts.stairs(found[:, moment - 1, 2:].mean(0), 10.0**DECADES, linewidth=width, **look)
    sizes.set(title="6E: median of |dL/dW| (below 1e-14, 0: at 1e-14)", xlabel="epoch", yscale="log")
    counts.set(title="6E: |dL/dW| after an epoch", ylabel="share (the rest is exactly 0)", xscale="log")
    counts.set(xlabel="|dL/dW| (1 / weight)")
    starts.set(title="S5B: sparse to dense", xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 100))
    for panel in (sizes, counts, starts):
        panel.legend(fontsize=8)
    ms.plot.save(figure, path, alt="Size of the gradients over epochs, and the accuracy from a sparse start.")


plot_accuracy(rows, args.out / "dale.png", 100 / dataset.n_classes)
if story:
    plot_gradients(rows, args.out / "gradients.png")

# %%
# What comes out, and what the paper says
# ---------------------------------------
# The verdicts are computed from the rows. "Tens of epochs" reads at least 10; "no delay" reads at most 1 on digits,
# because an epoch of digits has 15 steps where one of MNIST has 600, and 0 elsewhere. At the default size a verdict can
# at best read REPRODUCED AT REDUCED SIZE.

NO_DELAY = 1 if args.dataset == "digits" else 0
setting = f"{args.nodes} neurons, {args.dataset}, {args.epochs} epochs, {args.seeds} seeds, signs "
claims = lab.Judged(setting + clamps[0], full=args.dataset == "mnist" and args.nodes == 10_000)


def waits(*parts, **wanted):
    return [math.inf if row["delay"] is None else row["delay"] for row in pick(rows, *parts, **wanted)]


def judge_delays(panel, claim, clamp, *questions):
    """Print and keep a panel's status: each question is (delays found, whether they are as the paper has them)."""
    delays = f"delays {'; '.join(listed(found) for found, _ in questions)}"
    numbers = {f"delay {k} seed {i}": min(d, 1e6) for k, (f, _) in enumerate(questions) for i, d in enumerate(f)}
    holds = all(answer for _, answer in questions)
    claims.judge(panel, f"{claim} ({clamp})", numbers, holds, note=delays, setting=setting + clamp)


if story and not args.smoke:
    print("\nthe paper's panels, signs enforced and only initialised (delay in epochs, one per run)")
    for clamp in clamps:
        dense, sparse = (waits("densities", density=p, clamp=clamp) for p in (1.0, 0.1))
        late, soon = (dense, min(dense) >= 10 and args.epochs > 10), (sparse, max(sparse) <= NO_DELAY)
        judge_delays("6B", "dense near chance for tens of epochs, p = 0.1 not", clamp, late, soon)
        half, strong = waits("cures", inhibitory=0.5, clamp=clamp), waits("cures", inhibition_gain=10.0, clamp=clamp)
        judge_delays("6F", "50 % inhibitory: no delay, here at p = 1", clamp, (half, max(half) <= NO_DELAY))
        judge_delays("S5C", "10x initial inhibition: no delay, here at p = 1", clamp, (strong, max(strong) <= NO_DELAY))
    plain = {p: pick(rows, "densities", density=p, clamp=clamps[0]) for p in (1.0, 0.1)}
    early = {p: np.array([row["gradients"][1:5] for row in found])[..., :2] for p, found in plain.items()}
    medians = {p: np.median(found[..., 0], axis=1).tolist() for p, found in early.items()}
    found = "; ".join(
        f"p = {p:g}: {', '.join(f'{m:.2g}' for m in values)} ({100 * early[p][..., 1].mean():.0f} % are exactly 0)"
        for p, values in medians.items()
    )
    numbers = {f"p = {p:g}, seed {k}": m for p, values in medians.items() for k, m in enumerate(values)}
    smaller = all(10 * dense <= sparse > 0 for dense, sparse in zip(*medians.values(), strict=True))
    claim = "median gradient in epochs 2 to 5: at least 10 times smaller if dense"
    claims.judge("6E", claim, numbers, smaller, note=found)
    freed = [row["sign_changes"] for row in pick(rows, "free", density=0.1)]
    turned = [(c["positive_to_negative"] / c["positive"], c["negative_to_positive"] / c["negative"]) for c in freed]
    found = "; ".join(f"{100 * down:.1f} % down, {100 * up:.1f} % up" for down, up in turned)
    claim = "more positive weights turn negative than the reverse, p = 0.1"
    claims.judge("S5A", claim, {}, all(down > up for down, up in turned), note=found, setting=setting + "free")
    begun, tenth = waits("sparse start"), min(10, short["epochs"]) - 1
    both = (pick(rows, "sparse start", density=1.0, clamp=clamps[0]), plain[0.1])
    ours, sparse = (np.mean([row["accuracy"][tenth] for row in found]) for found in both)
    found = f"delays {listed(begun)}; {ours:.1f} and {sparse:.1f} % at epoch {tenth + 1}"
    claim = "sparse to dense: no delay, but behind the sparse network at epoch 10"
    claims.judge("S5B", claim, {}, max(begun) <= NO_DELAY and ours < sparse, note=found)
    print(f"controls that the paper lacks, signs {clamps[0]}")
    for group in [plain[1.0], *lab.rows.seeds(pick(rows, "memory"))]:
        print(f"  {title(group[0]['config'])}: delays {listed(row['delay'] for row in group)}")

knobs_turned = {"6F": "50 % inhibitory"} if args.fraction == 0.5 else {}
knobs_turned |= {"S5C": "10x initial inhibition"} if args.inhibition_gain == 10 else {}
for (panel, what), clamp in itertools.product(() if args.smoke else knobs_turned.items(), clamps):
    found, chosen = waits("densities", clamp=clamp), ", ".join(f"{p:g}" for p in args.density)
    claim = f"{what}, {args.inhibitory.replace('_', ' ')}: no delay at p = {chosen}"
    judge_delays(panel, claim, clamp, (found, max(found) <= NO_DELAY))

# %%
# Two things do *not* cause the delay. Not the constraint: networks whose signs are only initialised, and free
# afterwards, wait as long. And not a gain above 1 as such: the dense networks of the first two controls learn while
# theirs is far above 1 (``gain_after`` in the rows). What they lack is the memory of the *first few gradients*. Each
# term of :math:`dW = \sum_t da_t h_t^\top` has grown by :math:`g^{t}` on its way forward and by :math:`g^{T-1-t}`
# on its way back, together :math:`g^{T-1}` whatever :math:`t`. Adam squares that into :math:`v`, which it forgets only
# over :math:`1/(1-\beta_2) = 1000` steps. Within a few steps the activity has collapsed and the gradient is small
# again, but until :math:`v` has faded, :math:`\sqrt v` divides every step by a gradient that is long gone.
#
# The memory is *necessary*: wipe both moments once, or never let a long gradient in, and the wait ends. It is
# *sufficient*: implanted into a sparse network, whose gain never exceeded 1, it keeps that network at chance too, for
# as long as was trained here. (Most gradients of the dense network are exactly 0 in these epochs, not just small: most
# of its neurons are silent.) So the chain reads: sign
# statistics, gain, explosion, Adam's memory, delay. Sparsity, balanced signs and strong inhibition cut it at the second
# link, clipping and wiping at the fourth. This was shown for 300 neurons and eight time steps; at the paper's size it
# is a prediction.
#
# Two statements do not show here. With the signs free, more negative weights turn positive than the reverse (S5A says
# the opposite), and a dense network that starts sparse is *ahead* of the sparse one at epoch 10 (S5B: behind). Both
# are about what happens after many more epochs, or in networks thirty times as large; nothing is explained away by
# that. And a dense network that is "at chance" here does not move any more at the end of the run. Whether it would come
# back in the paper's time is not shown: "delay" is the paper's word, "never" what the table says.
#
# What each check sees
# --------------------
# The mistakes below are classic; each is planted in the library's own source, one line exchanged, and then checked. A
# cotangent of ones and a random one compare existing synapses only; *exact zeros* also asks for +0 off the pattern;
# *two steps* takes two training steps and compares them with Adam's closed form and the clamp. ``chapters/checks.py``
# explains why.

seen = sight.what_each_check_sees()
print(f"\n{'mistake':30s}{'line':6s}" + "".join(f"{check:>13s}" for check in sight.CHECKS))
for row in seen:
    answers = "".join(f"{'caught' if row[check] else 'missed':>13s}" for check in sight.CHECKS)
    print(f"{row['code']:30s}({row['tag']}){'':{4 - len(row['tag'])}s}{answers}")
caught = "".join(f"{sum(row[check] for row in seen):>10d}/{len(seen)}" for check in sight.CHECKS)
print(f"{'caught':36s}{caught}")

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
# 1. ``--density 0.26``: the law puts the gain at 1. Is there a delay?
# 2. By hand: why does the second recurrent bias change the training but not what the network can compute?
# 3. Replace :math:`\beta_2 = 0.999` by 0.9 in ``run_cell``. Predict the delay first. Why is it not 0?
# 4. Wipe only :math:`v`, or only :math:`m`, in ``reset_after_first_epoch``. One of the two makes things worse: which?
# 5. The delay at :math:`N = 10\,000` and :math:`T = 28` starts from gradients near :math:`10^{10}`. How many steps does
#    :math:`\sqrt v` need to fall to :math:`10^{-3}`, and how many epochs of 600 steps is that?
#
# Read next
# ---------
# ``minisparse/rnn.py`` (the passes), ``minisparse/dale.py`` (the clamp), ``tests/test_rnn.py`` (how they are checked).

NOT_RUN = lab.claims.planned("dale", """
6B | N = 10,000: dense waits at least 10 epochs, p = 0.1 does not; signs enforced and only initialised | no
    number
    $ gpu --seeds 3
6E | N = 10,000, epochs 2 to 5: the median gradient is at least 10 times smaller if dense | no number
    $ gpu --seeds 3
6F | N = 10,000, exactly 50 % inhibitory: no delay at any p | 0
    $ gpu --fraction 0.5 --seeds 3
6F | N = 10,000, 50 % drawn as published (39.3 %): no delay at any p | 0
    $ gpu --fraction 0.5 --inhibitory published_draw --seeds 3
S5A | N = 10,000: positive weights turn negative more often than the reverse | no number
    $ gpu --seeds 3
S5B | N = 10,000, sparse to dense: no delay, but behind the sparse network at epoch 10 | no number
    $ gpu --seeds 3
S5C | N = 10,000, 10x initial inhibition: no delay at any p | 0
    $ gpu --inhibition-gain 10 --seeds 3
""")  # fmt: skip
changed = {"f": (args.fraction, 0.115), "gain": (args.inhibition_gain, 1.0)}
suffix = f"-{args.dataset}-{args.nodes}" if args.dataset != "digits" else ""
suffix += "".join(f"-{knob}{value:g}" for knob, (value, usual) in changed.items() if value != usual)
suffix += "-published" if args.inhibitory != "exact" else ""
lab.finish(args, "dale", claims + NOT_RUN, ["dale.png", "unrolled.png", *(["gradients.png"] if story else [])], suffix)
