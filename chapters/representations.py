"""
What the neurons hold: activity, information and redundancy
===========================================================

After training, the last hidden state of a recurrent network is what its answer is read from. Fruengel and Oberlaender
(*Sparse connectivity enables efficient information processing in cortex-like artificial neural networks*, 2025,
Figure 5) compare these states in dense and sparse networks: how many neurons are active, how large their values are,
how much two neurons know of each other, and how many can be silenced before the answer suffers.

**The number**: the gain step :math:`\\eta p N`. The gain is the factor by which one time step multiplies the
activity, :math:`\\eta` the learning rate, :math:`N` the number of neurons and :math:`p` the density, the share of the
possible synapses that exist. One step of Adam moves each of the :math:`pN` weights of a neuron by up to
:math:`\\eta`, and so the gain by up to :math:`\\eta p N` (``chapters/sparse_rnn.py``). In the paper's networks of
10,000 it is 10 for a dense one and 1 at p = 0.1. Here 200 neurons stand for those 10,000, with the same gain steps, and
learn 8 x 8 digits for as many steps as the paper's learn MNIST in its one epoch.

**What comes out.** In the sparse network more neurons are active, and the mean information that two neurons share is
larger, as in the paper. But two *live* neurons share as much in both: here the whole difference is made by neurons that
are dead, 0 for every image. (With 1,000 neurons on MNIST, a longer run, live ones share more in the sparse network,
too.) And the control, both densities at each other's gain step, shows that the step decides how many neurons stay
active. The density does little.
"""

# %%
# The claim, in two figures
# -------------------------
# ``out/representations/5.png`` shows active shares, values, mutual information and silenced neurons of dense and sparse
# networks, each with its own gain step. Lines are means, and a band reaches from the lowest to the highest seed.
# ``control.png`` has the active share and the information over the gain step.

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import math
import statistics

import numpy as np
from scipy.stats import ks_2samp

import minisparse as ms
from minisparse import lab
from minisparse.errors import InputError
from minisparse.lab import recipes

SHARES = [round(0.1 * k, 1) for k in range(10)]
EDGES = np.geomspace(1e-4, 1e4, 33)
RATE = 1e-3  # of Adam, as in the paper


def measures(flag):
    flag("--equals", type=int, help="neurons that --nodes stand for; 0: themselves (default: 10,000 on digits, else 0)")
    flag(
        "--steps", nargs="*", type=float, default=[3.0], help="more gain steps for every density, where nodes stand in"
    )
    flag("--pairs", type=int, default=200, help="pairs of neurons for the mutual information")
    flag("--activation", choices=("relu", "tanh"), default="relu", help="nonlinearity")


args = lab.chapter(
    "representations",
    __doc__ or "What the neurons hold",
    {"nodes": 200, "density": [1.0, 0.1], "epochs": 40, "seeds": None, "time": "a minute"},
    smoke={"nodes": 20, "epochs": 1, "seeds": 1, "pairs": 5, "steps": [], "time": "under 10 s"},
    paper={"dataset": "mnist", "nodes": 10_000, "epochs": 1, "seeds": 10, "pairs": 10_000, "time": "a day; use a GPU"},
    add=measures,
)
args.equals = 10_000 * (args.dataset == "digits") if args.equals is None else args.equals
args.seeds = args.seeds or (5 if args.equals else 3)
if args.equals % args.nodes:
    raise InputError(f"--equals must be a multiple of --nodes, or 0; got {args.equals} and {args.nodes}")

# %%
# The measures
# ------------
# Let :math:`h_{ib}` be the last state of neuron :math:`i` for test image :math:`b`, one of :math:`B`.
#
# * **Active share** of an image: the share of the neurons with :math:`h_{ib} \ne 0`. With tanh it is always 1.
# * **Mutual information** of two neurons: how much the activity of the one says about that of the other, in nats (a
#   nat is 1.44 bits). It is estimated from neighbours. An image is a point in the plane of the two activities, and
#   the distance of two points is the larger of their differences in the two. For each image take the distance to the
#   third nearest other one. Let :math:`k` images be nearer than that in the first activity alone, :math:`l` in the
#   second. If the neurons are independent, :math:`k` and :math:`l` are large. The estimate is
#
#   .. math::
#
#      I = \psi(B) + \psi(3) - \langle \psi(k + 1) + \psi(l + 1) \rangle ,
#
#   at least 0, with the mean over images in the brackets. (:math:`\psi` is the digamma function, nearly the
#   logarithm.) A neuron that is 0 for every image, a **dead** one, has :math:`I = 0` with all others. So dead neurons
#   pull a network's mean to 0, and the mean over live pairs is shown too.
# * **Silencing**: at the readout each neuron is kept with probability :math:`1 - q`, afresh for each image; the rest is
#   not rescaled. A larger :math:`q` silences all that a smaller one does. Each neuron here stands for fifty of the
#   paper's (below), and each of the fifty is silenced by itself.
# * **Gradient**: :math:`|\partial L / \partial W_{ij}|` of the recurrent synapses, for one batch after training (the
#   paper's is a mean over the first epoch).
#
# The networks
# ------------
# Each of :math:`n = 200` neurons stands for :math:`N/n = 50` equal ones (``Replica`` in
# ``minisparse/lab/recipes.py``). Recurrent weights and readout are then sums over fifty, and learn with
# :math:`\eta N / n`. The gain step of a neuron with :math:`p n` afferents (inputs from other neurons) is
# :math:`(\eta N / n) \, p n = \eta p N`, the paper's. For the control the rate of the recurrent weights alone is
# changed.


class Active:
    """Keeps the active share after each epoch."""

    def __init__(self, x, epochs):
        self.x, self.state = x, {"share": np.zeros(epochs)}

    def __call__(self, run):
        shares = ms.last_states(run.model, run.params, self.x, of=ms.active_share)
        self.state["share"][run.epoch - 1] = shares.mean()


def run_cell(config, checkpoint):
    """Train one network and measure its last states before and after."""
    data = recipes.dataset(config["dataset"], args.data_dir)
    nodes, density, rates, copies = config["nodes"], config["density"], {}, 1
    if "equals" in config:
        stands = recipes.replica_of(config["equals"], nodes)
        copies = int(stands.copies)
        rates = {**stands.rates(RATE), "W_rec": config["gain_step"] / (density * nodes)}
    net = recipes.recurrent(
        data, nodes, density, config["seed"], config["activation"], config["storage"], copies=copies
    )  # fmt: skip
    x, labels = data.to_backend().x_test, data.to_backend().y_test
    rng = recipes.streams(config["seed"], 5)[4]
    before, active = ms.last_states(net.model, net.params, x), Active(x, config["epochs"])
    history = ms.fit(
        net.model, net.params, ms.Adam(lr=RATE, rates=rates), data, config["epochs"], net.rng, after_step=args.hooks,
        after_epoch=[active], checkpoint=checkpoint, resume=args.resume, quiet=True,
    )  # fmt: skip
    h = ms.last_states(net.model, net.params, x)
    pairs = ms.random_pairs(len(h), config["pairs"], rng)
    information, constant = ms.mutual_information(h, pairs, rng)
    found = ms.dropout_accuracy(net.model, net.params, x, labels, SHARES, rng, copies=copies)
    x_batch, y_batch = next(ms.batches(data.to_backend().x_train, data.to_backend().y_train, 100))
    logits, cache = net.model.forward(net.params, x_batch)
    grads = net.model.backward(ms.softmax_cross_entropy(logits, y_batch)[1], cache)
    alive = ~constant[pairs].any(axis=1)
    values, weights = abs(h[h != 0]), net.model.weights["W_rec"]
    shares = [float(ms.active_share(before).mean()), *active.state["share"].tolist()]
    return {
        "origin": data.origin,
        "accuracy": [row["test_accuracy"] for row in history],
        "active": shares,
        "active_before": shares[0],
        "active_after": float(ms.active_share(h).mean()),
        "dead": int(constant.sum()),
        "forward_gain": ms.forward_gain(weights, net.model.weight(net.params)),
        "median_value": float(np.median(values)) if values.size else None,
        "histogram": (np.histogram(values, EDGES)[0] / max(1, values.size)).tolist(),
        "information": np.round(information, 6).tolist(),
        "information_alive": float(information[alive].mean()) if alive.any() else None,
        "silenced": np.asarray(found).tolist(),
        "gradient": ms.gradient_statistics(weights.values(grads["W_rec"]) / copies),
    }


def own(density, nodes=args.equals or args.nodes):
    """The gain step of a density at the paper's rate."""
    return round(ms.gain_step(RATE, density, nodes), 6)


def step(row):
    """The gain step of a row."""
    c = row["config"]
    return c.get("gain_step", own(c["density"], c["nodes"]))


def line(row):
    c = row["config"]
    found = f"{row['accuracy'][-1]:.1f} %, active {100 * row['active_after']:.0f} %, {row['dead']} dead"
    name = f"p = {c['density']:g}, step {step(row):g}, seed {c['seed']}"
    return f"{name}: {found}, {statistics.mean(row['information']):.3f} nats"


steps = sorted({*map(own, args.density), *args.steps}, reverse=True)
cells = [
    {
        "part": "cells",
        "config": {
            "dataset": args.dataset,
            "nodes": args.nodes,
            "density": density,
            "activation": args.activation,
            "epochs": args.epochs,
            "pairs": args.pairs,
            "storage": args.storage,
            "seed": seed,
            **({"equals": args.equals, "gain_step": size} if args.equals else {}),
        },
    }
    for density in args.density
    for size in (steps if args.equals else [own(density)])
    for seed in range(args.first_seed, args.first_seed + args.seeds)
]
lab.cost.preflight(args.nodes, max(args.density), args.storage)
if not args.smoke:
    configs = [cell["config"] for cell in cells]
    lab.confirm(args, lab.cost.estimate(recipes.dataset(args.dataset, args.data_dir), configs))
rows = lab.cells(args, "representations", cells, run_cell, line)
by_step = {(p, s): [row for row in rows if (row["config"]["density"], step(row)) == (p, s)]
           for p in args.density for s in steps}  # fmt: skip
by_density = {p: by_step[p, own(p)] for p in args.density}

# %%
# The figures
# -----------

decided = f"{args.nodes} neurons{f' for {args.equals}' if args.equals else ''}, {args.activation}, {args.dataset}"
decided += f", {args.epochs} epochs, {args.seeds} seeds"


def plot_states(rows, path):
    """Draw active shares, values, mutual information and the accuracy with silenced neurons, per density."""
    figure, panels = ms.plot.figure(2, 2, size=(10.5, 8.4))
    shares, values, information, silenced = panels.flat
    said, groups = {panel: [] for panel in panels.flat}, lab.rows.seeds(rows)
    pooled = [np.sort([x for row in members for x in row["information"]]) for members in groups]
    nats = np.linspace(0, max(np.quantile(found, 0.9) for found in pooled), 200)
    middle, tallest = np.sqrt(EDGES[1:] * EDGES[:-1]), []
    for members, known in zip(groups, pooled, strict=True):
        p = members[0]["config"]["density"]
        style, label = ms.plot.of_density(p), f"p = {p:g}"
        plain = {"color": style["color"], "linestyle": style["linestyle"], "linewidth": 2, "label": label}
        curves = [[100 * x for x in row.get("active", (row["active_before"], row["active_after"]))] for row in members]
        ms.plot.band(shares, curves, style, label, range(len(curves[0])))
        share = 100 * np.mean([row["histogram"] for row in members], axis=0)
        values.plot(middle, share, drawstyle="steps-mid", **plain)
        tallest.append((float(middle @ share), label, style["color"], np.flatnonzero(share >= share.max() / 2), share))
        information.plot(nats, 100 * np.searchsorted(known, nats, side="right") / len(known), **plain)
        ms.plot.band(silenced, [row["silenced"] for row in members], style, label, [100 * q for q in SHARES])
        medians = [row["median_value"] for row in members if row["median_value"]]
        lost = statistics.mean(row["silenced"][0] - row["silenced"][-1] for row in members)
        said[shares] += [f"{np.mean(curves, axis=0)[-1]:.0f} % at {label}"]
        said[values] += [f"{statistics.mean(medians):.2g} at {label}" if medians else f"none at {label}"]
        said[information] += [f"{known.mean():.2g} nats at {label}"]
        said[silenced] += [f"{lost:.1f} points at {label}"]
    for mean, label, color, high, share in tallest:  # the largest values to the right of their line, others to the left
        k, side, ha = (high[-1], 1, "left") if mean == max(tallest)[0] else (high[0], -1, "right")
        place = {"xytext": (12 * side, 6), "textcoords": "offset points", "ha": ha}
        values.annotate(label, (middle[k], share[k]), **place, color=color, size=11)
    heads = ("5B: neurons active after training", "5C: median value of the active ones", "5C: mutual information",
             "5E: with 90 % silenced at the readout, lost are")  # fmt: skip
    for panel, head in zip(panels.flat, heads, strict=True):
        panel.set_title(f"{head}\n{', '.join(said[panel])}", loc="left")
    shares.set(ylabel="active neurons (%)", ylim=(0, None))
    ms.plot.epochs(shares)
    values.set(xlabel="|h|, not 0", ylabel="share of them (%)", xscale="log", xlim=(1e-3, 1e2), ylim=(0, None))
    information.set(xlabel="nats", ylabel="pairs with less (%)", ylim=(0, 102))
    silenced.set(xlabel="silenced (%)", ylabel="test accuracy (%)", ylim=(None, 100))
    for panel in (shares, information, silenced):
        ms.plot.name_lines(panel)
    setting = "{nodes} neurons, {activation}, {dataset}, {epochs} epochs".format(**rows[0]["config"])
    found = "; ".join(f"{head} {', '.join(said[panel])}" for panel, head in zip(panels.flat, heads, strict=True))
    ms.plot.save(figure, path, alt=f"{found} ({setting}).")


MEASURED = {
    "active neurons (%)": lambda row: 100 * row["active_after"],
    "mutual information (nats)": lambda row: statistics.mean(row["information"]),
}


plot_states([row for members in by_density.values() for row in members], args.out / "5.png")
drawn = ["5.png"]

# %%
# What comes out, and what the paper says
# ---------------------------------------
# The paper's numbers stand beside ours in the verdicts at the end of this page. "Larger" and "more" mean: in *every*
# seed, however close the means. ± is the standard deviation over seeds. REPORTED marks a number without a threshold.
# The KS distance of Kolmogorov and Smirnov is the largest difference between the two curves of mutual information.
#
# In a run of the paper's size the thresholds are stricter: more than twice the active share, a KS distance of 0.05 to
# 0.2, five times the points lost with 90 % silenced, the paper's accuracies, and a gradient of its order. These numbers
# are of one epoch with ReLU, so other runs of that size are reported only (their silencing and gradient excepted).

PAPER_SIZE = args.dataset == "mnist" and args.nodes >= 10_000
AS_PAPER = PAPER_SIZE and (args.activation, args.epochs) == ("relu", 1)


claims = lab.Judged(decided, full=PAPER_SIZE)
named = f" ({args.activation})" if not args.equals or args.activation != "relu" else ""


def judge(panel, statement, found, holds=None, paper="", **more):
    """Print and keep a verdict; at the paper's size only its own setting is judged."""
    judged = AS_PAPER or not PAPER_SIZE or panel in ("5E", "3B")
    claims.judge(panel, f"{statement}{named}", found, holds if judged else None, paper, **more)


def each(number):
    """A number of every row, by density."""
    return {f"p = {p:g}": [number(row) for row in members] for p, members in by_density.items()}


def average(found, p):
    """The mean over the rows of a density."""
    return statistics.mean(found[f"p = {p:g}"])


def above(found, p, q):
    """Whether the numbers of one density are above those of another in every seed; None where one is missing."""
    rows = list(zip(found[f"p = {p:g}"], found[f"p = {q:g}"], strict=True))
    return None if any(None in row for row in rows) else all(x > y for x, y in rows)


print()
lab.matched(
    "gain step eta p N",
    {f"p = {p:g}": ms.gain_step(RATE, p, 10_000) for p in args.density},
    {f"p = {p:g}": own(p) for p in args.density},
)
if {1.0, 0.1} <= set(args.density) and not args.smoke:
    active = each(MEASURED["active neurons (%)"])
    paper = "11.2 ± 1.5 % and 3.0 ± 1.0 % at p = 0.1 and 1"
    larger = above(active, 0.1, 1) if args.activation == "relu" else None
    if AS_PAPER and larger:
        larger = average(active, 0.1) > 2 * average(active, 1)
    judge("5B", "active share (%) after training: larger if sparse", active, larger, paper)
    judge("5B", "dead neurons", each(lambda row: row["dead"]))
    informed = each(MEASURED["mutual information (nats)"])
    pooled = [[x for row in by_density[p] for x in row["information"]] for p in (1.0, 0.1)]
    distance = ks_2samp(*pooled).statistic
    paper = "0.019 ± 0.065 and 0.005 ± 0.029"
    apart = 0.05 <= distance <= 0.2 or not AS_PAPER
    holds, note = above(informed, 0.1, 1) and apart, f"KS distance {distance:.2f}"
    judge("5C", "mutual information (nats): larger if sparse", informed, holds, paper, digits=3, note=note)
    judge("5C", "the same over live pairs only", each(lambda row: row["information_alive"]), digits=3)
    medians = each(lambda row: row["median_value"])
    smaller = above(medians, 1, 0.1)
    judge("5C", "median value of the active ones: smaller if sparse", medians, smaller, digits=2)
    for share, paper in ((0.5, "sparse 0.2, dense 5.1"), (0.9, "sparse 3.1, dense 33.3")):
        k = SHARES.index(share)
        lost = each(lambda row, k=k: row["silenced"][0] - row["silenced"][k])
        left = each(lambda row, k=k: row["silenced"][k])
        statement = f"{100 * share:.0f} % silenced: dense loses more points, and ends below sparse, in every seed"
        holds = above(lost, 1, 0.1) and above(left, 0.1, 1)
        if AS_PAPER and share == 0.9:
            holds = holds and average(lost, 1) >= 5 * average(lost, 0.1)
        judge("5E", statement, lost, holds, paper)
        judge("5E", f"accuracy (%) with {100 * share:.0f} % silenced", left)
    whole = each(lambda row: row["silenced"][0])
    as_there = lab.claims.near(whole["p = 0.1"], 91.1, 0.4) and lab.claims.near(whole["p = 1"], 81.4, 4.6)
    paper = "91.1 ± 0.4 and 81.4 ± 4.6"
    judge("5E", "accuracy (%) with no neuron silenced", whole, as_there if AS_PAPER else None, paper)
    size = each(lambda row: math.log10(max(row["gradient"]["mean"], 1e-30)))
    low, high = {"relu": (-6, -5), "tanh": (-5.5, -4.5)}[args.activation]
    of_order = low <= average(size, 0.1) <= high if PAPER_SIZE else None
    judge("3B", "mean gradient of a synapse (log10)", size, of_order, "-5.2 for ReLU, -4.7 for tanh, p = 0.1", digits=2)

# %%
# The control: is it the density, or the gain step?
# -------------------------------------------------
# The table and the figure hold every density at every gain step. Three things could decide how many neurons stay
# active.
#
# * *The accuracy.* No: the dense network with the small step has passed the accuracy that the one with the large step
#   ends with long before its end; at that epoch it has many times as many active neurons.
# * *The density.* Hardly: at equal steps the active shares are much closer. At the smaller steps it is even the dense
#   network that has more active neurons, and more mutual information. (At step 10 the sparse network has largely
#   failed, as its accuracy and the spread of that over seeds show; its other numbers say little there.)
# * *The gain step.* Yes, and this is how.
#
# Let :math:`D_i` be what neuron :math:`i` gets from the image and its biases, :math:`W_{ij}` the weight that it gives
# to neuron :math:`j`, and :math:`\bar h` the mean activity of the others. The sum that ReLU sees is
#
# .. math::
#
#    a_i = D_i + \sum_j W_{ij} h_j
#
#    \approx D_i + \bar h \sum_j W_{ij} .
#
# If one step of Adam moves all weights of the row down by :math:`\eta`, its sum falls by :math:`\eta p N`, and
# :math:`a_i` by :math:`\bar h\, \eta p N`. The neuron is silent for this image as soon as
#
# .. math::
#
#    \bar h\, \eta p N > D_i + \bar h \sum_j W_{ij}
#
# with the old weights. A step ten times as long does that at a tenth of the activity. *Why down, and not up?* Steps go
# both ways. But a neuron that went up still has a gradient, and later steps can take it down. One with :math:`a_i < 0`
# has not: there the slope of ReLU is 0, so :math:`da_i = 0`, and with it the gradient :math:`da_i h_j` of its weights
# and :math:`da_i` of its biases. If that is so for every image, nothing brings it back. So silent neurons accumulate.
#
# At the first time step no other neuron is active yet, and :math:`D_i` decides alone; the row sum counts from the
# second step on. Input weights and biases, too, go down while the gradient lasts, but by :math:`\eta` per step and not
# by :math:`\eta p N`. An exercise below tells the two apart: what happens if the row sums, or the biases, are put back?
#
# So Figure 5 is about sparse networks as they are usually trained, at one rate for all: a neuron with a tenth of the
# synapses takes a tenth of the step. Silencing costs less here than in the paper: fifty equal neurons are redundant by
# construction. What can be compared is which network loses more.


def ratio(one, other):
    """One number over another; of nothing there is none."""
    return one / other if other else math.nan


def by_gain_step(rows, number):
    """The numbers of some rows by density and gain step, and the means of the sparsest over those of the densest."""
    found = {}
    for row in rows:
        found.setdefault(row["config"]["density"], {}).setdefault(step(row), []).append(number(row))
    high, low = max(found), min(found)
    mean = {(p, s): statistics.mean(values) for p, there in found.items() for s, values in there.items()}
    ratios = {"paper": ratio(mean[low, own(low)], mean[high, own(high)])}
    return found, ratios | {s: ratio(mean[low, s], mean[high, s]) for s in sorted(found[low])}


def plot_control(rows, path):
    """Draw the active share and the mutual information over the gain step, a line per density."""
    figure, panels = ms.plot.figure(1, 2, size=(10.5, 4.8))
    for panel, (what, number) in zip(panels, MEASURED.items(), strict=True):
        found, ratios = by_gain_step(rows, number)
        for p, there in found.items():
            steps, curves = sorted(there), [there[s] for s in sorted(there)]
            ms.plot.band(panel, list(zip(*curves, strict=True)), ms.plot.of_density(p), f"p = {p:g}", steps)
            ring = {"markersize": 16, "markerfacecolor": "none", "color": "black", "label": "_"}
            panel.plot(own(p), statistics.mean(there[own(p)]), "o", **ring)
        panel.set(xscale="log", xlabel="gain step (rings: the paper's)", ylabel=what, ylim=(0, None))
        panel.set_xticks(steps, [f"{s:g}" for s in steps])
        panel.minorticks_off()
        ms.plot.name_lines(panel)
        among = [ratio for s, ratio in ratios.items() if s != "paper"]
        said = f"{ratios['paper']:.1f} at own steps (rings), {min(among):.1f} to {max(among):.1f} at equal ones"
        panel.set_title(f"{what.split(' (')[0].capitalize()}, sparse over dense:\n{said}", loc="left")
    alt = "Active share and mutual information over the gain step, for each density; rings: the steps of the paper."
    ms.plot.save(figure, path, alt=alt)


COLUMNS = {
    "accuracy (%)": (lambda row: row["accuracy"][-1], 1),
    "active (%)": (MEASURED["active neurons (%)"], 1),
    "nats": (MEASURED["mutual information (nats)"], 3),
    "lost at 90 %": (lambda row: row["silenced"][0] - row["silenced"][-1], 1),
    "row sum of W": (lambda row: row["forward_gain"], 1),
}
if len(steps) > 1 and args.equals:
    plot_control(rows, args.out / "control.png")
    drawn.append("control.png")
if args.equals and {1.0, 0.1} <= set(args.density) and not args.smoke:
    print(f"\n  {'step':>6s}{'p':>6s}" + "".join(f"{name:>16s}" for name in COLUMNS))
    for s in steps:
        for p in args.density:
            members = by_step[p, s]
            columns = [lab.claims.spread(list(map(number, members)), digits) for number, digits in COLUMNS.values()]
            print(f"  {s:6g}{p:6g}" + "".join(f"{column:>16s}" for column in columns))
    for panel, (what, number) in zip(("5B", "5C"), MEASURED.items(), strict=True):
        ratios = by_gain_step(rows, number)[1]
        note = ", ".join(f"{r:.2f} at {'own steps' if s == 'paper' else f'step {s:g}'}" for s, r in ratios.items())
        numbers = {f"step {s}": ratio for s, ratio in ratios.items()}
        claims.judge(panel, f"control: {what.split(' (')[0]}, sparse over dense", numbers, note=note)
    equal = []
    for large, small in zip(by_step[1, own(1)], by_step[1, own(0.1)], strict=True):
        reached = [
            share for share, x in zip(small["active"], small["accuracy"], strict=True) if x >= large["accuracy"][-1]
        ]
        equal.append(100 * reached[0] if reached else None)
    shares = {"large step, at the end": active["p = 1"], "small step, at that accuracy": equal}
    claims.judge("5B", "control: dense, active share (%) at equal accuracy", shares)

# %%
# What the published code does differently
# ----------------------------------------
# * Its cell that saves activity stops on an undefined name, and would save the logits; the figures come from other
#   code.
# * Whether dead neurons' pairs were kept in the mutual information is not known. Both are shown.
# * Its mask for silencing has a fixed number of rows, so it works for batches of 100 only.
#
# Exercises
# ---------
# They are in ``chapters/exercises/representations.md``, with hints and solutions.
# ``python -m minisparse.lab exercise representations 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``minisparse/measure/activity.py``, ``minisparse/measure/pairs.py``, ``tests/measure/test_pairs.py`` (the estimator
# against scikit-learn's).
#
# A longer run: ``python chapters/representations.py --dataset mnist --nodes 1000 --epochs 1 --record``

suffix = f"-{args.dataset}-{args.nodes}-{args.epochs}" if args.dataset != "digits" else ""
suffix += f"-as-{args.equals}" if args.equals != 10_000 * (args.dataset == "digits") else ""
suffix += f"-{args.activation}" if args.activation != "relu" else ""
lab.finish(args, "representations", claims + lab.claims.planned("representations"), drawn, suffix)
