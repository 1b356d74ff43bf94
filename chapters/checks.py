"""
How a gradient check works, and five ways it lies
=================================================

Whoever writes a backward pass by hand needs a judge that has not read the derivation. A central difference is one: it
knows the forward pass and nothing else. This chapter computes a gradient by hand in whole numbers, builds the judge,
and shows five situations in which it says *right* to something wrong, with the remedy for each.
"""

# %%
# The claim, in one figure
# ------------------------
# The run below ends with ``out/checks/checks.png``: the error of a right and of a wrong gradient against the step of
# the difference quotient. Between too large a step (the curve bends) and too small a one (digits cancel) lies a valley,
# far below the tolerance of the check; a wrong gradient has none.

import numpy as np

import minisparse as ms
from minisparse import lab
from minisparse.gradcheck import catalogue, sight

args = lab.chapter(
    "checks",
    __doc__ or "How a gradient check works, and five ways it lies",
    {"seeds": 5, "time": "under 30 s"},
    smoke={"seeds": 1, "time": "under 10 s"},
)
rows = []

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
# Take a pencil. Forward, :math:`h_1 = (1, 0)`, :math:`h_2 = (2, 1)`, :math:`h_3 = (2, 2)`. Backward, the gate of step
# :math:`t` is 1 where :math:`h_{t+1} > 0`, and :math:`da_t = (W^\top da_{t+1}) \circ gate_t`. The library's own passes
# are run on Python's whole numbers, so every number below is exact.


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
    da = cache.links["W_rec"][2]
    return cache.h[:, :, 0].tolist(), da[:, :, 0].tolist(), grads["W_rec"].tolist(), grads["W_in"][:, 0].tolist()


states, da, dW, dU = by_hand()
for t, h in enumerate(states):
    print(f"  h_{t} = {tuple(h)}" + (f"   da_{t} = {tuple(da[t - 1])}" if 0 < t < 3 else ""))
print(f"  dW = {dW}   dU = {tuple(dU)}")
assert states == [[0, 0], [1, 0], [2, 1], [2, 2]]
assert dW == [[1, 1], [-2, -1]]
assert dU == [-1, -1]

# %%
# Five slips, each one line of the library exchanged. Look at the third: forgetting the gate leaves :math:`dW` *right*
# (the unit that was shut had no input to be charged for) and spoils :math:`dU`. One tensor is not enough: check all.

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
# **1. Forward.** :math:`y = f(w)` is an array. **2. Perturb.** Move one entry :math:`w_k` by :math:`\pm\varepsilon`.
# **3. Collect.** An array cannot be compared with a number, so weigh its entries with a cotangent :math:`dy` and add
# up: :math:`F(w) = \sum dy \circ f(w)`. What ``backward(dy, cache)`` returns is by definition
# :math:`\partial F / \partial w`. **4. The formula.**
#
# .. math::
#
#    \frac{F(w + \varepsilon e_k) - F(w - \varepsilon e_k)}{2\varepsilon} = \frac{\partial F}{\partial w_k} +
#    \frac{\varepsilon^2}{6} \frac{\partial^3 F}{\partial w_k^3} + \dots \pm \frac{\epsilon\,|F|}{\varepsilon}
#
# Halving :math:`\varepsilon` quarters the first error and doubles the second, rounding, where
# :math:`\epsilon \approx 10^{-16}` in float64. **5. The code** is ``Probe.slope`` in
# ``minisparse/gradcheck/probe.py``: three lines. Everything else in a checker is there because of the lies below.

model, params, x, labels, signs = sight.example("dense", "tanh")
functions = ms.pair(model, params, x)
probe = ms.gradcheck.probe.Probe(functions["forward"], functions["inputs"], seed=0)
grads = {
    "right": functions["backward"](probe.cotangent(), probe.cache),
    "one slope missing": ms.pair(catalogue.find("bptt-no-slope").plant(model), params, x)["backward"](
        probe.cotangent(), probe.cache
    ),
}
direction = np.random.default_rng(1).standard_normal(params["W_in"].shape)
STEPS = 10.0 ** np.arange(-13, 0.5, 0.5)
numeric = np.array([probe.slope("W_in", direction, step)[0] for step in STEPS])
slopes = {name: float((ms.to_numpy(g["W_in"]) * direction).sum()) for name, g in grads.items()}
errors = {name: np.abs(numeric - slope) / abs(slopes["right"]) for name, slope in slopes.items()}
best = STEPS[errors["right"].argmin()]
print(f"\nsmallest error of the right gradient: {errors['right'].min():.0e} at step {best:.0e}")
rows.append({"part": "steps", "step": STEPS.tolist(), **{name: error.tolist() for name, error in errors.items()}})


def plot_steps(rows, path):
    """Draw the error of a right and of a wrong gradient over the step of the difference quotient."""
    (row,) = (row for row in rows if row["part"] == "steps")
    steps, errors = row["step"], {name: np.array(row[name]) for name in ("right", "one slope missing")}
    figure, axes = ms.plot.figure(size=(6.4, 3.6))
    for style, (name, error) in zip(ms.plot.LINES, errors.items(), strict=False):
        axes.loglog(steps, np.maximum(error, 1e-17), label=name, **style)
    axes.axhline(ms.gradcheck.TOLERANCE, color="0.5", linewidth=0.8, linestyle=":")
    axes.text(steps[8], 1.6 * ms.gradcheck.TOLERANCE, "tolerance of the check", color="0.35", size=8)
    axes.set(xlabel="step of the difference quotient (dimensionless)", ylabel="relative error (dimensionless)")
    axes.set_title("Rounding on the left, curvature on the right")
    axes.legend()
    valley = f"down to {errors['right'].min():.0e} at {steps[errors['right'].argmin()]:.0e}"
    alt = (
        f"Error of a gradient check against its step: a valley {valley} for the right gradient, "
        f"a plateau near {np.median(errors['one slope missing']):.0e} for a wrong one."
    )
    ms.plot.save(figure, path, alt=alt)


plot_steps(rows, args.out / "checks.png")

# %%
# Lie 1: a cotangent of ones
# --------------------------
# A softmax whose backward pass returns zeros passes a check with :math:`dy = 1`: its columns add up to 1 whatever the
# input, so the true gradient of their sum *is* zero, and the difference quotient is pure rounding. (This library's
# check then says that it could judge nothing.) Draw the cotangent at random.


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0), e / e.sum(axis=0)


def returns_zeros(dy, y):
    return {"z": 0 * y}


z = {"z": np.random.default_rng(0).standard_normal((4, 3))}


def largest_slope(dy):
    """The largest difference quotient of the softmax for a cotangent."""
    judge = ms.gradcheck.probe.Probe(softmax, z, seed=0, dy=dy)
    units = np.eye(12).reshape(12, 4, 3)
    return max(abs(judge.slope("z", unit, 1e-5)[0]) for unit in units)


quotients = largest_slope(np.ones((4, 3))), largest_slope(None)
print(f"\nlargest difference quotient of a softmax: {quotients[0]:.0e} for dy = 1, {quotients[1]:.0e} for a random dy")
lies = [("a softmax whose backward returns 0", "dy = 1", ms.check_pair(softmax, returns_zeros, z, dy=np.ones((4, 3))))]
lies += [("", "random dy", ms.check_pair(softmax, returns_zeros, z))]

# %%
# Lie 2: sizes that are equal, or 1
# ---------------------------------
# At one time step nothing flows back in time; with one example a sum is its mean; a square weight hides a transposed
# shape. How many of the catalogued gradient mistakes can be seen at all?


def what_shows(batch, time):
    """Count the mistakes that can be seen at a batch size and a number of time steps."""
    gradients = [row for row in catalogue.catalogue() if row.family != "optimiser"]
    sizes, shown = {**sight.SIZES, "batch": batch, "time": time}, set()
    for storage, activation in (("dense", "relu"), ("dense", "tanh"), ("csr", "tanh")):
        small, values, batched, classes, _ = sight.example(storage, activation, sizes)
        report = ms.check(small, values, batched, classes)
        concerned = [row for row in gradients if row.concerns(small) or row.family == "loss"]
        shown |= {row.code for row in concerned} - set(report.blind)
    return {"part": "sizes", "batch": batch, "time": time, "shown": len(shown), "of": len(gradients)}


print(f"\n{'batch':>6s}{'time':>6s}   gradient mistakes that show")
for batch, time in ((3, 5), (1, 5), (3, 1), (1, 1)):
    rows.append(what_shows(batch, time))
    print("{batch:6d}{time:6d}   {shown} of {of}".format(**rows[-1]))
print("a report says so itself, in its last line:")
print(ms.check(*sight.example("dense", "tanh", {**sight.SIZES, "batch": 1})[:4]))

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
silent = ms.check_pair(existing, lambda dy, x: {"W": without_mask(dy, x)["W"][mask]}, stored, wrt=["W"])
lies += [("a gradient without its mask", "existing synapses only", silent)]
lies += [("", "exact zeros", ms.check_pair(masked, without_mask, given, wrt=["W"], support={"W": mask}))]

# %%
# Lie 4: a kink
# -------------
# Here the judge errs the other way: within a step of a kink of ReLU, the difference quotient is a mixture of two slopes
# and accuses a right gradient. A checker has to notice and to abstain; how often it abstained belongs in its report.

near = {"x": np.array([-1.0, 1e-6, 0.5, 2.0])}
report = ms.check_pair(lambda x: (np.maximum(x, 0), x), lambda dy, x: {"x": dy * (x > 0)}, near)
lies += [("a right ReLU next to its kink", "abstains", report)]
print(f"\njudged {report.rows[0].judged} entries, left out {report.rows[0].not_judged}: {report.rows[0].reason}")

# %%
# Lie 5: one step
# ---------------
# A gradient can be right and the training wrong: moments that do not live on, a count that starts at 0, a clamp on a
# copy. These show in the *second* step, against the closed form of the optimiser:
#
# .. math::
#
#    m_k = (1-\beta_1) \sum_{i \le k} \beta_1^{k-i} g_i, \qquad v_k = (1-\beta_2) \sum_{i \le k} \beta_2^{k-i} g_i^2,
#    \qquad w_k = w_{k-1} - \eta \frac{m_k / (1-\beta_1^k)}{\sqrt{v_k / (1-\beta_2^k)} + \epsilon}

OPTIMISER = ("O1", "O2", "O3", "O4", "O5", "O6")
for tag in OPTIMISER:
    print(f"  ({tag})  {ms.code_line(tag)}")
forgetful = catalogue.find("adam-derived-weight")
once = ms.check_steps(model, params, x, labels, forgetful.plant(ms.Adam(lr=0.1)), steps=1)
twice = ms.check_steps(model, params, x, labels, forgetful.plant(ms.Adam(lr=0.1)), steps=2)
lies += [("moments that do not live on", "one step", once), ("", "two steps", twice)]

print(f"\n{'what':36s}{'check':24s}verdict")
for what, how, report in lies:
    found = ", ".join(report.codes)
    verdict = "passes" if report.ok else "nothing to judge" if found == "unjudged" else f"caught: {found}"
    print(f"{what:36s}{how:24s}{verdict}")
    rows.append({"part": "lies", "what": what, "check": how, "ok": report.ok, "codes": list(report.codes)})

# %%
# And what no check can say: a difference quotient knows *your* forward pass. If that is wrong, a backward pass that
# fits it is wrong as well. So the tests of this library compare with a second forward pass, written without a look at
# the first, under automatic differentiation.
#
# The lines under test
# --------------------
# Besides the passes of ``chapters/dale.py``, these lines carry a gradient: three linear maps per storage (dense, then
# only the synapses) and the slopes, taken from the *value* of the nonlinearity. The loss and the first slope are in
# that chapter.

MAPS = ("S1", "S2", "S3", "S4", "S5", "S6", "N2", "N3")
for tag in MAPS:
    print(f"  ({tag})  {ms.code_line(tag)}")

# %%
# What is wrong, in a sentence
# ----------------------------
# A check that says only "wrong" leaves the search to you. For a model of this library the report compares with every
# mistake of the catalogue; for any other pair of functions it looks at the numbers: is the ratio a size, an input, a
# norm? Does the error lie along an input? Is it confined to negative entries, to one row, to later time steps?


def run(seeds):
    """Plant the catalogue over some seeds; count what is caught and named."""
    counts = {"caught": 0, "named": 0, "planted": 0}
    for seed in range(seeds):
        for storage, activation in (("dense", "relu"), ("csr", "tanh")):
            small, values, batch, *_ = sight.example(storage, activation, seed=seed)
            for row in catalogue.catalogue():
                if row.family == "optimiser" or not row.concerns(small):
                    continue
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
print(wrong)

# %%
# The catalogue
# -------------

for row in catalogue.catalogue():
    print(f"\n{row.code} ({row.tag}): {row.sentence}\n    right  {row.right}\n    wrong  {row.wrong}")

# %%
# Exercises
# ---------
# 1. By hand: the fourth slip, ``bptt-last-step-only``. Which of its numbers could you have read off :math:`da_2` alone?
# 2. Why must the step be a share of the tensor's scale? Check ``lambda x: (x * x, x)`` at :math:`x = 10^6`.
# 3. Write a backward pass of layer normalisation without the term through the mean. Read what the check says.
# 4. Which mistakes would a check of one random direction miss that a check of every entry sees?
#
# Read next
# ---------
# In ``minisparse/gradcheck``: ``probe.py`` (the judge), ``catalogue.py`` (the mistakes), ``diagnosis/`` (what the
# numbers tell); ``minisparse/testing.py`` (Hypothesis strategies for tests of your own).


lab.finish(args, "checks", rows, ["checks.png"])
