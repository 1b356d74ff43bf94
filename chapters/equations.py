r"""
Eq 1 to 6 of dendritic normalisation: as printed, and exact
===========================================================

Bird and Cuntz (*Dendritic normalisation improves learning in sparsely connected artificial neural networks*) scale the
weights of each neuron by its number of synapses, by a norm, or by both, and print the gradients. This chapter derives
every one, checks each form against differences, and shows where the printed one and the derivative agree.
"""

# %%
# The claim, in one figure
# ------------------------
# The run below ends with ``out/equations/equations.png``: the error of each printed gradient and of the exact one, for
# random signs and scales. Exact as printed are all of Eq 2, and of Eq 5 the gradient of the scale, and that of the
# weights if p is even. The others coincide with the derivative in special cases only. Two tables name them: after the
# derivation with the formulas, at the end with the numbers.
#
# All six equations are one. Neuron :math:`i` has raw afferents :math:`v_i`, a size :math:`z_i(v_i) > 0` and a scale
# :math:`c_i`:
#
# .. math::
#
#    w_i = \frac{c_i}{z_i}\, v_i
#
# The size is :math:`n_i = \|v_i\|_0`, the number of existing synapses (Eq 1), :math:`n_i \|v_i\|_2` (Eq 3), or
# :math:`\|v_i\|_p` (Eq 5 and 6, whose forward form is not printed; it follows from the text and the gradients). The
# scale :math:`c_i` is one :math:`s` for all neurons (Eq 1, 5) or each neuron's own :math:`g_i` (Eq 3, 6). :math:`G_i`
# is the gradient of the loss in :math:`w_i` on the existing synapses; :math:`dv`, :math:`dc`, :math:`ds` and :math:`dg`
# are its gradients in :math:`v`, :math:`c`, :math:`s` and :math:`g`. (The paper calls the loss :math:`C`.)

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import textwrap

import numpy as np

import minisparse as ms
from minisparse import lab

args = lab.chapter(
    "equations",
    __doc__ or "Eq 1 to 6 of dendritic normalisation: as printed, and exact",
    {"seeds": 5, "time": "under 20 s"},
    smoke={"seeds": 2, "time": "under 10 s"},
)
rows = []

# %%
# The pencil check, before any derivation
# ---------------------------------------
# Two facts can be seen without a derivation.
#
# * If :math:`w` does not change when :math:`v` is stretched, then moving along :math:`v` changes nothing:
#   :math:`v_i \cdot dv_i = 0` (a case of Euler's theorem on homogeneous functions). So it is for every size but the
#   count: they are stretched with :math:`v`.
# * :math:`w_i` is proportional to :math:`g_i`, so :math:`g_i\, dg_i = w_i \cdot G_i`.
#
# Two synapses in whole numbers: :math:`v = (3, 4)`, so :math:`n = 2` and :math:`\|v\|_2 = 5`; :math:`g = 10`; then
# :math:`w = 10/(2 \cdot 5)\, v = (3, 4)` for the joint rule (Eq 3). Let :math:`G = (1, 2)`. Then
# :math:`w \cdot G = 11`, and the second fact alone says :math:`dg = 11 / 10 = 1.1`.


def printed_2(G, v, s, n):
    r"""Eq 2 as printed.

    .. math:: \nabla_{v_i} C = \frac{s}{\|v_i\|_0} \nabla_{w_i} C, \qquad
              \frac{\partial C}{\partial s} = \sum_i \frac{1}{\|v_i\|_0} \nabla_{w_i} C \cdot v_i
    """
    return {"v": s / n * G, "s": (along(G, v) / n).sum(keepdims=True)}


def printed_4(G, v, g, n, dg=None):
    r"""Eq 4 as printed.

    .. math:: \nabla_{v_i} C = \frac{g_i}{\|v_i\|_0 \|v_i\|_2}
              \Big(\nabla_{w_i} C - \frac{\nabla_{g_i} C}{\|v_i\|_2} v_i\Big), \qquad
              \nabla_{g_i} C = \frac{g_i}{\|v_i\|_0 \|v_i\|_2} \nabla_{w_i} C \cdot v_i
    """
    length = norm(v, 2)
    dg = g / (n * length) * along(G, v) if dg is None else dg
    return {"v": g / (n * length) * (G - dg / length * v), "g": dg}


def printed_5(G, v, s, p):
    r"""Eq 5 as printed.

    .. math:: \nabla_{v_i} C = \frac{s}{\|v_i\|_p}
              \Big(\nabla_{w_i} C - \frac{\nabla_{w_i} C \cdot v_i}{\|v_i\|_p^p} v_i^{p-1}\Big), \qquad
              \frac{\partial C}{\partial s} = \sum_i \frac{1}{\|v_i\|_p} \nabla_{w_i} C \cdot v_i
    """
    length = norm(v, p)
    dv = s / length * (G - along(G, v) / length**p * power(v, p - 1))
    return {"v": dv, "s": (along(G, v) / length).sum(keepdims=True)}


def printed_6(G, v, g, p, dg=None):
    r"""Eq 6 as printed.

    .. math:: \nabla_{v_i} C = \frac{g_i}{\|v_i\|_p} \nabla_{w_i} C -
              \frac{g_i \nabla_{g_i} C}{\|v_i\|_p^p} v_i^{p-1}, \qquad
              \nabla_{g_i} C = \frac{g_i}{\|v_i\|_p} \nabla_{w_i} C \cdot v_i
    """
    length = norm(v, p)
    dg = g / length * along(G, v) if dg is None else dg
    return {"v": g / length * G - g * dg / length**p * power(v, p - 1), "g": dg}


def along(G, v):
    """G·v for each neuron, a column."""
    return (G * v).sum(axis=1, keepdims=True)


def norm(v, p):
    """The p-norm of each row, a column."""
    return (abs(v) ** p).sum(axis=1, keepdims=True) ** (1 / p)


def power(v, k):
    """v to the k, 0 where there is no synapse (a bare 0 ** 0 would be 1)."""
    return np.where(v != 0, v**k, 0)


v, g, G, n = np.array([[3.0, 4.0]]), np.array([[10.0]]), np.array([[1.0, 2.0]]), np.array([[2.0]])
two = ms.DenseWeights(ms.full(1, 2))
w, cache = ms.Joint().forward(two, v, g)
exact, printed = ms.Joint().backward(G, cache), printed_4(G, v, g, n)
print(f"two synapses, Eq 4: w = {w[0]}")
for name, grads in (("exact", exact), ("printed", printed)):
    across = float((v * grads["v"]).sum())
    print(f"  {name:9s}dg = {grads['g'].item():.4g}, dv = {grads['v'][0].round(12)}, v·dv = {across:.3g}")
assert np.allclose(exact["g"], 1.1)
assert np.allclose(exact["v"], [[-0.32, 0.24]])
assert np.allclose(printed["v"], [[-5.6, -6.8]])

# %%
# The derivation, in five rungs
# -----------------------------
# **1. Forward with indices.** :math:`w_{ij} = c_i v_{ij} / z_i`, for existing synapses :math:`j` of neuron :math:`i`.
#
# **2. Perturb.** Move :math:`v_{ik}`. It enters twice: as the numerator of :math:`w_{ik}`, and through :math:`z_i` in
# *every* :math:`w_{ij}` of the neuron:
#
# .. math::
#
#    \frac{\partial w_{ij}}{\partial v_{ik}} = \frac{c_i}{z_i} \delta_{jk} -
#    \frac{c_i v_{ij}}{z_i^2} \frac{\partial z_i}{\partial v_{ik}}, \qquad
#    \frac{\partial w_{ij}}{\partial c_i} = \frac{v_{ij}}{z_i}
#
# (:math:`\delta_{jk}` is 1 if :math:`j = k` and 0 if not.)
#
# **3. Collect.** Sum over :math:`j`, weighed with :math:`G_{ij}`; the sum :math:`\sum_j G_{ij} v_{ij}` appears in both:
#
# .. math::
#
#    dc_i = \frac{G_i \cdot v_i}{z_i}, \qquad
#    dv_i = \frac{c_i}{z_i} \Big( G_i - dc_i \frac{\partial z_i}{\partial v_i} \Big)
#
# **4. Matrix form, with shapes.** A row sum gives a column, a column is broadcast along rows:
#
# .. math::
#
#    \underbrace{dc}_{n_{post} \times 1} = \mathrm{rowsum}(G \circ v) \oslash z, \qquad
#    \underbrace{dv}_{n_{post} \times n_{pre}} = (c \oslash z) \circ (G - dc \circ z')
#
# (:math:`\circ` multiplies and :math:`\oslash` divides place by place; :math:`z'` holds the slopes
# :math:`\partial z_i / \partial v_{ij}`.) One shared :math:`s` collects over neurons as well, :math:`ds = \sum_i dc_i`:
# an array of s's shape, a sum of elementwise products and no matrix product. The sizes differ in :math:`z'` alone: 0
# for the count, which does not change while weights are learnt; :math:`\mathrm{sign}(v) |v|^{p-1} / \|v\|_p^{p-1}` for
# a norm; and :math:`n_i v_i / \|v_i\|_2` for the joint rule. :math:`|v|` has the subgradient 0 at 0, and a neuron
# without synapses has :math:`w_i = 0` and no gradient.
#
# **5. The code.** For every rule and every storage. Here ``dw`` is :math:`G`, ``inverse`` is :math:`1/z`, ``factor`` is
# :math:`c/z`, ``dscale`` is :math:`dc`, ``dsize`` is :math:`z'` (None if it is 0), and ``across`` is the bracket:

DERIVED = ("D2", "D3", "D4", "D5")
for tag in DERIVED:
    print(f"  ({tag})  {ms.code_line(tag)}")

# %%
# As printed, and exact
# ---------------------
# Eq 1 and 3 are forward: :math:`w_i = \frac{s}{\|v_i\|_0} v_i` and :math:`w_i = \frac{g_i}{\|v_i\|_0 \|v_i\|_2} v_i`.
# The gradients, for one neuron (:math:`n = \|v\|_0`; the :math:`dg` inside of a printed :math:`dv` is the printed one):
#
# .. list-table::
#    :header-rows: 1
#
#    * -
#      - as printed
#      - exact
#      - right if
#    * - Eq 2, dv
#      - :math:`\frac{s}{n}\, G`
#      - the same
#      - always
#    * - Eq 2, ds
#      - :math:`\sum_i \frac{1}{n_i}\, G_i \cdot v_i`
#      - the same
#      - always
#    * - Eq 4, dv
#      - :math:`\frac{g}{n \|v\|_2} \big(G - \frac{dg}{\|v\|_2}\, v\big)`
#      - :math:`\frac{g}{n \|v\|_2} \big(G - \frac{G \cdot v}{\|v\|_2^2}\, v\big)`
#      - :math:`g = n`
#    * - Eq 4, dg
#      - :math:`\frac{g}{n \|v\|_2}\, G \cdot v`
#      - :math:`\frac{1}{n \|v\|_2}\, G \cdot v`
#      - :math:`g = 1`
#    * - Eq 5, dv
#      - :math:`\frac{s}{\|v\|_p} \big(G - \frac{G \cdot v}{\|v\|_p^p}\, v^{p-1}\big)`
#      - :math:`\frac{s}{\|v\|_p} \big(G - \frac{G \cdot v}{\|v\|_p^p}\, \mathrm{sign}(v) |v|^{p-1}\big)`
#      - p is even, or all :math:`v > 0`
#    * - Eq 5, ds
#      - :math:`\sum_i \frac{1}{\|v_i\|_p}\, G_i \cdot v_i`
#      - the same
#      - always
#    * - Eq 6, dv
#      - :math:`\frac{g}{\|v\|_p}\, G - \frac{g\, dg}{\|v\|_p^p}\, v^{p-1}`
#      - :math:`\frac{g}{\|v\|_p} \big(G - \frac{G \cdot v}{\|v\|_p^p}\, \mathrm{sign}(v) |v|^{p-1}\big)`
#      - :math:`g = 1`, and p is even or all :math:`v > 0`
#    * - Eq 6, dg
#      - :math:`\frac{g}{\|v\|_p}\, G \cdot v`
#      - :math:`\frac{1}{\|v\|_p}\, G \cdot v`
#      - :math:`g = 1`
#
# So two things differ. In Eq 4 and 6 :math:`dg` has one factor :math:`g` too many, and takes it into :math:`dv`. (In Eq
# 4 the term along :math:`v` then has :math:`g/n` instead of 1; with the exact :math:`dg` put in, :math:`1/n`. In Eq 6
# the exact :math:`dg` mends :math:`dv` for even p.) And in Eq 5 and 6 :math:`v^{p-1}` is printed where
# :math:`\mathrm{sign}(v) |v|^{p-1}` belongs, which matters for odd p and negative :math:`v`.
#
# The live table
# --------------
# A layer of five neurons on seven inputs (each with its own number of synapses) and three examples. Every entry of
# every gradient is compared with a central difference; the number is the largest error over all seeds, relative to the
# largest difference. The derivative (first column of numbers) is run in both storages, dense and existing synapses
# only. Rows named *exact dg* are mixtures: the printed :math:`dv`, with the exact :math:`dg` put in. *Scale* is
# :math:`s` or :math:`g`; *both* is all :math:`v > 0` and scale 1.

N_POST, N_PRE, BATCH = 5, 7, 3


def draw(seed, signs, scale, per_neuron):
    """A pattern, raw weights, a scale and an input."""
    rng = np.random.default_rng([seed, 11])
    mask = rng.random((N_POST, N_PRE)) < 0.6
    mask[np.arange(N_POST), np.arange(N_POST)] = True
    mask[np.arange(N_POST), np.arange(N_POST) + 1] = True
    v = np.where(mask, rng.uniform(0.3, 2, mask.shape), 0)
    if signs == "random":
        v = v * rng.choice([-1.0, 1.0], mask.shape)
    counts = mask.sum(axis=1, keepdims=True).astype(float)
    c = {"random": rng.uniform(2, 9, (N_POST, 1)), "1": np.ones((N_POST, 1)), "n": counts}[scale]
    return ms.Pattern.from_mask(mask), v, c if per_neuron else c[:1], rng.standard_normal((N_PRE, BATCH))


def layer(rule, weights, printed=None):
    """A layer y = W x under a rule, as a pair; with `printed` instead of the rule's own way back."""
    key = rule.extras[0]

    def forward(v, x, **scale):
        w, cache = rule.forward(weights, v, scale[key])
        W = weights.bind(w)
        return W.matmul(x), (lambda: (W, cache), v, scale[key], x)

    def backward(dy, cache):
        kept, v, c, x = cache
        W, inner = kept()
        G = weights.outer(dy, x)
        grads = printed(G, v, c) if printed else rule.backward(G, inner)
        return {"v": grads["v"], key: grads[key], "x": W.matmul_t(dy)}

    return forward, backward


def report(rule, signs, scale, seed, printed=None, storage="dense", explain=False):
    """Check one form at one setting."""
    pattern, v, c, x = draw(seed, signs, scale, not rule.shared)
    weights = ms.make_weights(pattern, storage)
    counts = pattern.afferents()[:, None].astype(float)
    form = (lambda G, v, c: printed(G, v, c, counts)) if printed else None
    forward, backward = layer(rule, weights, form)
    packed = weights.pack(v)
    support = {"v": weights.pack(pattern.mask().astype(float)) != 0}
    inputs = {"v": packed, rule.extras[0]: c, "x": x}
    if explain:
        return ms.check_pair(forward, backward, inputs, support=support, seed=seed)
    return ms.gradcheck.compare(forward, backward, inputs, support=support, seed=seed).report


def lp(form, p):
    return lambda G, v, c, n: form(G, v, c, p)


def with_exact_dg_4(G, v, g, n):
    """Eq 4's dv as printed, the exact dg put in."""
    return printed_4(G, v, g, n, along(G, v) / (n * norm(v, 2)))


def with_exact_dg_6(G, v, g, p):
    """Eq 6's dv as printed, the exact dg put in."""
    return printed_6(G, v, g, p, along(G, v) / norm(v, p))


FORMS = {
    "Eq 2": (ms.Dendritic(), printed_2),
    "Eq 4": (ms.Joint(), printed_4),
    "Eq 4, exact dg": (ms.Joint(), with_exact_dg_4),
    **{f"Eq 5, p = {p}": (ms.LpConstant(p), lp(printed_5, p)) for p in range(1, 6)},
    **{f"Eq 6, p = {p}": (ms.LpVariable(p), lp(printed_6, p)) for p in range(1, 6)},
    **{f"Eq 6, p = {p}, exact dg": (ms.LpVariable(p), lp(with_exact_dg_6, p)) for p in (2, 3)},
}
SETTINGS = {
    "random signs and scale": ("random", "random"),
    "scale 1": ("random", "1"),
    "scale n": ("random", "n"),
    "all v > 0": ("positive", "random"),
    "all v > 0, scale 1": ("positive", "1"),
}


def worst(found, tensor):
    return max(row.error for one in found for row in one.rows if row.tensor == tensor)


def shown(error):
    return f"{error:9.1e}" + ("  " if error > 1e-6 else " =")


def run(name, seeds):
    """Return a row for each gradient of a printed equation: its errors at every setting, and those of the exact one."""
    rule, form = FORMS[name]
    found = {
        setting: [report(rule, signs, scale, seed, form) for seed in range(seeds)]
        for setting, (signs, scale) in SETTINGS.items()
    }
    exact = [
        report(rule, "random", scale, seed, storage=storage)
        for seed in range(seeds)
        for scale in ("random", "n")
        for storage in ("dense", "csr")
    ]
    for one in exact:
        one.assert_ok()
    return [
        {"part": "errors", "equation": name, "gradient": tensor, "exact": worst(exact, tensor)}
        | {setting: worst(reports, tensor) for setting, reports in found.items()}
        for tensor in ("v", rule.extras[0])
    ]


heads = ("random", "scale 1", "scale n", "all v > 0", "both")
print(f"\n{'':36s}as printed, error\n{'':24s}{'derivative':>10s}" + "".join(f"{head:>13s}" for head in heads))
for name in FORMS:
    for row in run(name, args.seeds):
        rows.append(row)
        cells = "".join(f"{shown(row[setting]):>13s}" for setting in SETTINGS)
        print(f"{name:22s}d{row['gradient']:2s}{row['exact']:9.1e}{cells}".rstrip())
print("'=' marks where the printed form coincides with the derivative; random: signs of v and scale c")

# %%
# What the check says
# -------------------
# The check has read neither the paper nor the library; it sees numbers. (The error *lies along v* if each of its rows
# is the row of :math:`v` times a number.)

for name, signs in (("Eq 4", "random"), ("Eq 5, p = 3", "random"), ("Eq 6, p = 2", "random")):
    rule, form = FORMS[name]
    print(f"\n{name} as printed")
    for finding in report(rule, signs, "random", 0, form, explain=True).findings:
        said = f"d{finding.tensor}: {finding.sentence} [{finding.code}]"
        print(textwrap.fill(said, 98, initial_indent="  ", subsequent_indent="      "))
        rows.append({"part": "findings", "equation": name, "tensor": finding.tensor, "code": finding.code})

# %%
# The figure
# ----------


def plot_errors(rows, path):
    """Draw the errors of printed and exact gradients, those of v beside those of the scale."""
    table = [row for row in rows if row["part"] == "errors"]
    names = list(dict.fromkeys(row["equation"] for row in table))
    figure, panels = ms.plot.figure(1, 2, size=(10.5, 6.0), sharey=True)
    printed, exact = ms.plot.LINES[1], ms.plot.LINES[0]
    for panel, what, of_v in zip(panels, ("the gradient of v", "that of the scale"), (True, False), strict=True):
        found = {row["equation"]: row for row in table if (row["gradient"] == "v") == of_v}
        places = range(len(names), 0, -1)
        for style, series, size in ((printed, "random signs and scale", 9), (exact, "exact", 5)):
            errors = [max(found[name][series], 1e-12) for name in names]
            panel.plot(errors, places, style["marker"], color=style["color"], markersize=size)
        as_printed = [row["random signs and scale"] > 1e-6 for name, row in found.items() if "exact dg" not in name]
        panel.axvline(1e-6, color="0.5", linewidth=0.8, linestyle=":")
        panel.set(xscale="log", xlim=(2e-13, 1e2), xlabel="error (1e-12: that or less)", ylim=(0.3, len(names) + 1.6))
        panel.set_title(f"As printed, {what} is off\nin {sum(as_printed)} of {len(as_printed)} forms", loc="left")
        panel.text(2e-6, len(names) + 1, "off", size=11)
        panel.text(4e-7, len(names) + 1, "within the tolerance", size=11, ha="right")
    panels[0].set_yticks(places, names, fontsize=11)
    worst = max(row["random signs and scale"] for row in table if row["equation"] == "Eq 6, p = 1")
    panels[1].annotate("as printed", (worst, names[::-1].index("Eq 6, p = 1") + 1), (-10, 0), va="center", ha="right",
                       textcoords="offset points", color=printed["color"], size=11)  # fmt: skip
    panels[1].annotate("exact", (1e-12, names[::-1].index("Eq 6, p = 1") + 1), (10, 0), va="center",
                       textcoords="offset points", color=exact["color"], size=11)  # fmt: skip
    off = [f"{row['equation']}, d{row['gradient']}" for row in table if row["random signs and scale"] > 1e-6]
    alt = f"Errors of the gradients. All exact ones lie below 1e-6; as printed, above it: {'; '.join(off)}."
    ms.plot.save(figure, path, alt=alt)


drawn = ["equations.png"] if ms.plot.can_draw() else []
for file in drawn:
    plot_errors(rows, args.out / file)

# %%
# What the published code does differently
# ----------------------------------------
# * It counts, for each example, the afferents that are *active* in that example, and divides the gradient by that
#   number: not Eq 2. ``chapters/dendritic.py --gradient active_count`` runs it.
# * Its scripts for the norms use :math:`w` for :math:`v`, and :math:`v^{p-1}` without a sign; their
#   :math:`dg` has no additional :math:`g`, which supports that the printed one is a slip of the pen.
#
# Exercises
# ---------
# They are in ``chapters/exercises/equations.md``, with hints and solutions.
# ``python -m minisparse.lab exercise equations 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``minisparse/normalise.py`` (one formula, five rules), ``tests/test_normalise.py`` (how they are checked),
# ``chapters/dendritic.py`` (what the rules do to learning).

table = [row for row in rows if row["part"] == "errors" and "exact dg" not in row["equation"]]
for row in table:
    off = [setting for setting in SETTINGS if row[setting] > 1e-6]
    same = [setting for setting in SETTINGS if row[setting] <= 1e-6]
    if {*same} & {"scale 1", "all v > 0"}:  # one of them is enough, so both together say nothing new
        same.remove("all v > 0, scale 1")
    cases = " or if ".join(same).replace(", ", " and ")
    agrees = f"the derivative if {cases}" if same and off else "never the derivative"
    rows.append(
        lab.claims.claim(
            row["equation"],
            f"gradient d{row['gradient']} as printed",
            f"{N_POST} neurons, {N_PRE} inputs, {args.seeds} seeds, float64",
            {"as_printed": round(row["random signs and scale"], 2)},
            "NOT REPRODUCED" if off else "REPRODUCED",
            note=f"error as printed {row['random signs and scale']:.0e}, exact {row['exact']:.0e}; "
            + ("the derivative" if not off else agrees),
        )
    )

lab.finish(args, "equations", rows, drawn)
