r"""
Networks of groups
==================

In mouse visual cortex activity is correlated ensemble by ensemble. G2GNet (Konstantaropoulos, Smirnakis & Papadopouli
2025, arXiv 2508.14140) gives a feedforward network such a modular wiring. The neurons of every layer are divided into G
groups. All synapses between *matched* groups of two layers exist (the first group with the first, and so on), and of
all others the share p'. The abstract reports up to 75 % sparsity and up to 4.3 % more accuracy than dense networks; it
does not say which dense networks.

Do groups help, or just sparsity? Beside a network of groups stands a **random graph** (Erdős-Rényi), in which as many
synapses exist, anywhere. What it gains on dense networks any sparse wiring gains. What groups gain on it is theirs. Two
numbers, one for each, can be computed by hand for G = 8 and p' = 0.15.

**Neurons for the same parameters** (any sparse wiring). Of a pair of neurons 1 in 8 is matched, so the density, the
share d of the synapses that exist, is (1 + 7 x 0.15) / 8 = 0.256. Sparse synapses can be spent on more neurons. The
network here has L = 3 hidden layers of N = 80 neurons, 576 inputs and 10 outputs. A dense network of h neurons per
layer has as many weights if

.. math::

   d\, (576\, N + 2 N^2) + 10\, N

   = 576\, h + 2 h^2 + 10\, h .

That gives h = 25, so N / h = 80 / 25 = 3.2. It pays where pixels are redundant: then a neuron that reads a quarter of
them misses little.

**What a local disturbance reaches** (groups). Let inputs of one group be disturbed. A neuron outside their group reads
the share p' of them, in a random graph the share d: p' / d = 0.15 / 0.256 = 0.585 of what it would be there. A neuron
of their own group reads all of them, 1 / d = 3.9 times as much. Over all neurons nothing is won: (1 + 7 p') / 8 is d
again. So why is that a gain? Groups do not remove a disturbance, they keep it in one place. Seven groups of eight hear
less of it, and the layers above can trust these more than the eighth. In a random graph all neurons are disturbed
alike, and there is nothing to choose. This holds if a group is a *region* of the image and disturbances are local. In
photographs they often are.

**What comes out**, on small digits with a band of noise: regional groups are ahead of the random graph, and that of a
dense network with as many parameters. Without the noise the first lead is gone, and the second stays: they are two
effects. Groups of neurons that are no region gain nothing on the random graph. And a dense network of the same *width*
(80 neurons, nearly four times the weights) stays far ahead of all of them.
"""

# %%
# The claim, in one figure
# ------------------------
# The figure is ``out/g2gnet/g2gnet.png``: the points of accuracy that the wirings gain on a dense network of as many
# parameters (left) and on the random graph (right). A small marker is a seed, a large one their mean; ± is the standard
# deviation. Circles are with the band of noise, squares without; rows that have no square were run with noise only. The
# names are those of the section on groups: *index* groups are regions of the image; a *mixer* alternates regions and
# other groups; *growth* says that synapses are rewired. The wiring is drawn in ``out/g2gnet/wiring.png``.
#
# Digits of 8 x 8 pixels have neither redundant pixels nor anything beside the digit. So the default run enlarges them,
# moves them in a frame of 24 x 24, and covers 4 rows at a random height with noise. An index group is a band of 3 rows;
# the noise is not made to fit it. Width and groups are chosen so that both numbers are those of the longer run on
# CIFAR-10 (512 neurons, dense 159).
#
# **Controls.** A dense network of the same width, a dense one of as many parameters, a random graph of the same density
# (without it nothing can be said about *groups*), the main networks without noise, and the same network left alone
# where another is rewired.

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import dataclasses
import itertools
import statistics

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from scipy.stats import ttest_1samp

import minisparse as ms
from minisparse import lab
from minisparse.lab import recipes


def knobs(flag):
    flag("--layers", type=int, default=3, help="hidden layers")
    flag("--groups", type=int, default=8, help="groups of neurons in every layer")
    flag("--between", type=float, default=0.15, help="share of the synapses between unmatched groups that exist")
    flag("--stem", choices=("none", "patches"), default="none", help="pixels as they are, or filters over 16 patches")
    flag("--lr", type=float, default=1e-3, help="Adam's learning rate at the start of the cosine")
    flag("--decay", type=float, default=0.0, help="decoupled weight decay")
    flag("--batch", type=int, default=50, help="examples per step")


args = lab.chapter(
    "g2gnet", __doc__ or "Networks of groups",
    {"nodes": 80, "epochs": 10, "seeds": 5, "time": "under a minute"},
    smoke={"nodes": 16, "epochs": 2, "seeds": 1, "time": "under 10 s"}, add=knobs,
)  # fmt: skip

# %%
# The data
# --------
# Of digits each seed draws 6,000 training and 2,000 test images of its own, from the training and the test digits: one
# of 20 x 20 pixels at a random place in a frame of 24 x 24, and, as ``band``, 4 rows at a random height covered with
# smooth noise. All networks of a seed see the same images. Other data sets are taken as they are.
#
# Inputs are standardised by the training set: with one mean and one standard deviation for grey images, with a pair for
# each pixel and colour otherwise.

BAND, FRAME, SIZE, NOISE = 4, 24, 20, 0.5
raw = ms.load(args.dataset, root=args.data_dir)
moving = args.dataset == "digits"
height, across = (FRAME, FRAME) if moving else raw.sample_shape
channels = max(1, across // height)


def moved(images, labels, count, band, rng):
    """Return digits at random places of a frame, a band of rows covered with noise, and their labels."""
    chosen = rng.integers(len(labels), size=count)
    large = zoom(images[chosen], (1, SIZE / 8, SIZE / 8), order=1)
    noise = gaussian_filter(rng.standard_normal((count, FRAME, FRAME)), (0, 1, 1))
    noise *= NOISE / noise.std()
    top, left = rng.integers(FRAME - SIZE + 1, size=(2, count))
    row = rng.integers(FRAME - band + 1, size=count)
    frames = np.zeros((count, FRAME, FRAME), np.float32)
    for k in range(count):
        frames[k, top[k] : top[k] + SIZE, left[k] : left[k] + SIZE] = large[k]
        frames[k, row[k] : row[k] + band] = noise[k, row[k] : row[k] + band]
    return frames, labels[chosen]


DRAWN = {}


def images_of(band=None, seed=0):
    """Return the data of a seed, standardised; those asked for last are kept."""
    if (band, seed) not in DRAWN:
        x, y, x_test, y_test = raw.x_train, raw.y_train, raw.x_test, raw.y_test
        if band is not None:
            draw = np.random.default_rng([seed, 1])
            (x, y), (x_test, y_test) = moved(x, y, 6000, band, draw), moved(x_test, y_test, 2000, band, draw)
        axis = 0 if channels > 1 else None
        mean, sd = x.mean(axis), np.maximum(x.std(axis), 1e-6)
        parts = {"x_train": (x - mean) / sd, "y_train": y, "x_test": (x_test - mean) / sd, "y_test": y_test}
        DRAWN.clear()
        DRAWN[band, seed] = dataclasses.replace(raw, **parts)
    return DRAWN[band, seed]


# %%
# Patches
# -------
# ``--stem patches`` puts a *stem* in front of the groups: the image is cut into 4 x 4 patches, all read by the same 32
# filters. (The default run has none.) It is the convolution of
# ``chapters/dendritic.py`` without its two difficulties: nothing is pooled, and no pixel lies in two patches, so the
# gradient of the image is put together and not added up. To the filters an image is 16 examples; their gradient sums
# them.

PATCHES = ("C9", "C10", "C11", "C12", "C13", "C14", "C15")
print(*(f"  ({tag})  {ms.code_line(tag)}" for tag in PATCHES), sep="\n")

rng = np.random.default_rng(7)
stem = ms.PatchConv((2, 4, 6), patches_per_side=2, filters=3, activation="tanh")
grouped = ms.GroupedWeights(ms.group_to_group(5, stem.n_out, 2, p_between=0.3, rng=rng))
tiny = ms.ConvNet(stem, ms.MLP([grouped, ms.make_weights(ms.full(4, 5))], "tanh"))
images = rng.standard_normal((4, 12, 3))
with ms.use("numpy"):  # on a GPU each pass would wait for its launches
    report = ms.check(tiny, tiny.init(rng, dtype=float), images, np.array([0, 3, 1]))
print(f"  gradient check, patches and groups: worst error {max(row.error for row in report.rows):.0e}")
report.assert_ok()

# %%
# Groups
# ------
# Which neurons form a group? *Index* groups are neighbours: bands of rows, or with the stem, whose units stand patch by
# patch, regions of the image. *Stride* groups are every G-th neuron: with the stem the same few filters everywhere. A
# **mixer** alternates the two from layer to layer. The third grouping is **random**, and a group keeps its neurons from
# one layer to the next. Without synapses between unmatched groups *index* falls into G networks that never meet. The
# mixer does not: two layers suffice to reach every group (if a group has at least G neurons).

KINDS = ("index", "mixer", "random")


def wiring(kind, units, rng, groups=args.groups, between=args.between):
    """Return the patterns of consecutive layers, the input first."""
    patterns = []
    for layer, (pre, post) in enumerate(itertools.pairwise(units)):
        if kind == "dense":
            patterns.append(ms.full(post, pre))
        elif kind == "random graph":
            sizes = [np.bincount(ms.groups.group_labels(n, groups)) for n in (post, pre)]
            count = round(ms.groups.group_density(*sizes, 1.0, between) * post * pre)
            patterns.append(ms.fixed_count(post, pre, count, rng))
        else:
            again = kind == "random" and patterns
            grouping = ("random", patterns[-1].groups.post) if again else kind
            patterns.append(ms.group_to_group(post, pre, groups, 1.0, between, rng=rng, grouping=grouping, layer=layer))
    return patterns


n_in = ms.PatchConv((channels, height, across // channels)).n_out if args.stem == "patches" else height * across
units = [n_in, *[args.nodes] * args.layers]
print("\ninputs that reach a neuron of the last hidden layer, without synapses between unmatched groups:")
for kind in KINDS:
    reached = ms.groups.reachability(wiring(kind, units, np.random.default_rng(0), between=0.0)).mean()
    print(f"  {kind:8s}{100 * reached:6.1f} %")


def plot_wiring(path):
    """Draw a layer of each kind as a matrix and, without synapses between groups, as a graph of few neurons."""
    figure, axes = ms.plot.figure(2, 4, size=(11.0, 6.4))
    columns = (("index", "index", 0), ("mixer", "mixer: stride", 1), ("random", "random", 1),
               ("random graph", "no groups", 0))  # fmt: skip
    for (kind, title, layer), matrix, graph in zip(columns, *axes, strict=True):
        pattern = wiring(kind, [args.nodes] * 3, np.random.default_rng(0))[layer]
        matrix.imshow(pattern.mask(), cmap="Greys", interpolation="nearest")
        matrix.set(title=f"{title}, density {pattern.density:.2f}", xlabel="pre", ylabel="post", xticks=[], yticks=[])
        patterns = wiring(kind, [16] * 4, np.random.default_rng(0), groups=4, between=0.0)
        alive = [np.arange(16) == 0, *(ms.groups.reachability(patterns[: k + 1])[:, 0] for k in range(3))]
        for k, pattern in enumerate(patterns):
            for post, pre in zip(pattern.rows, pattern.indices, strict=True):
                style = {"color": "#0072B2", "zorder": 2} if alive[k][pre] else {"color": "0.85", "zorder": 1}
                graph.plot([k, k + 1], [pre, post], linewidth=0.7, **style)
        for k, reached in enumerate(alive):
            graph.scatter([k] * 16, range(16), s=14, zorder=3, color=np.where(reached, "#0072B2", "0.7"))
        graph.set(title=f"{kind}: {alive[-1].sum()} of 16", xlabel="layer", xticks=range(4), yticks=[])
        graph.invert_yaxis()
    figure.suptitle(f"A layer as a matrix (p' = {args.between:g}), and what one input reaches with p' = 0")
    alt = (
        "Top: connectivity matrices of index, stride and random groups and of a random graph of the same density. "
        "Bottom: graphs of four layers without synapses between unmatched groups; from one input the index and the "
        "random grouping reach one group, the mixer reaches every neuron."
    )
    ms.plot.save(figure, path, alt=alt)


plot_wiring(args.out / "wiring.png")

# %%
# The step
# --------
# Adam's rate falls along half a cosine to 0. Weight decay (off by default) shrinks a weight apart from the step, not
# through the gradient: an absent synapse stays exactly 0, and Adam does not blow a small decay up into full-size steps.

STEP = ("O7", "O8")
print("", *(f"  ({tag})  {ms.code_line(tag).removeprefix('run.opt.')}" for tag in STEP), sep="\n")

# %%
# The networks
# ------------
# The dense network with as many parameters has h neurons per layer, :math:`(L - 1) h^2 + (n_{in} + n_{out}) h` weights
# with :math:`n_{in}` inputs and :math:`n_{out}` outputs. The random graph has in every layer the density of the groups.
#
# Three networks are rewired: the weakest synapses go, and those come whose neurons are correlated (growth by
# correlation is the paper's idea, pruning by magnitude ours), for which the gradient is largest (RigL), or any (the
# control of the two).

EACH_EPOCH = {"fraction": 0.1, "every": 1, "unit": "epochs", "decay": "cosine", "stop": 0.75}


class RandomGrowth(ms.evolve.Rule):
    """The smallest weights go, random places come, at 0."""

    def grow(self, site, keep, rng):
        count = int((~keep).sum())
        return self.random_places(site, keep, count, rng), np.zeros(count)


RULES = {
    "none": lambda: [],
    "random": lambda: [RandomGrowth(ms.evolve.Schedule(**EACH_EPOCH))],
    "Hebbian": lambda: [ms.Hebbian(**EACH_EPOCH)],
    "RigL": lambda: [ms.RigL(**EACH_EPOCH)],
}
WIDE, NARROW, GRAPH, STATIC = "dense, same width", "dense, same parameters", "Erdős-Rényi", "mixer"
NETWORKS = {
    WIDE: ("dense", "none"),
    NARROW: ("dense", "none"),
    GRAPH: ("random graph", "none"),
    "index": ("index", "none"),
    STATIC: ("mixer", "none"),
    "random groups": ("random", "none"),
    **{f"mixer + {rule} growth": ("mixer", rule) for rule in ("random", "Hebbian", "RigL")},
}


def numbers(units, n_classes, groups, between):
    """Return N / h and p' / d of a network of groups, and h: the width of a dense one of as many weights."""
    patterns = wiring(STATIC, units, np.random.default_rng(0), groups, between)
    budget, linear = sum(pattern.nnz for pattern in patterns) + n_classes * units[-1], units[0] + n_classes
    h = max(1, round(2 * budget / (linear + (linear**2 + 4 * (len(units) - 2) * budget) ** 0.5)))
    return {"N / h": units[-1] / h, "p' / d": between / patterns[0].density}, h


ours, narrow = numbers(units, raw.n_classes, args.groups, args.between)
if moving:
    print("\nneurons for one dense one; disturbance outside its group, over that in a random graph")
    for name, value in numbers([3072, 512, 512, 512], 10, 8, 0.15)[0].items():
        print(f"  {name:8s} here {ours[name]:.3g}, in the longer run on CIFAR-10 {value:.3g}")


def build(config):
    """Make a network with He's initial weights for the synapses that exist."""
    synapses, _, values, order = recipes.streams(config["seed"])
    kind, _ = NETWORKS[config["network"]]
    layers = [ms.make_weights(p, config["storage"]) for p in wiring(kind, [n_in, *config["hidden"]], synapses)]
    model = ms.MLP([*layers, ms.make_weights(ms.full(raw.n_classes, config["hidden"][-1]), "dense")], "relu")
    if config["stem"] == "patches":
        model = ms.ConvNet(ms.PatchConv((channels, height, across // channels)), model)
    params = model.init(values)
    for k, weights in enumerate(model.weights.values()):
        params[f"W{k}"] = ms.initialise.he(values, weights)
        params[f"b{k}"] *= 0
    return model, params, order


def counted(model, params):
    """Return parameters that exist, and multiply-adds per image: a synapse makes one, a filter's pixel 16."""
    synapses = [weights.nnz for weights in model.weights.values()]
    others = sum(int(w.size) for name, w in params.items() if name not in model.weights)
    shared = int(params["K"].size) * 16 if "K" in params else 0
    return {"synapses": synapses, "parameters": sum(synapses) + others, "multiply_adds": sum(synapses) + shared}


def run_cell(config, checkpoint):
    """Train one network."""
    model, params, order = build(config)
    _, rule = NETWORKS[config["network"]]
    dataset = images_of(config["band"], config["seed"]) if "band" in config else images_of()
    history = ms.fit(model, params, ms.Adam(lr=config["lr"], decay=config["decay"]), dataset, config["epochs"], order,
                     batch_size=config["batch"], after_step=[ms.Cosine(), *RULES[rule](), *args.hooks],
                     checkpoint=checkpoint, resume=args.resume, quiet=True)  # fmt: skip
    return {
        "origin": raw.origin,
        "accuracy": [row["test_accuracy"] for row in history[1:]],
        "train_loss": [row["train_loss"] for row in history[1:]],
        "seconds": statistics.mean(row["seconds"] for row in history[1:]),
        "storages": [weights.storage for weights in model.weights.values()],
        **counted(model, params),
    }


# %%
# The runs
# --------
# All networks of a seed see the batches in one order. What counts is the accuracy after the last epoch: nothing is
# chosen by test accuracy, and the last rewiring is over by then.

names = ("dataset", "groups", "between", "stem", "epochs", "lr", "decay", "batch", "storage")
common = {name: getattr(args, name) for name in names}
cells = [
    {"part": "cells", "config": {**common, **({"band": band} if moving else {}), "network": network, "seed": seed,
                                 "hidden": [narrow if network == NARROW else args.nodes] * args.layers}}
    for seed in range(args.first_seed, args.first_seed + args.seeds)
    for band in ((BAND, 0) if moving else (BAND,))
    for network in (NETWORKS if band else (NARROW, GRAPH, "index", STATIC))
]  # fmt: skip
rows = lab.cells(args, "g2gnet", cells, run_cell, lambda row: "{network}, seed {seed}: ".format(**row["config"])
                 + f"{row['accuracy'][-1]:.1f} %")  # fmt: skip


def members(network, band=BAND, among=rows):
    """Return the rows of a network's seeds, by default those with the band if there is one."""
    wanted = [row for row in among if row["config"]["network"] == network and row["config"].get("band", BAND) == band]
    return sorted(wanted, key=lambda row: row["config"]["seed"])


def last(network, band=BAND, among=rows):
    return [row["accuracy"][-1] for row in members(network, band, among)]


def above(network, control, band=BAND, among=rows):
    """Return the points that a network gains on another, seed by seed."""
    return [a - b for a, b in zip(last(network, band, among), last(control, band, among), strict=True)]


decided = (f"{args.layers} x {args.nodes} neurons, {args.groups} groups, p' = {args.between:g}, stem {args.stem}, "
           f"{args.dataset}, {args.epochs} epochs, {args.seeds} seeds")  # fmt: skip
print(f"\n{decided}")
print(f"{'network':26s}{'accuracy %':>14s}{'multiply-adds':>15s}{'parameters':>12s}{'s / epoch':>11s}  storage")
for name in NETWORKS:
    first, seconds = members(name)[0], statistics.mean(row["seconds"] for row in members(name))
    numbered = f"{first['multiply_adds']:15,d}{first['parameters']:12,d}{seconds:11.2f}"
    print(f"{name:26s}{lab.claims.spread(last(name)):>14s}{numbered}  {'/'.join(dict.fromkeys(first['storages']))}")
print("Seconds are those of this storage here; a mask over a dense matrix (storage dense) saves none.")

# %%
# The figure
# ----------


def plot_networks(rows, path):
    """Draw what networks gain on the dense one of as many parameters, and on the random graph, seed by seed."""
    figure, panels = ms.plot.figure(1, 2, size=(12.0, 4.8), sharex=True, sharey=True)
    shown = [GRAPH, "random groups", "index", STATIC, "mixer + random growth", "mixer + Hebbian growth"]
    two, finding = any(row["config"].get("band") == 0 for row in rows), []
    against = (NARROW, "dense, equal cost"), (GRAPH, "a random graph")
    for panel, (control, what) in zip(panels, against, strict=True):
        for band, style in zip((BAND, 0)[: 1 + two], ms.plot.LINES, strict=False):
            look = {"marker": style["marker"], "color": style["color"], "linestyle": ""}
            large = {**look, "markersize": 9, "markerfacecolor": None if band else "white"}
            panel.plot([], [], label="band of noise" if band else "no noise", **large)
            for place, name in enumerate(shown):
                if name == control or not last(name, band, rows):
                    continue
                gained, y = above(name, control, band, rows), place + (0.16 if band else -0.16) * two
                panel.plot(gained, [y] * len(gained), markersize=4, alpha=0.4, **look)
                panel.plot(statistics.mean(gained), y, **large)
                finding.append(f"{name} - {control} {lab.claims.spread(gained)}" + ("" if band else ", no band"))
        panel.axvline(0, color="0.6", linewidth=1, zorder=0)
        groups = [statistics.mean(above("index", control, band, rows)) for band in (BAND, 0)[: 1 + two]]
        title = f"Index over {what}: {groups[0]:+.1f}" + (f" (no noise {groups[1]:+.1f})" if two else "")
        panel.set(title=title, xlabel="points gained, by seed and mean")
    panels[0].set_yticks(range(len(shown)), shown)
    if two:
        panels[1].legend(loc="lower right")
    setting = "{dataset}, {groups} groups, p' = {between:g}, {epochs} epochs".format(**rows[0]["config"])
    ms.plot.save(figure, path, alt=f"Points gained after the last epoch ({setting}): {'; '.join(finding)}.")


plot_networks(rows, args.out / "g2gnet.png")

# %%
# What comes out
# --------------
# Only the abstract was at hand, so there is no accuracy of the paper's to reproduce. What can be compared is the order
# of the networks by accuracy, with that of our run on CIFAR-10. On the moved digits it is the same: groups, then the
# random graph, then the dense network of as many parameters. Without the band of noise groups and random graph are
# level, and both stay ahead of that dense network, so there are two effects. Random groups do no better than the random
# graph: a group helps as a region of the image.
#
# "Groups beat dense, same parameters" is one reading of the abstract's statement, whose dense network is not named. It
# does not hold for the other: on CIFAR-10 groups are level with a dense network of the same *width*, and here that one
# is far ahead.
#
# A difference counts if it is above 0 in a paired t-test over the seeds, one-sided, at 5 %. REPORTED marks a number
# without a threshold. The thresholds of the other data sets, where there are any, come from a trial of ours (two seeds,
# a prototype of other code, a CIFAR-10 rebuilt from JPEG files) with 512 neurons: its means less about 0.6 points.
# Claims of figure "trial" are these, and not the paper's.

BARS = {
    "fashion-mnist": {
        "epochs": 6, WIDE: (89.0, 100), NARROW: (88.3, 100), GRAPH: (87.7, 100), "groups": 88.2, "growth": 88.2,
        "static": 0.7, "over": {NARROW: -0.7, GRAPH: -0.2, WIDE: -1.3}},
    "cifar10": {
        "epochs": 8, WIDE: (54.2, 100), NARROW: (51.5, 53.5), GRAPH: (53.4, 100), "groups": 54.4, "growth": 54.0,
        "static": 1.0, "over": {NARROW: 1.5, GRAPH: 0.3, WIDE: -0.8}},
}  # fmt: skip
TRIAL = {"nodes": 512, "layers": 3, "groups": 8, "between": 0.15, "stem": "none", "lr": 1e-3, "decay": 0.0,
         "batch": 256}  # fmt: skip
bars = BARS.get(args.dataset)
as_in_trial = bars and vars(args).items() >= {**TRIAL, "epochs": bars["epochs"]}.items() and args.seeds >= 3
claims = lab.Judged(decided, full=not moving)


def against_bar(statement, found, low, high=None, digits=1):
    """Compare means with the trial's bar, if this is its setting."""
    if not as_in_trial:
        return claims.judge("trial", statement, found, digits=digits)
    low, high = low(bars), high(bars) if high else float("inf")
    expected = f"{low:g} to {high:g}" if high < 100 else f"at least {low:g}"
    holds = all(low <= statistics.mean(values) <= high for values in found.values())
    return claims.judge("trial", statement, found, holds, f"{expected}, from a trial", digits=digits)


def clear(values):
    """Whether the seeds' values are above 0: a paired t-test, one-sided, at 5 %."""
    return len(values) > 1 and bool(ttest_1samp(values, 0, alternative="greater").pvalue < 0.05)


grown, static = [name for name in NETWORKS if name.startswith("mixer + ")], ("index", STATIC)
if not args.smoke:
    print()
if moving and not args.smoke:
    said = "groups beat {} (points)"
    for figure, control, printed in (
        ("abstract", NARROW, "up to 4.3 %, over a dense network not named"),
        ("number", GRAPH, "as on CIFAR-10"),
    ):
        gains = {f"{name} - control": above(name, control) for name in static}
        claims.judge(figure, said.format(control), gains, all(map(clear, gains.values())), printed)
    bare = {f"{name} - control": above(name, GRAPH, 0) for name in static}
    lost = [np.subtract(gains[name], bare[name]) for name in gains]
    holds = not any(map(clear, bare.values())) and all(map(clear, lost))
    claims.judge("number", f"without noise groups do not beat {GRAPH} (points)", bare, holds)
    wide = {said: above(GRAPH, NARROW, band) for said, band in (("with noise", BAND), ("without", 0))}
    claims.judge("number", f"{GRAPH} beats {NARROW} (points)", wide,
                 all(map(clear, wide.values())), "as on CIFAR-10")  # fmt: skip
    level = {f"{name} - control": above(name, WIDE) for name in static}
    claims.judge("abstract", "groups are level with dense, same width (points)", level,
                 min(map(statistics.mean, level.values())) >= -0.8, "at least -0.8, from a trial")  # fmt: skip
    hebb, chance = "mixer + Hebbian growth", "mixer + random growth"
    moves = {f"Hebbian - {name}": above(hebb, name) for name in (STATIC, chance)}
    claims.judge("abstract", "Hebbian growth beats none, and random growth (points)", moves,
                 all(map(clear, moves.values())))  # fmt: skip
elif not args.smoke:
    for name in (WIDE, NARROW, GRAPH):
        against_bar(f"{name}: accuracy (%)", {name: last(name)}, lambda b, n=name: b[n][0], lambda b, n=name: b[n][1])
    against_bar("groups, left alone: accuracy (%)", {name: last(name) for name in static}, lambda b: b["groups"])
    against_bar("groups, rewired: accuracy (%)", {name: last(name) for name in grown}, lambda b: b["growth"])
    shift = {f"{name} - static": above(name, STATIC) for name in grown}
    against_bar("rewired against left alone (points)", shift, lambda b: -b["static"], lambda b: b["static"])
    for control in (NARROW, GRAPH, WIDE):
        gains = {f"{name} - control": above(name, control) for name in static}
        against_bar(f"groups against {control} (points)", gains, lambda b, c=control: b["over"][c])
if not args.smoke:
    hidden = {name: sum(members(name)[0]["synapses"][:-1]) for name in NETWORKS}
    share = {"share": [hidden[STATIC] / hidden[WIDE]]}
    against_bar("multiply-adds of the hidden layers, share of dense", share, lambda b: 0.254, lambda b: 0.258, digits=3)
    claims.judge("abstract", "sparsity (%), in the abstract up to 75", {"sparsity": [100 - 100 * share["share"][0]]})
    best = "accuracy up to 4.3 % better than dense (data set not named)"
    claims.append(lab.claims.not_run("abstract", best, "4.3 %", needs="the names of the data set and of the baseline"))

# %%
# What is the paper's and what is ours
# ------------------------------------
# This is a re-implementation from the abstract and from public code of others, who carried the method over to spiking
# networks (the *port*).
#
# * From the abstract: connectivity that is sparse and modular, rewiring by correlated activity.
# * From the port: 8 groups, all synapses within matched groups, 15 % of the others, the three groupings, 16 patches
#   with 32 filters, Adam at 1e-3, batches of 256.
# * Ours: the number of synapses is exact, He's initial weights, a cosine of the learning rate, 10 % of the synapses
#   rewired per epoch along a cosine that ends after three quarters of the training, pruning by magnitude, Pearson's
#   signed correlation (the port: cosine), standardised inputs, no weight decay, the widths, and the data of the default
#   run.
#
# Exercises
# ---------
# They are in ``chapters/exercises/g2gnet.md``, with hints and solutions.
# ``python -m minisparse.lab exercise g2gnet 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``minisparse/groups.py`` (the wiring), ``minisparse/weights/grouped.py`` (its storage), ``tests/test_groups.py``.
#
# Longer runs
# -----------
# * ``python chapters/g2gnet.py --dataset fashion-mnist --nodes 512 --groups 8 --batch 256 --epochs 6 --seeds 3
#   --record``
# * ``python chapters/g2gnet.py --dataset cifar10 --nodes 512 --groups 8 --batch 256 --epochs 8 --seeds 3 --record``
# * optional, hours: ``python chapters/g2gnet.py --dataset cifar10 --stem patches --nodes 1024 --groups 8 --batch 256
#   --epochs 30 --seeds 5 --record``, and the same with ``--dataset cifar100``

suffix = (f"-{args.dataset}" if args.dataset != "digits" else "") + ("-patches" if args.stem != "none" else "")
lab.finish(args, "g2gnet", claims + lab.claims.planned("g2gnet"), ["g2gnet.png", "wiring.png"], suffix)
