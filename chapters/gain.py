"""
The gain law: from the signs at the start to the delay
======================================================

A recurrent network may need many epochs before it answers better than by chance. This chapter calls their number the
*delay*. ``chapters/dale.py`` shows that a dense network with 11.5 % inhibitory neurons has a long delay, and that a
sparse one has none (Fruengel & Oberlaender 2025, Figure 6). Can one number, known before training, predict it?

**The number** is the gain g: the factor by which one time step multiplies an activity that is equal in all neurons.
Here is its law (ours, not the paper's). A network has N neurons, and the share p of all synapses exists (the density),
so that a neuron has pN inputs. The share f of the neurons is inhibitory: their weights are negative. A weight's size
is drawn evenly between 0 and 0.001, so its mean is 0.0005. If all neurons hold the activity 1, a neuron sums
pN (1 - f) inputs of 0.0005 and pN f inputs of -0.0005:

.. math::

   g = 0.0005 \\, p N \\, ((1 - f) - f)

   = 0.0005 \\, p N \\, (1 - 2f) .

With N = 10,000 and f = 0.115 that is 3.85 if dense (p = 1), and 0.385 if p = 0.1. If inhibitory weights are k times as
large, the bracket is (1 - f) - k f: with k = 10 it is 0.885 - 1.15, and g is below 0.

**What comes out**, for small images and two seeds: the matrices have the gains of the law. Below a gain of 1 networks
hardly wait, and above it a dense network waits the longer the larger it is. But the gain is not all. A network can get
one gain by few neurons, or by many neurons of which more are inhibitory. Up to a gain of 1.4 both wait two epochs
at most; at the largest gain compared the second one waits far longer. Its weights are larger, so its random part is,
and the law is about the mean alone. One thing is *not* tested by the delays: sparse networks have gains below 0.4 here,
dense ones above 0.7, so none of the one kind shares its gain with one of the other. The second control does that.
"""

# %%
# The claim, in one figure
# ------------------------
# The figure of this run is ``out/gain/6C.png``. Left, the delay over the size of the network, as in the paper: lines
# are means, and a band reaches from the lowest to the highest seed. Right, the same networks over the gain, one marker
# per network (equal ones coincide). Triangles are networks of the largest size that get the gain of a smaller one by
# more inhibitory neurons: squares and triangles above one another have *the same gain*.
#
# The delay is the number of epochs until the test accuracy exceeds 20 %, twice chance. *Never* means not in this run.
#
# The networks are stand-ins. A network of N neurons represents one of *equals* neurons: its initial weights go up to
# :math:`w_{max} = 0.001 \cdot equals / N`, which gives it the same gain. Only the gain is matched: the random part of
# the matrix is stronger in the stand-in, and digits have 8 steps where MNIST has 28. With ``--replica 0`` each network
# has its true size.

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import itertools
import math
import statistics
import time

import numpy as np

import minisparse as ms
from minisparse import lab
from minisparse.errors import InputError, NonFiniteError
from minisparse.lab import recipes

FIGURES = ("6C", "6D", "collapse")
USUAL = 0.115  # inhibitory
LEFT_CHANCE = 20.0  # percent


def knobs(flag):
    flag("--figure", nargs="+", choices=FIGURES, default=["6C", "6D"], help="which figures")
    flag("--equals", nargs="+", type=int, default=[2000, 3500, 5000, 10_000], help="sizes of the paper's networks")
    flag("--replica", type=int, default=300, help="neurons of the network that is trained; 0: the true size")
    flag("--images", type=int, default=300, help="test images for correlations and growth, at least 2")


args = lab.chapter(
    "gain", __doc__ or "The gain law",
    {"density": [1.0, 0.1], "epochs": 15, "seeds": 2, "time": "under a minute"},
    smoke={"replica": 40, "equals": [10_000], "epochs": 1, "seeds": 1, "time": "under 10 s"},
    paper={"dataset": "mnist", "equals": [1000, 2000, 3000, 5000, 10_000], "replica": 0, "epochs": 40, "seeds": 10,
           "time": "weeks on two cores; use a GPU"},
    add=knobs)  # fmt: skip

if min(args.equals) < 1:
    raise InputError(f"--equals must be at least 1, got {min(args.equals)}")

# %%
# What is measured
# ----------------
# :math:`W` is the matrix of recurrent weights at the start; :math:`W_{ij}` is the weight from neuron :math:`j` to
# neuron :math:`i`. :math:`\mathbf 1` is a column of ones, and :math:`s` the column of the signs of the neurons,
# :math:`s_j = 1` (excitatory) or :math:`-1` (inhibitory). :math:`h_t` is the activity after :math:`t` of the :math:`T`
# steps. Measured are, before training,
#
# * the gain **forward**, the mean over neurons of the row sums :math:`W \mathbf 1`, and **backward**, that of a
#   gradient along the signs, :math:`s^\top W^\top s / s^\top s`;
# * the **growth** of the activity in the last step, mean :math:`h_T` over mean :math:`h_{T-1}`, on test images;
# * **mean r**: Pearson's correlation of two neurons over test images, averaged over all pairs. *Constant* neurons have
#   none, and are counted apart.
#
# Why are neurons correlated if :math:`g > 1`? The mean of a weight depends on the sender alone: it is
# :math:`\bar w s_j`, with :math:`\bar w = 0.0005\, p`. So the mean matrix is :math:`\bar W = \bar w \mathbf 1 s^\top`,
# of rank 1. When :math:`g > 1` its direction outgrows all others, and after :math:`T` steps every neuron holds the same
# number times a factor of its own (its row sum, relative to the mean): all are perfectly correlated. So the growth
# follows :math:`g` only if :math:`g > 1`; below, the input of each step decides.


def build(config):
    """Make a network of the published kind, or its stand-in."""
    n = config["nodes"] or config["equals"]
    return recipes.recurrent(
        recipes.dataset(config["dataset"], args.data_dir), n, config["density"], config["seed"],
        storage=config["storage"], w_max=1e-3 * config["equals"] / n, inhibitory=config["inhibitory"],
        inhibition_gain=config["inhibition_gain"],
    )  # fmt: skip


def run_cell(config, checkpoint):
    """Measure a network at the start; train it if it has epochs."""
    data, net = recipes.dataset(config["dataset"], args.data_dir), build(config)
    weights, n = net.model.weights["W_rec"], net.model.n
    w, w_max = net.model.weight(net.params), 1e-3 * config["equals"] / n
    x = next(ms.batches(data.x_test[: config["images"]], data.y_test[: config["images"]], config["images"]))[0]
    _, cache = net.model.forward(net.params, ms.asarray(x))
    h = ms.to_numpy(cache.h[-1]).astype(float)
    r, constant = ms.correlations(h)
    off = ~np.eye(n, dtype=bool) & ~constant & ~constant[:, None]
    found = {
        "origin": data.origin,
        "neurons": n,
        "predicted_gain": ms.predicted_gain(
            n, config["density"], w_max, config["inhibitory"], config["inhibition_gain"]
        ),
        "forward_gain": ms.forward_gain(weights, w),
        "backward_gain": ms.backward_gain(weights, w, net.strengths),
        "growth": float(h.mean() / ms.to_numpy(cache.h[-2]).astype(float).mean()),
        "correlation": float(r[off].mean()) if off.any() else None,
        "constant": int(constant.sum()),
    }
    if not config["epochs"]:
        return found
    del r, off
    try:
        history = ms.fit(
            net.model, net.params, ms.Adam(lr=1e-3), data, config["epochs"], net.rng,
            after_step=[*args.hooks, *net.after_step],
            checkpoint=checkpoint, resume=args.resume, quiet=True,
        )  # fmt: skip
    except NonFiniteError as error:
        return {**found, "non_finite": error.as_row(), "delay": None, "accuracy": []}
    accuracy = [row["test_accuracy"] for row in history[1:]]
    return {**found, "accuracy": accuracy, "delay": ms.training_delay(accuracy, LEFT_CHANCE)}


# %%
# The networks
# ------------
# Each network of the table is trained once per seed. The last ones are those of the control: as many inhibitory neurons
# as give the largest dense network the gains of the smaller ones.


def net(equals, density=1.0, inhibitory=USUAL, inhibition_gain=1.0, epochs=args.epochs):
    signs = {"density": density, "inhibitory": inhibitory, "inhibition_gain": inhibition_gain}
    shared = {"dataset": args.dataset, "epochs": epochs, "images": args.images, "storage": args.storage}
    return {**shared, **signs, "nodes": args.replica, "equals": equals}


largest = max(args.equals)
at_start = {
    **{f"p = {p:g}": net(largest, p, epochs=0) for p in args.density},
    "p = 1, 50 % inhibitory": net(largest, inhibitory=0.5, epochs=0),
    "p = 1, inhibition x10": net(largest, inhibition_gain=10.0, epochs=0),
}
trained = {(n, p, USUAL): net(n, p) for n in args.equals for p in args.density}
# fractions that give the largest dense network the gains of the smaller ones
as_large_as = {n: round((1 - (1 - 2 * USUAL) * n / largest) / 2, 4) for n in args.equals if n < largest}
if 1.0 in args.density:
    trained |= {(largest, 1.0, f): net(largest, inhibitory=f) for f in as_large_as.values()}
per_neuron = ms.predicted_gain(1, 1.0, 1e-3, USUAL)
same_gain = [
    {**net(round(g / (p * per_neuron)), p, epochs=1 if args.smoke else 6), "nodes": n}
    for n, p in ((100, 1.0), (100, 0.2), (200, 1.0), (200, 0.1), (400, 1.0), (400, 0.1)) for g in (0.1, 0.3, 1, 2, 4, 8)
]  # fmt: skip
wanted = {}
chosen = [*(at_start.values() if "6D" in args.figure else ()), *(trained.values() if "6C" in args.figure else ()),
          *(same_gain if "collapse" in args.figure else ())]  # fmt: skip
for network, seed in itertools.product(chosen, range(args.first_seed, args.first_seed + args.seeds)):
    config = {**network, "seed": seed}
    wanted.setdefault(lab.rows.key(config), config)


def line(row):
    c = row["config"]
    what = f"as {c['equals']} neurons, p = {c['density']:g}, f = {c['inhibitory']:g} x{c['inhibition_gain']:g}"
    gains = f"gain {row['predicted_gain']:.2f} predicted, {row['forward_gain']:.2f} measured"
    return f"{what}, seed {c['seed']}: {gains}" + (f", delay {row['delay']}" if c["epochs"] else "")


for config in wanted.values():
    lab.cost.preflight(config["nodes"] or config["equals"], config["density"], config["storage"])
if not args.smoke:
    sizes = [{**config, "nodes": config["nodes"] or config["equals"]} for config in wanted.values()]
    lab.confirm(args, lab.cost.estimate(recipes.dataset(args.dataset, args.data_dir), sizes))
cells = [{"part": "cells", "config": config} for config in wanted.values()]
by_key = {lab.rows.key(row["config"]): row for row in lab.cells(args, "gain", cells, run_cell, line)}


def members(network):
    """The rows of a network, one per seed."""
    return [
        by_key[lab.rows.key({**network, "seed": seed})] for seed in range(args.first_seed, args.first_seed + args.seeds)
    ]


# %%
# The tables and the figure
# -------------------------
# In a verdict REPORTED marks a number without a threshold that could be missed; AT REDUCED SIZE says that the network
# or the data are smaller than the paper's.

decided = f"{f'{args.replica} neurons' if args.replica else 'true sizes'}, {args.dataset}, {args.seeds} seeds"
true_size = args.dataset == "mnist" and args.replica == 0 and max(args.equals) >= 10_000
claims, written = lab.Judged(decided, full=true_size), []


def average(network, name):
    return statistics.mean(row[name] for row in members(network))


if "6D" in args.figure:
    heads = ("forward", "backward", "growth", "mean r", "constant")
    print(f"\n{'at the start':26s}{'law':>8s}" + "".join(f"{head:>9s}" for head in heads))
    for name, network in at_start.items():
        gains = "".join(
            f"{average(network, key):9.3f}" for key in ("forward_gain", "backward_gain", "growth", "correlation")
        )
        print(f"{name:26s}{average(network, 'predicted_gain'):8.3f}{gains}{average(network, 'constant'):9.0f}")
    if 1.0 in args.density and not args.smoke:
        dense = at_start["p = 1"]
        off = max(
            abs(row[key] / row["predicted_gain"] - 1) for row in members(dense) for key in ("forward_gain", "growth")
        )
        ours = f"at most {100 * off:.1f} % off"
        claims.judge("6D", "control: dense matrix and activity grow by the law", {"off": off}, note=ours)
        r = {name: average(network, "correlation") for name, network in at_start.items()}
        ours = "; ".join(f"{name}: {value:.2f}" for name, value in r.items())
        rest = [value for name, value in r.items() if name != "p = 1"]
        apart = r["p = 1"] > 0.95 and max(rest) < 0.2
        claims.judge("6D", "mean r above 0.95 dense, below 0.2 otherwise", {}, apart, note=ours)


def shown(delay):
    return args.epochs if delay is None else delay


def epochs_of(delays):
    return ", ".join("never" if delay is None else str(delay) for delay in delays)


def plot_delays(rows, path):
    """Draw the delay of each run over the size and over the gain; one that stays at chance is on top, at "never"."""
    rows = [row for row in rows if row["config"]["epochs"]]
    end = rows[0]["config"]["epochs"]
    usual = [row for row in rows if row["config"]["inhibitory"] == USUAL]
    kinds = {f"p = {p:g}": [row for row in usual if row["config"]["density"] == p]
             for p in dict.fromkeys(row["config"]["density"] for row in usual)}  # fmt: skip
    styles = {name: ms.plot.of_density(found[0]["config"]["density"]) for name, found in kinds.items()}
    figure, (over_size, over_gain) = ms.plot.figure(1, 2, size=(10.5, 4.8), sharey=True)

    def delay(row):
        return 1.1 * end if row["delay"] is None else row["delay"]

    def wait(found):
        longest = max(map(delay, found), default=0)
        some = f"waits at most {longest} epoch{'s' * (longest > 1)}" if longest else "does not wait"
        return "stays at chance" if longest > end else some

    largest = max(row["config"]["equals"] for row in usual)
    waits = []
    for name, found in kinds.items():
        sizes = {m[0]["config"]["equals"]: list(map(delay, m)) for m in lab.rows.seeds(found)}
        ms.plot.band(over_size, list(zip(*sizes.values(), strict=True)), styles[name], name, list(sizes))
        waits.append(f"{name} {wait([row for row in found if row['config']['equals'] == largest])}")
    more = [row for row in rows if row["config"]["inhibitory"] != USUAL]
    kinds["p = 1, more inhibitory"], styles["p = 1, more inhibitory"] = more, ms.plot.LINES[2]
    for name, found in ((name, found) for name, found in kinds.items() if found):
        style = {**styles[name], "linestyle": "", "markersize": 7}
        style |= {"markersize": 13, "markerfacecolor": "none"} if found is more else {}
        places = [(row["predicted_gain"], delay(row)) for row in found]
        over_gain.plot(*zip(*places, strict=True), **style)
        over_gain.annotate(name, max(places, key=lambda place: place[::-1]), (-8, 16), textcoords="offset points",
                           ha="right", va="center", color=style["color"], size=11)  # fmt: skip
    over_gain.axvline(1, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
    over_size.set(xscale="log", xlabel="neurons of the paper's network", ylabel="delay (epochs)")
    over_size.set_xticks(sorted({row["config"]["equals"] for row in usual}))
    over_gain.set(xscale="log", xlabel="predicted gain g per time step", ylim=(-0.06 * end, 1.24 * end))
    gains = sorted(row["predicted_gain"] for row in rows)
    marks = [x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4) if 0.8 * gains[0] <= x <= max(1, 1.1 * gains[-1])]
    over_gain.set_xticks(marks, [f"{mark:g}" for mark in marks])
    whole = [*range(0, end + 1, max(1, end // 5))]
    over_size.set_yticks([*whole, 1.1 * end], [*map(str, whole), "never"])
    low = [row for row in rows if row["predicted_gain"] < 1]
    over_size.set_title(f"6C: as {largest:,} neurons\n{', '.join(waits)}", loc="left")
    told = f"Below a gain of 1 the slowest network\n{wait(low)}"
    if more:
        same = max(row["predicted_gain"] for row in more)
        by_size = wait([row for row in usual if math.isclose(row["predicted_gain"], same, rel_tol=0.01)])
        by_fraction = wait([row for row in more if row["predicted_gain"] == same])
        told = f"At g = {same:.2f} a smaller network {by_size},\na more inhibitory one {by_fraction}"
    over_gain.set_title(told, loc="left")
    for panel in (over_size, over_gain):
        panel.axhline(1.1 * end, color="0.8", linewidth=0.8, zorder=0)
        panel.minorticks_off()
    over_size.xaxis.set_major_formatter("{x:,.0f}")
    ms.plot.name_lines(over_size)
    c = rows[0]["config"]
    setting = f"{c['nodes']} neurons" if c["nodes"] else "true sizes"
    alt = f"As {largest} neurons {', '.join(waits)}; {told}".replace("\n", " ")
    ms.plot.save(figure, path, alt=f"{alt} ({setting}, {c['dataset']}, {end} epochs).")


if "6C" in args.figure:
    plot_delays(by_key.values(), args.out / "6C.png")
    written.append("6C.png")
    print(f"\n{'network':34s}{'gain':>8s}   delays (epochs)")
    for (n, p, f), network in trained.items():
        delays = epochs_of([row["delay"] for row in members(network)])
        print(f"as {n:6d} neurons, p = {p:4g}, f = {f:5g}{average(network, 'predicted_gain'):10.2f}   {delays}")
    if not args.smoke:
        found = {p: [[shown(row["delay"]) for row in members(trained[n, p, USUAL])] for n in sorted(args.equals)]
                 for p in args.density}  # fmt: skip
        means = {p: [statistics.mean(values) for values in rows] for p, rows in found.items()}
        overflowed = sum("non_finite" in row for network in trained.values() for row in members(network))
        if overflowed:
            print(f"  {overflowed} runs did not stay finite; they count as the longest delay, and nothing is decided")
        if 1.0 in found:
            rises = means[1.0] == sorted(means[1.0]) and means[1.0][-1] > means[1.0][0] + 1
            rises = rises if len(means[1.0]) > 1 and not overflowed else None
            note = f"mean delays {', '.join(f'{x:g}' for x in means[1.0])} epochs (never counts as {args.epochs})"
            claims.judge("6C", "dense: the delay grows with the size", {}, rises, note=note)
        if 0.1 in found:
            worst = max(row["delay"] if row["delay"] is not None else math.inf
                        for n in args.equals for row in members(trained[n, 0.1, USUAL]))  # fmt: skip
            allowed = 1 if args.dataset == "digits" else 0
            sizes = ", ".join(map(str, sorted(args.equals)))
            ours = f"at most {worst} epoch{'s' * (worst != 1)}" if math.isfinite(worst) else "never above chance"
            numbers = {"worst": min(worst, 1e6)}
            claims.judge("6C", f"p = 0.1: no delay with {sizes} neurons", numbers, worst <= allowed, note=ours)
        if 1.0 in found and as_large_as:
            pairs = {n: [[row["delay"] for row in members(trained[name])]
                         for name in ((n, 1.0, USUAL), (largest, 1.0, f))] for n, f in as_large_as.items()}  # fmt: skip
            ours = [f"g = {per_neuron * n:.2f}: {epochs_of(a)} against {epochs_of(b)}" for n, (a, b) in pairs.items()]
            apart = max(abs(sum(map(shown, a)) - sum(map(shown, b))) / args.seeds for a, b in pairs.values())
            statement = "control: equal gain by size and by fraction, equal delay?"
            claims.judge("6C", statement, {"apart": apart}, note=f"{'; '.join(ours)} epochs")

# %%
# A second control: dense and sparse networks at one gain
# -------------------------------------------------------
# ``--figure collapse`` compares what the figure above leaves apart: three sizes, each dense and sparse, at the same six
# gains, set by the largest weight. If the gain were all that counts, the curves of accuracy over it would be one. How
# far they lie apart is their standard deviation, averaged along the axis: over the gain (*number*), over the largest
# weight (*usual*), and over the gain with the networks' factors exchanged at random (*shuffled*). The first should be
# at most half of the others, and it is not quite. What is equal is the place where they break off: between a gain of 1
# and one of 2 all six fall to chance, whatever their density. What differs is how much they reach before.


def plot_collapse(rows, path):
    """Draw accuracy over the gain and over the largest weight; returns how far the curves lie apart."""
    curves = {}
    for group in lab.rows.seeds(rows):
        c, ends = group[0]["config"], [row["accuracy"][-1] for row in group if row["accuracy"]]
        point = (1e-3 * c["equals"] / c["nodes"], group[0]["predicted_gain"], statistics.mean(ends or [math.nan]))
        curves.setdefault((c["nodes"], c["density"]), []).append(point)
    usual, gains, values = zip(*(zip(*points, strict=True) for points in curves.values()), strict=True)
    spread = ms.measure.collapse(usual, [g[0] / w[0] for g, w in zip(gains, usual, strict=True)], values)
    figure, panels = ms.plot.figure(1, 2, size=(12.0, 4.8), sharey=True)
    for (n, p), *places, accuracies in zip(curves, gains, usual, values, strict=True):
        look = {**ms.plot.of_density(p), "linewidth": n / 130, "label": f"{n} neurons, p = {p:g}"}
        for panel, place in zip(panels, places, strict=True):
            panel.plot(place, accuracies, **look)
    for panel, over, axis in zip(panels, ("gain per step g", "largest weight"), ("number", "usual"), strict=True):
        title = f"Over the {over}: the curves lie {spread[axis]:.1f} points apart"
        panel.set(title=title, xlabel=over, xscale="log", ylim=(0, 100))
    panels[0].set(ylabel="test accuracy (%)")
    panels[0].legend(loc="lower left")
    ms.plot.save(figure, path, alt="Accuracy of six networks over the gain, where they fall at one place, and apart.")
    return spread


if "collapse" in args.figure:
    spread = plot_collapse([row for network in same_gain for row in members(network)], args.out / "collapse.png")
    found = {f"spread over {axis}": [spread[axis]] for axis in ("number", "usual", "shuffled")}
    claims.judge("6C", "control: accuracy falls on one curve over the gain", found, spread["holds"])
    written.append("collapse.png")
else:
    lab.rows.recorded("gain-collapse")

# %%
# Aside: what a vanished gradient costs
# -------------------------------------
# If the paper's weights, up to 0.001, have both signs at random, the gain is near 0, and the gradient shrinks a
# hundredfold or more with every step back in time. Below :math:`10^{-38}` float32 has no normal numbers left. For a few
# steps the gradient is *denormal*: it loses digit after digit, and at :math:`10^{-45}` it is 0. Some processors take a
# hundred times as long for a product with such a number, others no longer than usual. The figure shows it for that
# start (:math:`w_{max} = 0.001`) and for one with weights of ordinary size. A peak where there is no denormal number
# comes from other work of the machine. `fit` and the passes put 0 for denormal numbers
# (``minisparse.threads.flush_to_zero``); here the products are called directly, and nothing is put to 0. What is lost
# are the last digits of numbers that no weight of ordinary size would notice.


def steps_back(w_max, n=1000, p=0.01, repeats=7):
    """Go back in time product by product; returns the share of denormal numbers and the time of each."""
    rng = np.random.default_rng(0)
    model = ms.RNN(28, ms.make_weights(ms.bernoulli(n, n, p, rng), "csr"), 10)
    params = model.init(rng, w_max=w_max)
    logits, cache = model.forward(params, rng.random((28, 28, 100), dtype=np.float32))
    da, share, micros = cache.W_out.T @ ms.softmax_cross_entropy(logits, rng.integers(0, 10, 100))[1], [], []
    for kept in reversed(cache.kept[:-1]):
        spent = []
        for _ in range(repeats):
            begin = time.perf_counter()
            before = cache.W.matmul_t(da, times=model.activation.slope(kept))
            spent.append(1e6 * (time.perf_counter() - begin))
        da, size = before, abs(before)
        share.append(float(((size > 0) & (size < np.finfo(np.float32).tiny)).mean()))
        micros.append(statistics.median(spent))
    return {"part": "vanishing", "w_max": w_max, "share": share, "microseconds": micros}


def plot_vanishing(rows, path):
    """Draw the share of denormal numbers and the time of each product, step by step back in time."""
    figure, (shares, times) = ms.plot.figure(1, 2, size=(10.5, 4.2))
    for style, row in zip(ms.plot.LINES, rows, strict=False):
        steps = range(1, len(row["share"]) + 1)
        shares.plot(steps, [100 * share for share in row["share"]], label=f"w_max = {row['w_max']:.2g}", **style)
        times.plot(steps, row["microseconds"], label=f"w_max = {row['w_max']:.2g}", **style)
    paper, ordinary = rows
    worst = max(range(len(paper["share"])), key=paper["share"].__getitem__)
    ratio = paper["microseconds"][worst] / statistics.median(ordinary["microseconds"])
    shares.set(xlabel="steps back in time", ylabel="denormal numbers (%)", ylim=(-2, 102))
    times.set(xlabel="steps back in time", ylabel="time of a product (µs)")
    times.set_ylim(0, 1.2 * max(*paper["microseconds"], *ordinary["microseconds"]))
    shares.set_title(f"After {worst + 1} steps the paper's start\ngives denormal numbers,", loc="left")
    said = f"{ratio:.1f} times as long as usual" if ratio > 1.2 else "no longer than usual"
    times.set_title(f"and a product then takes {said}\n(on the machine that measured)", loc="left")
    for panel in (shares, times):
        ms.plot.name_lines(panel)
    alt = f"Share of denormal numbers and time per product; with most denormals it takes {ratio:.1f} times as long."
    ms.plot.save(figure, path, alt=alt)


measured = [row for row in lab.rows.read(args.rows) if row["part"] == "vanishing"] if args.rows else []
if not measured and args.figure != ["collapse"] and args.made_by["backend"].startswith("backend: numpy"):
    measured = [steps_back(w_max) for w_max in (1e-3, math.sqrt(6 / (0.01 * 1000)))]
if measured:
    plot_vanishing(measured, args.out / "vanishing.png")
    written.append("vanishing.png")

# %%
# Exercises
# ---------
# They are in ``chapters/exercises/gain.md``, with hints and solutions.
# ``python -m minisparse.lab exercise gain 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``chapters/dale.py`` (why the explosion of the first steps lasts), ``minisparse/measure/gains.py``.
#
# Longer runs
# -----------
# * Dense and sparse networks at one gain: ``python chapters/gain.py --figure collapse --record``
# * Figure 6D and the law at the paper's scale:
#   ``python chapters/gain.py --figure 6D --dataset mnist --replica 0 --equals 3000 --seeds 1 --record``
# * Figure 6C at p = 0.1, true sizes:
#   ``python chapters/gain.py --figure 6C --dataset mnist --replica 0 --equals 500 1000 2000 --density 0.1 --epochs 2
#   --record``

suffix = "-collapse" if "collapse" in args.figure else ""
suffix += f"-{'-'.join(map(str, [*args.figure, args.dataset, *args.equals]))}" if args.dataset != "digits" else ""
lab.finish(args, "gain", claims + measured + lab.claims.planned("gain"), written, suffix)
