"""
How a gradient check works, and six ways it lies
================================================

Whoever writes a backward pass by hand needs a judge that has not read the derivation. A central difference is one: it
knows the forward pass and nothing else. This chapter computes a gradient by hand in whole numbers, builds the judge,
and shows six situations in which its verdict is wrong, with the remedy for each.
"""

# %%
# The claim, in one figure
# ------------------------
# The run below ends with ``out/checks/checks.png``: the error of a right and of a wrong gradient against the step of
# the difference quotient. Between too large a step (the curve bends) and too small a one (digits cancel) lies a valley,
# far below the tolerance of the check; a wrong gradient has none.
#
# .. list-table:: The six lies of this chapter
#    :header-rows: 1
#
#    * - what misleads the check
#      - example
#      - remedy
#    * - 1. equal numbers as cotangent
#      - a softmax whose backward pass returns 0 passes
#      - draw the cotangent at random
#    * - 2. sizes that are 1, or equal
#      - with one time step nothing flows back in time
#      - all sizes above 1, all different
#    * - 3. an absent synapse
#      - a gradient where there is no synapse passes
#      - demand exact zeros there
#    * - 4. a kink
#      - a right ReLU is accused
#      - notice it, abstain, say so
#    * - 5. entries of very different sizes
#      - a small slope of the wrong sign passes
#      - judge each entry against itself
#    * - 6. one training step
#      - an optimiser that forgets passes
#      - take two steps

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import textwrap

import numpy as np

from minisparse import lab


def switches(flag):
    flag("--all", action="store_true", default=False, help="also the lines, and each mistake with what each check sees")


args = lab.chapter(
    "checks",
    __doc__ or "How a gradient check works, and six ways it lies",
    {"seeds": 5, "time": "under 30 s"},
    smoke={"seeds": 1, "time": "under 10 s"},
    add=switches,
)
rows = []

# %%
# A judge that you can type
# -------------------------
# Twenty lines of NumPy, nothing hidden. ``forward`` returns the output and what the backward pass needs; ``backward``
# returns a gradient for each input. Every entry of every input is moved both ways by a step h. The output is an array,
# and a slope is that of one number. So each entry of the output is multiplied by a number of its own, drawn at random,
# and all are added up. These numbers, ``dy``, are called the *cotangent*. (The step is 1e-5. Which one is best depends
# on the function; the figure shows that any one near it will do.)


def typed_check(forward, backward, inputs, h=1e-5, tolerance=1e-6, dy=None):
    """Compare a backward pass with central differences, every entry; returns {name: whether it agrees}."""
    y, cache = forward(**inputs)
    dy = np.random.default_rng(0).standard_normal(y.shape) if dy is None else dy
    grads, agrees = backward(dy, cache), {}
    for name, value in inputs.items():
        numeric = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            ahead, behind = value.copy(), value.copy()
            ahead[place] += h
            behind[place] -= h
            change = forward(**{**inputs, name: ahead})[0] - forward(**{**inputs, name: behind})[0]
            numeric[place] = (dy * change).sum() / (2 * h)
        error = np.abs(grads[name] - numeric).max()
        agrees[name] = bool(error <= tolerance * (1 + np.abs(numeric).max()))
    return agrees


def affine(W, x, b):
    return W @ x + b, (W, x)


def affine_back(dy, cache):
    W, x = cache
    return {"W": dy @ x.T, "x": W.T @ dy, "b": dy.sum(axis=1, keepdims=True)}


def affine_mean(dy, cache):
    return {**affine_back(dy, cache), "b": dy.mean(axis=1, keepdims=True)}


draw = np.random.default_rng(0).standard_normal
layer = {"W": draw((4, 3)), "x": draw((3, 5)), "b": draw((4, 1))}
print(f"the typed judge, a right layer: {typed_check(affine, affine_back, layer)}")
print(f"                 a mean for db: {typed_check(affine, affine_mean, layer)}")

# %%
# It finds the usual slips, and for a function of your own it may be all that you need. Now the real one, which has to
# answer for whatever comes.

import minisparse as ms
from minisparse.gradcheck import catalogue, sight

ms.use("numpy")  # tiny networks: on a GPU each of their passes would wait for its launches

# %%
# By hand, in whole numbers
# -------------------------
# Two neurons, one input that is always 1, three time steps, ReLU:
#
# .. math::
#
#    W = \begin{pmatrix} 1 & -1 \\ 2 & -1 \end{pmatrix}, \quad U = \begin{pmatrix} 1 \\ -1 \end{pmatrix}, \quad
#    a_t = W h_t + U x_t, \quad h_{t+1} = \max(a_t, 0), \quad dh_3 = \begin{pmatrix} 1 \\ -1 \end{pmatrix}
#
# Here :math:`h_0 = 0`, :math:`dh_3` is the slope of the loss in :math:`h_3`, and :math:`da_t` that in :math:`a_t`. Take
# a pencil. Forward, :math:`h_1 = (1, 0)`, :math:`h_2 = (2, 1)`, :math:`h_3 = (2, 2)`. Backward, the gate of step
# :math:`t` is 1 where :math:`h_{t+1} > 0` and else 0, and (:math:`\circ` multiplies place by place)
#
# .. math::
#
#    da_2 = dh_3 \circ gate_2, \qquad da_t = (W^\top da_{t+1}) \circ gate_t, \qquad
#    dW = \sum_t da_t\, h_t^\top, \qquad dU = \sum_t da_t\, x_t
#
# The library's own passes are run on Python's whole numbers, so every number below is exact.


def whole(numbers):
    return np.array(numbers, dtype=object)


def by_hand(mistake=None):
    """Run the two-neuron network; returns its states and gradients, under a planted mistake if one is given."""
    model = ms.RNN(1, ms.make_weights(ms.full(2, 2), "dense"), 2, "relu")
    if mistake:
        model = catalogue.find(mistake).plant(model)
    zero = whole([[0], [0]])
    params = {"W_in": whole([[1], [-1]]), "W_rec": whole([[1, -1], [2, -1]]), "b_in": zero, "b_rec": zero}
    params |= {"W_out": whole([[1, 0], [0, 1]]), "b_out": zero}
    cache = model.forward(params, whole([[[1]]] * 3))[1]
    grads = model.backward(whole([[1], [-1]]), cache)
    da, _ = model.layer.through_time(whole([[[1], [-1]]]), cache)
    return cache.h[:, :, 0].tolist(), da[:, :, 0].tolist(), grads["W_rec"].tolist(), grads["W_in"][:, 0].tolist()


states, da, dW, dU = by_hand()
for t in range(3):
    gate = tuple(int(h > 0) for h in states[t + 1])
    print(f"  t = {t}: h_t = {tuple(states[t])}   gate_t = {gate}   da_t = {tuple(da[t])}")
print(f"  dW = {dW}   dU = {tuple(dU)}")
assert states == [[0, 0], [1, 0], [2, 1], [2, 2]]
assert da == [[-1, 0], [-1, 0], [1, -1]]
assert dW == [[1, 1], [-2, -1]]
assert dU == [-1, -1]

# %%
# Five slips, each one line of the library exchanged, under the names of the library's catalogue of mistakes (*bptt*:
# back-propagation through time): :math:`W` in the place of :math:`W^\top`; :math:`h_{t+1}` in the place of :math:`h_t`
# in :math:`dW`; no gate; only the last step; :math:`dW` transposed. Look at the third: forgetting the gate leaves
# :math:`dW` *right* and spoils :math:`dU`. (The gate is shut at step 0. In :math:`dW` its :math:`da_0` is multiplied by
# :math:`h_0 = 0`.) One tensor is not enough: check all.

SLIPS = ("bptt-not-transposed", "bptt-dW-same-step", "bptt-no-slope", "bptt-last-step-only", "bptt-dW-transposed")
print(f"\n  {'slip':24s}{'dW':24s}{'dU':12s}visible in")
for code in SLIPS:
    _, _, wrong_W, wrong_U = by_hand(code)
    shows = [name for name, same in (("dW", wrong_W == dW), ("dU", wrong_U == dU)) if not same]
    print(f"  {code:24s}{wrong_W!s:24s}{tuple(wrong_U)!s:12s}{' and '.join(shows) or 'nothing'}")
assert by_hand("bptt-no-slope")[2] == dW
assert by_hand("bptt-no-slope")[3] != dU

# %%
# The judge, in five rungs
# ------------------------
# **1. Forward.** :math:`y = f(w)` is an array. **2. Perturb.** Move one entry :math:`w_k` by :math:`\pm h`, the step.
# **3. Collect.** An array cannot be compared with a number, so weigh its entries with a cotangent :math:`dy` and add
# up: :math:`F(w) = \sum dy \circ f(w)`. What ``backward(dy, cache)`` returns is by definition
# :math:`\partial F / \partial w`. **4. The formula.**
#
# .. math::
#
#    \frac{F(w + h e_k) - F(w - h e_k)}{2h} = \frac{\partial F}{\partial w_k} +
#    \frac{h^2}{6} \frac{\partial^3 F}{\partial w_k^3} + \dots \pm \frac{u\,|F|}{h}
#
# Halving :math:`h` quarters the first error and doubles the second, rounding; :math:`u \approx 10^{-16}` is the
# rounding unit of float64. **5. The code** is the line of ``typed_check`` with ``2 * h``. Everything else in a checker
# is there because of the lies below.
#
# One direction at one step may be lucky, so the figure shows the middle of 20 random directions, and the band that
# holds 16 of them.

model, params, x, labels, signs = sight.example("dense", "tanh")
functions = ms.pair(model, params, x)
forward, values = functions["forward"], functions["inputs"]
y, cache = forward(**values)
dy = np.random.default_rng(0).standard_normal(y.shape)
slip = ms.pair(catalogue.find("bptt-no-slope").plant(model), params, x)
grads = {
    "right": functions["backward"](dy, cache),
    "one slope missing": slip["backward"](dy, slip["forward"](**values)[1]),
}
STEPS = 10.0 ** np.arange(-13, 0.5, 0.5)
found = {name: np.zeros((20, len(STEPS))) for name in grads}
for k, direction in enumerate(np.random.default_rng(1).standard_normal((20, *params["W_in"].shape))):
    for j, h in enumerate(STEPS):
        d = ms.asarray(direction)
        ahead, behind = (forward(**{**values, "W_in": params["W_in"] + s * h * d})[0] for s in (1, -1))
        numeric = float((dy * (ahead - behind)).sum()) / (2 * h)
        scale = float(abs(grads["right"]["W_in"] * d).sum())  # what a slope adds up from; the slope may cancel
        for name, grad in grads.items():
            found[name][k, j] = abs(numeric - float((grad["W_in"] * d).sum())) / scale
bands = {name: np.quantile(errors, (0.1, 0.5, 0.9), axis=0).tolist() for name, errors in found.items()}
best = int(np.argmin(bands["right"][1]))
print(f"\nsmallest median error of the right gradient: {bands['right'][1][best]:.0e} at h = {STEPS[best]:.0e}")
rows.append({"part": "steps", "step": STEPS.tolist(), **bands})


def plot_steps(rows, path):
    """Draw the error of a right and of a wrong gradient over the step of the difference quotient."""
    (row,) = (row for row in rows if row["part"] == "steps")
    h, bands = np.array(row["step"]), {name: np.maximum(row[name], 1e-17) for name in ("right", "one slope missing")}
    figure, axes = ms.plot.figure(size=(8.4, 4.6))
    for style, (name, (low, middle, high)) in zip(ms.plot.LINES, bands.items(), strict=False):
        axes.loglog(h, middle, label=name, **style)
        axes.fill_between(h, low, high, color=style["color"], alpha=0.2, linewidth=0)
    guide = {"color": "0.5", "linewidth": 0.9, "linestyle": "--"}
    bottom = int(np.argmin(bands["right"][1]))
    for slope, side, at, apart in ((2, h[bottom + 1 : -4], -6, 0.02), (-1, h[: bottom - 2], bottom - 6, 8)):
        line = apart * bands["right"][1][at] * (side / h[at]) ** slope
        axes.loglog(side, line, **guide)
        axes.text(
            1.5 * side[len(side) // 2],
            max(1, -4 * slope) * line[len(side) // 2],
            f"slope {slope}",
            color="0.35",
            size=11,
        )
    axes.axhline(ms.gradcheck.TOLERANCE, color="0.5", linewidth=0.8, linestyle=":")
    axes.text(h[-1], 0.2 * ms.gradcheck.TOLERANCE, "tolerance", color="0.35", size=11, ha="right", va="bottom")
    axes.set(
        xlabel="step h of the difference quotient (in units of the weights)", ylabel="relative error (dimensionless)"
    )
    wrong, valley = np.median(bands["one slope missing"][1]), bands["right"][1][bottom]
    axes.set_title(f"A right gradient has a valley, down to {valley:.0e}; a wrong one has none", loc="left")
    ms.plot.name_lines(axes)
    alt = (
        f"Error over the step: a valley down to {valley:.0e} at {h[bottom]:.0e}; a wrong gradient stays at {wrong:.0e}."
    )
    ms.plot.save(figure, path, alt=alt)


drawn = ["checks.png"] if ms.plot.can_draw() else []
for file in drawn:
    plot_steps(rows, args.out / file)

# %%
# Lie 1: a cotangent of ones
# --------------------------
# A softmax whose backward pass returns zeros passes a check with :math:`dy = 1`: its columns add up to 1 whatever the
# input, so the true gradient of their sum *is* zero, and the difference quotient is pure rounding. Draw the cotangent
# at random.


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0), e / e.sum(axis=0)


def returns_zeros(dy, y):
    return {"z": 0 * y}


def passes(*pair, **settings):
    """Whether the typed judge finds nothing."""
    return all(typed_check(*pair, **settings).values())


z, ones = {"z": np.random.default_rng(0).standard_normal((4, 3))}, np.ones((4, 3))
lies = [("a softmax whose backward returns 0", "dy = 1", passes(softmax, returns_zeros, z, dy=ones),
         ms.check_pair(softmax, returns_zeros, z, dy=ones)),
        ("", "random dy", passes(softmax, returns_zeros, z), ms.check_pair(softmax, returns_zeros, z))]  # fmt: skip

# %%
# Lie 2: sizes that are 1, or equal
# ---------------------------------
# At one time step nothing flows back in time; with one example a sum is its mean. (Avoid equal sizes, too: a transposed
# weight fits if it is square.) How many of a recurrent network's catalogued gradient mistakes can be seen at all
# with one example, or one step?


def show(text):
    """Print lines, long ones over several."""
    for line in str(text).splitlines():
        print(textwrap.fill(line, 100, subsequent_indent="    ") if len(line) > 100 else line)


def what_shows(batch, time):
    """Count the mistakes that can be seen at a batch size and a number of time steps."""
    sizes, shown, concerned = {**sight.SIZES, "batch": batch, "time": time}, set(), set()
    for storage, activation in (("dense", "relu"), ("dense", "tanh"), ("csr", "tanh")):
        small, values, batched, classes, _ = sight.example(storage, activation, sizes)
        report = ms.check(small, values, batched, classes)
        here = {row.code for row in catalogue.catalogue() if row.concerns(small, ms.softmax_cross_entropy)}
        concerned |= here
        shown |= here - set(report.blind)
    return {"part": "sizes", "batch": batch, "time": time, "shown": len(shown), "of": len(concerned)}


print(f"\n{'batch':>6s}{'time':>6s}   gradient mistakes that show")
for batch, time in ((3, 5), (1, 5), (3, 1), (1, 1)):
    rows.append(what_shows(batch, time))
    print("{batch:6d}{time:6d}   {shown} of {of}".format(**rows[-1]))
print("a report says so itself, in its last line:")
show(str(ms.check(*sight.example("dense", "tanh", {**sight.SIZES, "batch": 1})[:4])).splitlines()[-1])

# %%
# Lie 3: an absent synapse
# ------------------------
# The forward pass multiplies by the mask, or stores existing synapses only; moving an absent weight moves nothing, so
# no difference quotient can accuse a gradient there. But an optimiser would use it. Demand exact zeros off the mask.

mask = np.array([[1, 0, 1], [0, 1, 1]], dtype=bool)
given = {"W": np.random.default_rng(0).standard_normal((2, 3)) * mask, "x": np.ones((3, 2))}


def masked(W, x):
    return (W * mask) @ x, x


def without_mask(dy, x):
    return {"W": dy @ x.T}


def existing(W, x):
    full = np.zeros((2, 3))
    full[mask] = W
    return full @ x, x


stored = {"W": given["W"][mask], "x": given["x"]}
pair = existing, lambda dy, x: {"W": without_mask(dy, x)["W"][mask], "x": (mask * given["W"]).T @ dy}, stored
lies += [("a gradient without its mask", "existing synapses only", passes(*pair), ms.check_pair(*pair, wrt=["W"]))]
lies += [("", "exact zeros", None, ms.check_pair(masked, without_mask, given, wrt=["W"], support={"W": mask}))]

# %%
# Lie 4: a kink
# -------------
# Here the judge errs the other way: within a step of a kink of ReLU, the difference quotient is a mixture of two slopes
# and accuses a right gradient. Here one entry is 1e-6 from the kink and one lies on it. A checker has to notice. It can
# judge the first one, with a smaller step. On the kink there is no slope to compare with: it abstains, and its report
# says how often.

near = {"x": np.array([-1.0, 0.0, 1e-6, 0.5, 2.0])}
relu = lambda x: (np.maximum(x, 0), x), lambda dy, x: {"x": dy * (x > 0)}, near
report = ms.check_pair(*relu)
lies += [("a right ReLU next to its kink", "kinks are seen", passes(*relu), report)]
print(f"\njudged {report.rows[0].judged} entries, left out {report.rows[0].not_judged}: {report.rows[0].reason}")

# %%
# Lie 5: entries of very different sizes
# --------------------------------------
# The typed judge measures every error against the largest entry of a tensor. A slope ten million times smaller may then
# have the wrong sign. Every entry has to be judged against itself, with an error bar of its own.


def two_scales(w):
    return np.array([1e4 * w[0] ** 2 + 1e-3 * w[1] ** 2]), w


def wrong_sign(dy, w):
    return {"w": dy * np.array([2e4 * w[0], -2e-3 * w[1]])}


both = two_scales, wrong_sign, {"w": np.ones(2)}
lies += [("a small slope of the wrong sign", "each entry", passes(*both), ms.check_pair(*both))]

# %%
# Lie 6: one step
# ---------------
# A gradient can be right and the training wrong. *Adam* keeps a running mean :math:`m` of the gradient :math:`g` of
# each weight :math:`w`, and one of its square, :math:`v` (the moments), and divides one by the root of the other. What
# goes wrong: moments that do not live on, a count of steps that starts at 0, a limit on weights that is set on a copy
# of them. Most of it shows in the *second* step only, against the closed form for step :math:`k`:
#
# .. math::
#
#    m_k = (1-\beta_1) \sum_{i \le k} \beta_1^{k-i} g_i, \qquad v_k = (1-\beta_2) \sum_{i \le k} \beta_2^{k-i} g_i^2,
#    \qquad w_k = w_{k-1} - \eta \frac{m_k / (1-\beta_1^k)}{\sqrt{v_k / (1-\beta_2^k)} + \epsilon}
#
# (:math:`\eta` is the learning rate; :math:`\beta_1 = 0.9` and :math:`\beta_2 = 0.999` say how fast the means forget;
# :math:`\epsilon` is tiny.) The table of all lies follows. *Typed* is the judge above; behind *caught* stand the codes
# of the findings: *adam-derived-weight* is the catalogue's name for moments that start again at every step.

OPTIMISER = ("O1", "O2", "O3", "O4", "O5", "O6")
for tag in OPTIMISER if args.all else ():
    print(f"  ({tag})  {ms.code_line(tag)}")
forgetful = catalogue.find("adam-derived-weight")
once = ms.check_steps(model, params, x, labels, forgetful.plant(ms.Adam(lr=0.1)), steps=1)
twice = ms.check_steps(model, params, x, labels, forgetful.plant(ms.Adam(lr=0.1)), steps=2)
lies += [("moments that do not live on", "one step", None, once), ("", "two steps", None, twice)]

print(f"\n{'what':36s}{'check':23s}{'typed':8s}minisparse")
for what, how, typed, report in lies:
    found = ", ".join(report.codes)
    verdict = "passes" if report.ok else "nothing to judge" if found == "unjudged" else f"caught: {found}"
    print(f"{what:36s}{how:23s}{ {True: 'passes', False: 'caught', None: '-'}[typed]:8s}{verdict}")
    rows.append({"part": "lies", "what": what, "check": how, "typed": typed, "ok": report.ok, "codes": [*report.codes]})

# %%
# And what no check can say: a difference quotient knows *your* forward pass. If that is wrong, a backward pass that
# fits it is wrong as well. So the tests of this library compare with a second forward pass, written without a look at
# the first, under automatic differentiation.
#
# The lines under test
# --------------------
# Besides the passes of ``chapters/dale.py`` some lines carry a gradient: three linear maps per storage (dense, and
# *csr*, which holds the existing synapses only), and the slopes, taken from the *value* of the nonlinearity. ``--all``
# prints them. The loss and the first slope are in that chapter.

MAPS = ("S1", "S2", "S3", "S4", "S5", "S6", "N2", "N3")
for tag in MAPS if args.all else ():
    print(f"  ({tag})  {ms.code_line(tag)}")

# %%
# What is wrong, in a sentence
# ----------------------------
# A check that says only "wrong" leaves the search to you. For a model of this library the report compares with every
# mistake of the catalogue; for any other pair of functions it looks at the numbers: is the ratio a size, an input, a
# norm? Does the error lie along an input, that is, is each row of it a row of that input times a number? Is it confined
# to negative entries, to one row, to later time steps?
#
# Each seed draws two networks, dense with ReLU and csr with tanh. In each of them every mistake of the catalogue that
# concerns it is planted in turn, one at a time; so one mistake counts up to twice per seed.


def run(seeds):
    """Plant the catalogue over some seeds; count what is caught and named."""
    counts = {"caught": 0, "named": 0, "planted": 0}
    for seed in range(seeds):
        for storage, activation in (("dense", "relu"), ("csr", "tanh")):
            small, values, batch, *_ = sight.example(storage, activation, seed=seed)
            for row in catalogue.catalogue():
                if row.concerns(small):
                    report = ms.check(row.plant(small), values, batch, seed=seed)
                    counts["planted"] += 1
                    counts["caught"] += not report.ok
                    counts["named"] += row.code in report.codes[:1]
    return counts


counts = run(args.seeds)
print(
    f"\nplanted {counts['planted']} mistakes over {args.seeds} seeds: "
    f"{counts['caught']} caught, {counts['named']} named"
)
rows.append({"part": "catalogue", "seeds": args.seeds, **counts})

wrong = ms.check_pair(
    lambda v, g, x: (g * v / np.linalg.norm(v, axis=1, keepdims=True) @ x, (v, g, x)),
    lambda dy, c: {
        "v": c[1] * (dy @ c[2].T) / np.linalg.norm(c[0], axis=1, keepdims=True),
        "g": ((dy @ c[2].T) * c[0]).sum(axis=1, keepdims=True),
        "x": (c[1] * c[0] / np.linalg.norm(c[0], axis=1, keepdims=True)).T @ dy,
    },
    {
        "v": np.random.default_rng(0).standard_normal((4, 3)),
        "g": np.ones((4, 1)) * 2,
        "x": np.random.default_rng(1).standard_normal((3, 5)),
    },
)
print("\na normalised layer, with the length of v taken for a constant and forgotten in dg:")
show(wrong)

# %%
# What each check sees
# --------------------
# ``--all`` prints the catalogue: every mistake with its line, right and wrong; and of those in a recurrent network and
# its training, which checks catch them. Each is planted in the library's own source, one line exchanged. A cotangent
# of ones and a random one compare existing synapses only; *exact zeros* also asks for +0 off the pattern; *two steps*
# takes two training steps and compares them with Adam's closed form and the clamp.

for row in catalogue.catalogue() if args.all else ():
    show(f"\n{row.code} ({row.tag}): {row.sentence}\n    right  {row.right}\n    wrong  {row.wrong}")
seen = sight.what_each_check_sees() if args.all else []
if seen:
    print(f"\n{'mistake':30s}{'line':6s}" + "".join(f"{check:>13s}" for check in sight.CHECKS))
    for row in seen:
        answers = "".join(f"{'caught' if row[check] else 'missed':>13s}" for check in sight.CHECKS)
        print(f"{row['code']:30s}{'(' + row['tag'] + ')':6s}{answers}")
    caught = "".join(f"{sum(row[check] for row in seen):>10d}/{len(seen)}" for check in sight.CHECKS)
    print(f"{'caught':36s}{caught}")

# %%
# Exercises
# ---------
# They are in ``chapters/exercises/checks.md``, with hints and solutions.
# ``python -m minisparse.lab exercise checks 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# In ``minisparse/gradcheck``: ``probe.py`` and ``comparison.py`` (the judge), ``catalogue/`` (the mistakes),
# ``diagnosis/`` (what the numbers tell); ``minisparse/testing/`` (strategies and laws for tests of your own).


lab.finish(args, "checks", rows, drawn)
