r"""
Back-propagation through time, from zero
========================================

In a *recurrent* network neurons hear their own earlier activity, so the same weights are used again at every time step.
How much does the result of the network change if one of these weights moves by a little? This chapter answers with one
neuron, three time steps and whole numbers that you can redo with a pencil. Then come two neurons, one of which does not
hear the other. At the end stand the lines that do all this in *minisparse*, the library that this book belongs to.

Up to the shut gate you need sums and products. The classifier needs :math:`e^z` and :math:`\ln`, two neurons need small
tables of numbers; both are explained there, like every symbol where it first appears. If you do not read code, skip it:
what it prints stands below it.
"""

# %%
# The finding, in one figure
# --------------------------
# The figure (a run of this script draws it as ``out/bptt/bptt.png``) shows one neuron over three time steps: its
# activity :math:`h`, its inputs :math:`x`, and at the end the loss :math:`L`, a number that says how far off the result
# is. The weight :math:`W` of the neuron is used three times. Give each use a copy of the weight, and let one copy alone
# grow by 0.001: the loss changes by 0, by -0.020 or by -0.006. That is 0, -20 or -6 times the growth. Let the weight
# itself grow by 0.001: the loss changes by the sum, -0.026. That sum is all of *back-propagation through time*. The
# rest is how to get the three numbers in one go.

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import numpy as np

import minisparse as ms
from minisparse import lab

args = lab.chapter(
    "bptt",
    __doc__ or "Back-propagation through time, from zero",
    {"time": "under 10 s"},
    smoke={"time": "the same with one figure"},
)
ms.use("numpy")  # tiny networks: on a GPU each of their passes would wait for its launches
rows, drawn = [], []
can_draw = ms.plot.can_draw()


def picture(file, highlight, title, alt, **words):
    """Draw the unrolled network with one path highlighted."""
    if can_draw and (file == "bptt.png" or not args.smoke):
        ms.plot.unrolled(args.out / file, highlight.split(), title=title, alt=alt, **words)
        drawn.append(file)


STEPS, BACK = "h0>h1 h1>h2 h2>h3", "z>h3 h3>h2 h2>h1"

# %%
# One neuron, three steps
# -----------------------
# Time goes in steps :math:`t = 0, 1, 2`. At each step our neuron receives an input number :math:`x_t`; a negative one
# inhibits. The input is multiplied by :math:`W_{in}`: such a factor is a *weight*, the strength of a synapse. Through
# a synapse onto itself, of weight :math:`W`, the neuron also hears its own earlier activity :math:`h_t`. A fixed number
# :math:`b`, the *bias*, is added:
#
# .. math::
#
#    a_t = W_{in}\, x_t + W h_t + b, \qquad h_{t+1} = \max(a_t, 0), \qquad h_0 = 0
#
# :math:`a_t` is the neuron's drive at step :math:`t`. Its activity :math:`h_{t+1}` is the drive itself, or 0 if the
# drive is negative: a neuron cannot fire less than not at all. This rule is called *ReLU*. Mind the index: the drive of
# step :math:`t` makes the activity with the number :math:`t + 1`.
#
# Our numbers are :math:`W_{in} = 3`, :math:`W = 2`, :math:`b = -1` and :math:`x = (2, -2, -1)`, that is
# :math:`x_0 = 2`, :math:`x_1 = -2`, :math:`x_2 = -1`. We want the last activity :math:`h_3` to be 4. How far off it is
# we measure with the *loss*, a number that is 0 if all is well and grows with the distance (why the half, we shall
# see):
#
# .. math:: L = \tfrac12 (h_3 - 4)^2
#
# Take a pencil and compute :math:`a_0, h_1, a_1, h_2, a_2, h_3` and :math:`L`, in this order. Then compare with the
# table. (In the code, each of :math:`W`, :math:`W_{in}` and :math:`b` may be one number or three, one for each step,
# and ``push`` adds something to a drive. We shall need that soon.)

X = (2, -2, -1)


def run(W=2, W_in=3, b=-1, x=X, push=0):
    """Run the one neuron over three steps; returns its drives a_0, a_1, a_2 and its activities h_0, ..., h_3."""
    W, W_in, b, push = (np.broadcast_to(value, 3).tolist() for value in (W, W_in, b, push))
    a, h = [], [0]
    for t in range(3):
        a.append(W_in[t] * x[t] + W[t] * h[t] + b[t] + push[t])
        h.append(max(a[t], 0))
    return a, h


def loss(**values):
    return (run(**values)[1][3] - 4) ** 2 / 2


a, h = run()
print("\n t   x_t   W_in x_t + W h_t + b = a_t   h_{t+1}")
for t in range(3):
    print(f"{t:2d}{X[t]:6d}{3 * X[t]:11d}{2 * h[t]:+8d}{-1:+4d} = {a[t]:3d}{h[t + 1]:10d}")
print(f"the loss is (h_3 - 4)^2 / 2 = ({h[3]} - 4)^2 / 2 = {loss():g}")
picture(
    "forward.png", f"{STEPS} x0>h1 x1>h2 x2>h3 h3>z", "Forward: each activity is made of the one before and an input",
    "The unrolled neuron: inputs 2, -2, -1 and activities 0, 5, 3, 2, with the loss 2 at the end.",
    values={"h0": "0", "h1": "5", "h2": "3", "h3": "2", "z": "2", "x0": "2", "x1": "$-2$", "x2": "$-1$"},
    names={"z": "$L$", "h3>z": ""},
)  # fmt: skip

# %%
# In the picture time runs to the right. It shows one neuron, drawn again for every step: the network is *unrolled*. The
# number at a circle is its value. The drive :math:`a_t` has no circle of its own: it sits at the entrance of
# :math:`h_{t+1}`, where the arrows meet.
#
# The question
# ------------
# The activity 2 is below the wanted 4. Should the weight :math:`W` be larger or smaller, and how strongly does the loss
# respond? Try it: run the three steps with a weight a little larger, :math:`W = 2.001`, and a little smaller,
# :math:`W = 1.999`. Divide the change of the loss by the change of the weight:

more, less = loss(W=2.001), loss(W=1.999)
print(f"W = 2.001: L = {more:.6f}; W = 1.999: L = {less:.6f}")
print(f"({more:.6f} - {less:.6f}) / 0.002 = {(more - less) / 0.002:.3f}")

# %%
# This number is a *difference quotient*. The smaller the move, the closer it comes to a fixed number, the *slope* of
# the loss in :math:`W`, here -26. Its sign is minus: a larger :math:`W` makes the loss smaller. Its size says how much:
# a move of :math:`W` by 0.001 lowers :math:`L` by about :math:`26 \cdot 0.001 = 0.026`. Mathematicians write
# :math:`\partial L / \partial W`. We write :math:`dW`, and in the same way :math:`db`, :math:`da_t` and so on: *d* and
# a name is always the slope of the loss in what is named, and never a product. All the slopes together are the
# *gradient*.
#
# Why not stop here? Because a difference quotient needs two runs of the network for each weight. A small network has
# ten thousand weights. There is a way to get all their slopes from one run forward and one run backward. We derive it,
# and keep the difference quotient as a judge: it has not read our derivation.


def quotient(changed, step=0.001):
    """Divide the change of a loss by the change of a number that is moved by a step both ways."""
    return (changed(step) - changed(-step)) / (2 * step)


# %%
# The doubt, and three copies of one weight
# -----------------------------------------
# In :math:`a_2` the weight appears in :math:`W h_2`. It is tempting to say: if :math:`W` moves, :math:`W h_2` moves by
# :math:`h_2` times as much. But :math:`h_2` depends on :math:`W` too, and so does :math:`h_1`. Has that been forgotten?
#
# To see clearly, give each use of the weight a copy with a name of its own: :math:`W^{(0)}` is used in step 0,
# :math:`W^{(1)}` in step 1, :math:`W^{(2)}` in step 2. (The number in brackets is a name, no power.) As long as all
# three are 2 nothing has changed. Now move *one alone*, by a small number :math:`\varepsilon` (say 0.001). Take
# :math:`W^{(1)} = 2 + \varepsilon`, and follow what happens, step by step:
#
# * Step 0 is over. It used the copy :math:`W^{(0)}`, which rests. So :math:`a_0` and :math:`h_1 = 5` do not move.
# * In step 1, :math:`a_1 = W_{in} x_1 + W^{(1)} h_1 + b` moves by :math:`\varepsilon h_1 = 5 \varepsilon`, and so does
#   :math:`h_2`, which is :math:`a_1` itself, as this is positive.
# * In step 2, :math:`W^{(2)}` rests and :math:`h_2` moves, so :math:`a_2` moves by
#   :math:`2 \cdot 5\varepsilon = 10 \varepsilon`, and so does :math:`h_3`.
# * The loss: if :math:`h_3` moves from 2 by a small number :math:`\delta`, the loss becomes
#   :math:`\tfrac12 (2 + \delta - 4)^2`, that is :math:`\tfrac12 (-2 + \delta)^2`, or
#   :math:`2 - 2\delta + \tfrac12 \delta^2`. With :math:`\delta = 0.01` these are 2, -0.02 and 0.00005: the square of
#   a small number is far smaller still, and we leave it out. So the loss moves by :math:`-2\delta`. Its slope in
#   :math:`h_3` is :math:`h_3 - 4 = -2`. (Without the half it would be twice that.) Here
#   :math:`\delta = 10\varepsilon`, so the loss moves by :math:`-20 \varepsilon`.
#
# We call -20 the *share* of :math:`W^{(1)}`. It is a product: -2 for the loss, a factor :math:`W = 2` for each step
# that came later (one), and :math:`h_1 = 5`, which stands beside the copy. Find the other two shares yourself, then
# compare. The table shows the drives after a move by 0.001:

shares = [-2 * 2 * 2 * h[0], -2 * 2 * h[1], -2 * h[2]]
print("\nmoved by 0.001     a_0     a_1     a_2   share by hand        quotient")
HANDS = ("-2 * 2 * 2 * h_0", "-2 * 2 * h_1", "-2 * h_2")
for t in range(3):
    alone = np.eye(3)[t]
    check = quotient(lambda e, alone=alone: loss(W=2 + e * alone))
    moved = "".join(f"{value:8.3f}" for value in run(W=2 + 0.001 * alone)[0])
    print(f"W({t}) alone    {moved}   {HANDS[t]:>16s} = {shares[t]:3d}{check + 0.0:9.3f}")
all_moved = "".join(f"{value:8.3f}" for value in run(W=2.001)[0])
print(f"all three     {all_moved}{'sum':>19s} = {sum(shares)}{quotient(lambda e: loss(W=2 + e)):9.3f}")
picture(
    "copy-1.png", "h1>h2 h2>h3 h3>z", "Move copy 1 alone: what lies before rests, what lies after follows",
    "Only the copy of W in step 1 is moved by epsilon: h_1 rests, h_2 moves by 5, h_3 by 10, the loss by -20 epsilon.",
    names={"h1>h2": r"$W^{(1)} + \varepsilon$", "h2>h3": "$W^{(2)}$", "h3>z": "", "z": "$L$"},
    values={"h0": "rests", "h1": "5, rests", "h2": r"moves $5\varepsilon$", "h3": r"moves $10\varepsilon$",
            "z": r"$-20\varepsilon$"},
)  # fmt: skip

picture(
    "bptt.png", f"{STEPS} h3>z", "The slope in $W$ is the sum over its three copies: $0 - 20 - 6 = -26$",
    "One neuron over three steps. The three copies of its weight W contribute 0, -20 and -6 to the slope of the loss.",
    names={"h0>h1": "copy 0:  0", "h1>h2": "copy 1:  $-20$", "h2>h3": "copy 2:  $-6$", "h3>z": "", "z": "$L$"},
)  # fmt: skip

# %%
# (The figure is the one from the top; now each of its numbers has been derived.) In every row, what lies before the
# moved copy rests, and what lies after it follows. Except in the row of :math:`W^{(0)}`: it is multiplied by
# :math:`h_0 = 0`, so nothing moves, and the share is 0. The three shares add up to -26, the slope in :math:`W`.
#
# *Why may they be added?* Here you can see it all at once. Put the steps into each other. (All drives are positive, and
# stay so if the move is small; so each activity is its drive.)
#
# .. math:: h_1 = 5, \qquad h_2 = 5\, W^{(1)} - 7, \qquad h_3 = W^{(2)} (5\, W^{(1)} - 7) - 4
#
# (-7 is :math:`W_{in} x_1 + b = 3 \cdot (-2) - 1`, and -4 is :math:`W_{in} x_2 + b = 3 \cdot (-1) - 1`.)
#
# If both copies move by :math:`\varepsilon`, :math:`h_3` moves by :math:`10\varepsilon` (because of :math:`W^{(1)}`)
# plus :math:`3\varepsilon` (because of :math:`W^{(2)}`) plus :math:`5\varepsilon^2` (because both moved). With
# :math:`\varepsilon = 0.001` that is 0.010 + 0.003 + 0.000005: the table's last row has :math:`a_2 = 2.013`. It is
# always so. Moving :math:`W` is moving its copies one after the other. What one of them does depends a little on
# whether another has moved before, but that changes the loss by something of the size of :math:`\varepsilon^2` only,
# and such squares we leave out. (If you know derivatives: with one :math:`W` this is :math:`h_3 = 5W^2 - 7W - 4`, with
# the derivative :math:`10 W - 7 = 13`, and :math:`-2 \cdot 13 = -26`. The sum over the copies is the chain rule for a
# function of three variables in which all three are the same :math:`W`.)
#
# *So is the dependence of* :math:`h_2` *on* :math:`W` *forgotten?* No. It is counted, in the row of :math:`W^{(1)}`:
# this copy acts on the loss through :math:`h_2`. If the row of :math:`W^{(2)}` counted it too, it would be counted
# twice.
#
# Backward: the same sum without doing anything twice
# ---------------------------------------------------
# The shares have factors in common: -2 is in each, :math:`-2 \cdot 2` in two of them. Compute these once. Let
# :math:`da_t` be the slope of the loss in the drive :math:`a_t`: push the drive of step :math:`t` alone from outside by
# :math:`\varepsilon`, as an electrode would, let everything later follow, and divide the change of the loss by
# :math:`\varepsilon`.
#
# * The last drive acts on the loss through :math:`h_3` alone, so :math:`da_2 = h_3 - 4 = -2`.
# * A push of :math:`a_1` reaches :math:`h_2`, and, times :math:`W`, :math:`a_2`. What :math:`a_2` does to the loss we
#   know: :math:`da_1 = W\, da_2 = 2 \cdot (-2) = -4`.
# * In the same way :math:`da_0 = W\, da_1 = 2 \cdot (-4) = -8`.
#
# We go from the last step to the first, and each step needs one product. That is why it is called *back*-propagation.
# (In the picture :math:`da_0` stands over the circle of :math:`h_1`, and so on: the drive :math:`a_t` sits at the
# entrance of :math:`h_{t+1}`.)

da_2 = h[3] - 4
da_1 = 2 * da_2
da_0 = 2 * da_1
da = [da_0, da_1, da_2]
print("pushed      by hand              quotient")
for t, text in ((2, "h_3 - 4"), (1, "W da_2"), (0, "W da_1")):
    print(f"da_{t} = {text:>9s} = {da[t]:4d}{quotient(lambda e, t=t: loss(push=e * np.eye(3)[t])):18.3f}")
dW = da[0] * h[0] + da[1] * h[1] + da[2] * h[2]
print(f"dW = da_0 h_0 + da_1 h_1 + da_2 h_2 = ({da[0]})({h[0]}) + ({da[1]})({h[1]}) + ({da[2]})({h[2]}) = {dW}")
better = 2 - 0.005 * dW
print(f"a step against the slope: W = 2 - 0.005 * ({dW}) = {better:g} takes L from {loss():g} to {loss(W=better):.3f}")
print(f"L falls by {loss() - loss(W=better):.2f}; a line of slope {dW} would fall by {-dW * (better - 2):.2f}")
picture(
    "backward.png", BACK, "Backward: the slope in each drive is that of the next one times $W$",
    "Dashed arrows from the loss to the left: the slopes -2, -4 and -8 in the drives of steps 2, 1 and 0.",
    values={"h1": "$da_0 = -8$", "h2": "$da_1 = -4$", "h3": "$da_2 = -2$"},
    names={"z": "$L$", "z>h3": "$-2$", "h3>h2": "times $W$", "h2>h1": "times $W$"},
)  # fmt: skip


def drawing(file, draw, title, alt):
    """Draw what is not the unrolled network."""
    if can_draw and not args.smoke:
        figure, axes = ms.plot.figure(size=(7.2, 3.4))
        axes.set_title(title)
        draw(axes)
        ms.plot.save(figure, args.out / file, alt=alt)
        drawn.append(file)


def loss_and_slope(axes):
    """Draw the loss over W, the line of its slope at W = 2, and the step."""
    w, (curve, line) = np.linspace(1.92, 2.25, 67), (style["color"] for style in ms.plot.LINES[:2])
    axes.plot(w, [loss(W=value) for value in w], color=curve)
    axes.plot([1.96, 2.07], [2 + dW * (value - 2) for value in (1.96, 2.07)], "--", color=line)
    axes.text(2.05, 0.3, f"slope {dW}", color=line, ha="right")
    for value, place in ((2, (8, 4)), (better, (-6, 36))):
        axes.plot(value, loss(W=value), "o", color="black")
        words = f"W = {value:g}: L = {loss(W=value):.3g}"
        axes.annotate(words, (value, loss(W=value)), place, textcoords="offset points")
    axes.set(xlabel="weight W", ylabel="loss L", ylim=(-0.1, 4))


drawing(
    "loss.png", loss_and_slope, f"At W = 2 the slope of the loss is {dW}, so a larger W makes it smaller",
    f"The loss over the weight W, with a line of slope {dW} at W = 2 and a step to {better:g}, where L is smaller.",
)  # fmt: skip

# %%
# Moving the copy :math:`W^{(t)}` by :math:`\varepsilon` pushes the drive :math:`a_t` by :math:`\varepsilon h_t`, and
# what a push does is :math:`da_t`. So its share is :math:`da_t h_t`, and
#
# .. math:: dW = \sum_{t=0}^{2} da_t\, h_t = -26
#
# (:math:`\sum` says: put :math:`t = 0, 1, 2` and add up.) What is it good for? A step *against* the slope makes the
# loss smaller. Here the slope is negative, so the step makes :math:`W` larger; the last lines printed above do one, of
# 0.005 times the slope. (Any short step does. A long one may not: the slope is that of the place where one stands, and
# the loss bends, as the figure shows.) Many such steps are called learning.
#
# A gate that is shut
# -------------------
# So far every drive was positive. Take :math:`x = (2, -4, 1)`. Now :math:`a_1 = -12 + 10 - 1 = -3`, so :math:`h_2 = 0`.
# A small push of a drive of -3 changes nothing: the activity stays 0. We say the gate of step 1 is shut. (No ion
# channel is meant.) The *gate* is a number, the slope of ReLU: 1 where the drive is positive, 0 where it is negative.
# (At exactly 0 there is a corner and no slope; the library takes 0.) The rule from drive to activity is often called
# :math:`\varphi`, its slope :math:`\varphi'`. So the gate of step :math:`t` is :math:`\varphi'(a_t)`. Push :math:`a_t`
# by :math:`\varepsilon`: :math:`h_{t+1}` moves by :math:`\varphi'(a_t)\, \varepsilon`, and :math:`W` times that
# pushes :math:`a_{t+1}`. So the whole rule is
#
# .. math:: da_2 = \varphi'(a_2)\, (h_3 - 4), \qquad da_t = \varphi'(a_t)\, W\, da_{t+1}
#
# With these inputs :math:`da_2 = 1 \cdot (2 - 4) = -2`, :math:`da_1 = 0 \cdot 2 \cdot (-2) = 0` and
# :math:`da_0 = 1 \cdot 2 \cdot 0 = 0`.

shut = (2, -4, 1)
a_shut, h_shut = run(x=shut)
gates = [int(value > 0) for value in a_shut]
da_shut = [0, 0, gates[2] * (h_shut[3] - 4)]
da_shut[1] = gates[1] * 2 * da_shut[2]
da_shut[0] = gates[0] * 2 * da_shut[1]
dW_shut = sum(da_shut[t] * h_shut[t] for t in range(3))
pushes = [quotient(lambda e, t=t: loss(x=shut, push=e * np.eye(3)[t])) + 0.0 for t in range(3)]
print(f"\nx = {shut}: a = {tuple(a_shut)}, h_1 to h_3 = {tuple(h_shut[1:])}, gates {tuple(gates)}")
print(f"da = {tuple(da_shut)}, quotients {', '.join(f'{value:.3f}' for value in pushes)}")
print(f"dW = {dW_shut}, quotient {quotient(lambda e: loss(x=shut, W=2 + e)) + 0.0:.3f}")

# %%
# The slope in :math:`W` is now 0. This is a result, and not the lack of one: moving :math:`W` a little really changes
# nothing, as the difference quotient says. (Copy 0 is multiplied by 0, as before. Copy 1 pushes a drive whose gate is
# shut. Copy 2 is multiplied by :math:`h_2 = 0`.)
#
# The loss of a classifier
# ------------------------
# From here on :math:`x = (2, -2, -1)` again. Often a network has to choose: which of three odours was it? Such answers
# are called classes; we number them :math:`c = 0, 1, 2`. Each class gets a number that is computed from the last
# activity, its *logit* :math:`z_c`, with a weight and a bias for each class (*out* is a part of their names; all three
# weights together are called :math:`W_{out}`, all three biases :math:`b_{out}`):
#
# .. math:: z_c = W^{out}_c h_3 + b^{out}_c, \qquad W^{out} = (1, -2, -1)
#
# From logits to probabilities: raise :math:`e = 2.718...` to the power :math:`z_c`, which makes all of them positive,
# and divide by the sum :math:`S`, so that they add up to 1. This is the *softmax*. The biases :math:`b^{out}` are
# chosen so that at :math:`h_3 = 2` the numbers :math:`e^{z_c}` are 1, 2 and 5 (you need not compute the biases): the
# sum is 8, the probabilities are :math:`\tfrac18, \tfrac28, \tfrac58`. Let :math:`y` be the right class, the *label*.
# The loss is 0 if it gets the probability 1, and large if it gets little. It is called *cross-entropy*; :math:`\ln` is
# the logarithm, which undoes :math:`e^z`:
#
# .. math:: p_c = \frac{e^{z_c}}{S}, \qquad S = e^{z_0} + e^{z_1} + e^{z_2}, \qquad
#           L = -\ln p_y = \ln S - z_y
#
# (The last step: the logarithm of a quotient is a difference, and :math:`\ln e^{z_y} = z_y`.) Two facts about slopes
# are all that we need. The slope of :math:`e^z` is :math:`e^z` itself; that is what the number :math:`e` is made for.
# The slope of :math:`\ln S` is :math:`1/S`; try it on a calculator: :math:`\ln 8.001 - \ln 8 = 0.000125 = 0.001 / 8`.
#
# Let the label be :math:`y = 0`. Then :math:`L = \ln 8 - z_0`. Push a logit and follow:
#
# * Push :math:`z_1` by :math:`\varepsilon`. Then :math:`e^{z_1} = 2` moves by :math:`2 \varepsilon`, and the sum
#   :math:`S = 8` by just as much. So :math:`\ln S` moves by :math:`\tfrac28 \varepsilon`. And :math:`z_0` rests. So
#   :math:`dz_1 = \tfrac28`, which is :math:`p_1`. In the same way :math:`dz_2 = \tfrac58`.
# * Push :math:`z_0`, the logit of the label. :math:`\ln S` moves by :math:`\tfrac18 \varepsilon`, and :math:`z_0` by
#   :math:`\varepsilon` itself, with a minus. So :math:`dz_0 = \tfrac18 - 1 = -\tfrac78`.
#
# In one formula: the slope is the probability, minus 1 for the label.
#
# .. math:: dz_c = p_c - [c = y]
#
# (:math:`[c = y]` is 1 if it is true and 0 if not.)

W_OUT = np.array([1, -2, -1])
B_OUT = np.log([1, 2, 5]) - 2 * W_OUT


def cross_entropy(z, y=0):
    return np.log(np.exp(z).sum()) - z[y]


def classify(W_out=W_OUT, b_out=B_OUT, **values):
    return cross_entropy(W_out * run(**values)[1][3] + b_out)


z = W_OUT * h[3] + B_OUT
counts = np.exp(z)
p = counts / counts.sum()
dz = p - np.array([1, 0, 0])
print("\n c  e^z    p_c   p_c - [c = 0]  quotient")
for c in range(3):
    check = quotient(lambda e, c=c: cross_entropy(z + e * np.eye(3)[c]))
    print(f"{c:2d}{counts[c]:5.0f}  {counts[c]:.0f}/8{8 * dz[c]:+8.0f}/8 = {dz[c]:+.3f}{check:+9.3f}")

# %%
# The three slopes add up to 0. They must: if all logits grow by the same amount, the probabilities do not change.
#
# The readout
# -----------
# From here on the argument is always the same; we climb four rungs. *Find*: in which line of the forward pass does the
# number stand? *Move*: what does it push if it moves by :math:`\varepsilon`? *Add up* what all the pushes do. The
# fourth rung, *code*, comes at the end of the page.
#
# * :math:`dW^{out}_c`. Find: it stands in :math:`z_c = W^{out}_c h_3 + b^{out}_c`. Move: it pushes :math:`z_c` by
#   :math:`\varepsilon h_3`. Add up: one push only, :math:`dW^{out}_c = dz_c\, h_3`.
# * :math:`db^{out}_c`. Find: the same line. Move: it pushes :math:`z_c` by :math:`\varepsilon` itself. Add up:
#   :math:`db^{out}_c = dz_c`.
# * :math:`dh_3`. Find: :math:`h_3` stands in all three lines, :math:`c = 0, 1, 2`. Move: it pushes :math:`z_c` by
#   :math:`W^{out}_c \varepsilon`. Add up: :math:`dh_3 = \sum_c W^{out}_c\, dz_c`, here :math:`(-7 - 4 - 5)/8 = -2`.
#
# This :math:`dh_3` takes the place of :math:`h_3 - 4`. It is -2 again: the numbers are made so that all :math:`da_t`
# stay as they were. (If gate 2 were shut, :math:`h_3` and all :math:`da_t` would be 0. Then
# :math:`dW^{out}_c = dz_c h_3` is 0 as well, and of all weights and biases only :math:`b^{out}` could still learn.)

dW_out, dh_3 = dz * h[3], W_OUT @ dz


def show(name, text, values, checks):
    """Print slopes by hand beside their difference quotients, and keep both."""
    by_hand, judged = ((np.array(numbers, float).ravel() + 0.0).tolist() for numbers in (values, checks))
    listed, said = (", ".join(f"{v:{form}}" for v in numbers) for numbers, form in ((by_hand, "g"), (judged, ".3f")))
    print(f"{name:7s}= {text} = {listed}   quotient {said}")
    rows.append({"part": "numbers", "name": name, "by_hand": by_hand, "quotient": np.round(judged, 4).tolist()})


print()
axes3 = np.eye(3)
show("dW_out", "dz_c h_3", dW_out, [quotient(lambda e, d=d: classify(W_out=W_OUT + e * d)) for d in axes3])
show("db_out", "dz_c", dz, [quotient(lambda e, d=d: classify(b_out=B_OUT + e * d)) for d in axes3])
show("dh_3", "sum of W_out_c dz_c", [dh_3], [quotient(lambda e: cross_entropy(W_OUT * (h[3] + e) + B_OUT))])
picture(
    "readout.png", "h3>z z>h3", r"The readout: $dW_{out} = dz\, h_3$, and $dz$ goes back to $h_3$ by the same weights",
    "The last step alone: W_out leads from h_3 to the logits z, and the slopes come back over the same connection.",
    values={"h3": "$h_3 = 2$", "z": "$dz$"}, names={"z>h3": r"$dh_3 = -2$"},
)  # fmt: skip

# %%
# Input weight, bias, input
# -------------------------
# The same three rungs. All of these stand in the line :math:`a_t = W_{in} x_t + W h_t + b`, once for each :math:`t`.
#
# * :math:`dW`. Move: its copy of step :math:`t` pushes :math:`a_t` by :math:`\varepsilon h_t`. Add up over the
#   steps: :math:`dW = \sum_t da_t\, h_t`. This was the long story above.
# * :math:`dW_{in}`. Move: its copy of step :math:`t` pushes :math:`a_t` by :math:`\varepsilon x_t`. Add up:
#   :math:`dW_{in} = \sum_t da_t\, x_t`.
# * :math:`db`. Move: its copy of step :math:`t` pushes :math:`a_t` by :math:`\varepsilon` itself. Add up:
#   :math:`db = \sum_t da_t`. A bias is a weight whose input is always 1.
# * :math:`dx_t`. Move: :math:`x_t` stands in :math:`a_t` alone, and pushes it by :math:`W_{in} \varepsilon`.
#   Add up: one push only, :math:`dx_t = W_{in}\, da_t`. (An input is not learnt. But if it comes from a layer below,
#   this is what that layer has to hear.)

dW_in = da[0] * X[0] + da[1] * X[1] + da[2] * X[2]
db = da[0] + da[1] + da[2]
dx = [3 * da[0], 3 * da[1], 3 * da[2]]
print()
show("dW", "sum of da_t h_t", [dW], [quotient(lambda e: classify(W=2 + e))])
show("dW_in", "sum of da_t x_t", [dW_in], [quotient(lambda e: classify(W_in=3 + e))])
show("db", "sum of da_t", [db], [quotient(lambda e: classify(b=-1 + e))])
show("dx_t", "W_in da_t", dx, [quotient(lambda e, d=d: classify(x=np.array(X) + e * d)) for d in axes3])
picture(
    "inputs.png", "x0>h1 x1>h2 x2>h3", r"$dW_{in}$: each use pushes its drive by $x_t$, so it adds $da_t\, x_t$",
    "The three uses of the input weight, with their shares -16, 8 and 2, which add up to -6.",
    values={"x0": "2", "x1": "$-2$", "x2": "$-1$", "h1": "$da_0 = -8$", "h2": "$da_1 = -4$", "h3": "$da_2 = -2$"},
    names={"x0>h1": "$-16$", "x1>h2": "8", "x2>h3": "2"},
)  # fmt: skip
picture(
    "bias.png", "h1 h2 h3", "$db$: the bias pushes every drive by the same, so the slopes add up to $-14$",
    "The three places at which the bias enters, with the slopes -8, -4 and -2.",
    values={"h1": "$da_0 = -8$", "h2": "$da_1 = -4$", "h3": "$da_2 = -2$"},
)  # fmt: skip
picture(
    "dx.png", f"{BACK} h1>x0", "$dx_0$: from the loss back through every later step, then out by $W_{in}$",
    "The way of the slope from the loss to the first input: -2, -4, -8 and at last -24.",
    values={"h1": "$da_0 = -8$", "h2": "$da_1 = -4$", "h3": "$da_2 = -2$", "x0": "$dx_0 = -24$"},
    names={"z>h3": "$dh_3 = -2$", "h3>h2": "times $W$", "h2>h1": "times $W$", "h1>x0": "times\n$W_{in}$", "z": "$L$"},
)  # fmt: skip

# %%
# Two neurons: where the transpose comes from
# -------------------------------------------
# Neurons get a number, :math:`i` or :math:`j`, counted from 0 like everything else. Two numbers at a weight are
# receiver, then sender: :math:`W_{ij}` is the weight of the synapse *from* neuron :math:`j` *to* neuron :math:`i`. Two
# numbers at a drive or an activity are step, then neuron: :math:`a_{t,i}` and :math:`h_{t,i}`. There is one input
# still, with the weight :math:`W^{in}_i` to neuron :math:`i`:
#
# .. math::
#
#    a_{t,i} = W^{in}_i x_t + \sum_j W_{ij} h_{t,j} + b_i, \qquad h_{t+1,i} = \varphi(a_{t,i})
#
# Neuron 0 is the old one. The new neuron 1 hears neuron 0 (weight -1), itself (weight 3) and the input (weight -2); its
# bias is 2. There is no synapse from 1 to 0. So, in the order input, from neuron 0, from neuron 1, bias:
#
# .. math::
#
#    a_{t,0} = 3\, x_t + 2\, h_{t,0} - 1, \qquad a_{t,1} = -2\, x_t - h_{t,0} + 3\, h_{t,1} + 2
#
# Written as tables, with a row per receiver and a column per sender (a dot: there is no synapse, it counts as 0):
#
# .. math::
#
#    W = \begin{pmatrix} 2 & \cdot \\ -1 & 3 \end{pmatrix}, \quad
#    W_{in} = \begin{pmatrix} 3 \\ -2 \end{pmatrix}, \quad b = \begin{pmatrix} -1 \\ 2 \end{pmatrix}, \quad
#    W_{out} = \begin{pmatrix} 1 & 0 \\ -2 & -1 \\ -1 & 2 \end{pmatrix}
#
# Such a table is a *matrix*, and :math:`W^{in}_i` is row :math:`i` of :math:`W_{in}`. The readout has a row per class:
# :math:`W^{out}_{cj}` leads from neuron :math:`j` to class :math:`c`. Its biases again make :math:`e^z` 1, 2 and 5, and
# the label is 0 again, so :math:`dz = (-7, 2, 5)/8` as before.
#
# Forward, by pencil. Neuron 0 is as before, as it does not hear the new one. Neuron 1:
#
# .. math::
#
#    \begin{array}{lll}
#    a_{0,1} = (-2) \cdot 2 - 0 + 3 \cdot 0 + 2 = -2, & \text{shut:} & h_{1,1} = 0 \\
#    a_{1,1} = (-2) \cdot (-2) - 5 + 3 \cdot 0 + 2 = 1, & \text{open:} & h_{2,1} = 1 \\
#    a_{2,1} = (-2) \cdot (-1) - 3 + 3 \cdot 1 + 2 = 4, & \text{open:} & h_{3,1} = 4
#    \end{array}
#
# Both neurons together are written as a pair, neuron 0 first: :math:`h_1 = (5, 0)`, :math:`h_2 = (3, 1)` and
# :math:`h_3 = (2, 4)`.
#
# Backward, one thing is new. The activity of neuron :math:`j` is heard by *several* neurons. Push it by
# :math:`\varepsilon`: the drive of each listener :math:`i` is pushed by :math:`W_{ij} \varepsilon`, each push does
# :math:`da_{t+1,i}`, and the effects add up over the listeners. The gate of the neuron comes last, as before:
#
# .. math:: da_{t,j} = \varphi'(a_{t,j}) \sum_i W_{ij}\, da_{t+1,i}
#
# Forward, a neuron adds up over its senders: along its *row* of :math:`W`. Backward, it adds up over its listeners:
# down its *column*. By pencil:
#
# * :math:`dh_3`, down the two columns of :math:`W_{out}`:
#   :math:`dh_{3,0} = (1 \cdot (-7) + (-2) \cdot 2 + (-1) \cdot 5)/8 = -2` and
#   :math:`dh_{3,1} = (0 \cdot (-7) + (-1) \cdot 2 + 2 \cdot 5)/8 = 1`. Both gates are open, so :math:`da_2 = (-2, 1)`.
# * :math:`da_{1,0} = 2 \cdot (-2) + (-1) \cdot 1 = -5` and :math:`da_{1,1} = 0 \cdot (-2) + 3 \cdot 1 = 3`.
# * :math:`da_{0,0} = 2 \cdot (-5) + (-1) \cdot 3 = -13`; :math:`da_{0,1} = 0`, as its gate is shut.
#
# Each weight pushes one drive only, that of its receiver. So its slope is, as before, the slope at the receiver times
# the activity of the sender, added up over the steps. The same holds for the other weights and the biases:
#
# .. math::
#
#    \begin{array}{c}
#    dW_{ij} = \sum_t da_{t,i}\, h_{t,j}, \qquad dW^{in}_i = \sum_t da_{t,i}\, x_t, \qquad db_i = \sum_t da_{t,i} \\
#    dW^{out}_{cj} = dz_c\, h_{3,j}, \qquad db^{out}_c = dz_c
#    \end{array}
#
# With :math:`h_0 = 0` two steps are left for :math:`W`: :math:`dW_{00} = (-5) \cdot 5 + (-2) \cdot 3 = -31`,
# :math:`dW_{10} = 3 \cdot 5 + 1 \cdot 3 = 18` and :math:`dW_{11} = 3 \cdot 0 + 1 \cdot 1 = 1`. The input is heard by
# both neurons, so :math:`dx_0 = 3 \cdot (-13) + (-2) \cdot 0 = -39`. In the code ``W_rec`` is :math:`W`, and ``b_in``
# is :math:`b`. What it prints is all that you can compute by pencil; the library will have to find the same.

TWO = {"W_rec": [[2, 0], [-1, 3]], "W_in": [[3], [-2]], "b_in": [[-1], [2]], "W_out": [[1, 0], [-2, -1], [-1, 2]]}
LISTENERS = {
    "da": [[-13, 0], [-5, 3], [-2, 1]],
    "W_rec": [[-31, 0], [18, 1]],
    "W_in": [[-14], [-7]],
    "b_in": [[-20], [4]],
    "W_out": [[-14 / 8, -28 / 8], [4 / 8, 8 / 8], [10 / 8, 20 / 8]],
    "b_out": [[-7 / 8], [2 / 8], [5 / 8]],
    "x": [[-39], [-21], [-8]],
    "dh": [[-2], [1]],
    "last da": [-2, 1],
}

two = {name: np.array(value) for name, value in TWO.items()}
both = np.zeros((2, 1))
print("\n         neuron 0                     neuron 1\n t    a_t  gate  h_t+1   da_t       a_t  gate  h_t+1   da_t")
for t in range(3):
    drive = two["W_in"] * X[t] + two["W_rec"] @ both + two["b_in"]
    both = np.maximum(drive, 0)
    cells = (f"{drive[i, 0]:5.0f}{drive[i, 0] > 0:6d}{both[i, 0]:7.0f}{LISTENERS['da'][t][i]:7d}" for i in (0, 1))
    print(f"{t:2d}  " + "     ".join(cells))
for i, (first, second) in enumerate(LISTENERS["W_rec"]):
    print(f"dW, to neuron {i}: from neuron 0 {first}, from neuron 1 {second if TWO['W_rec'][i][1] else 'no synapse'}")
print("dW_out, to each class: " + "; ".join(f"{first:g}, {second:g}" for first, second in LISTENERS["W_out"]))
print("; ".join(f"{text}: {', '.join(f'{value:g}' for (value,) in LISTENERS[name])}"
                for text, name in (("dW_in", "W_in"), ("db", "b_in"), ("db_out", "b_out"), ("dx_t", "x"))))  # fmt: skip


def listeners(axes):
    """Draw two neurons at two steps, the synapses of neuron 0 dark, and its column of W."""
    dark, place = ms.plot.LINES[1]["color"], {"ha": "center", "va": "center", "size": 12}
    for x, t, words in (
        (0, 2, ("da_{1,0} = 2 \\cdot (-2) + (-1) \\cdot 1 = -5", "")),
        (3, 3, ("da_{2,0} = -2", "da_{2,1} = 1")),
    ):
        for i, (y, word) in enumerate(zip((1, 0), words, strict=True)):
            axes.text(x, y, f"$h_{{{t},{i}}}$", bbox={"boxstyle": "circle,pad=0.3", "fc": "white"}, **place)
            axes.text(x, y + (0.42 if i == 0 else -0.42), f"${word}$" if word else "", color=dark, **place)
    for start, end, weight, color in ((1, 1, "2", dark), (1, 0, "-1", dark), (0, 0, "3", "0.7")):
        shape = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "shrinkA": 18, "shrinkB": 18, "ls": "--"}
        axes.annotate("", (0, start), (3, end), arrowprops=shape)
        axes.text(1.5, (start + end) / 2 + 0.13, f"${weight}$", color=color, **place)
    axes.text(4.5, 0.5, "$W =$", **place)
    for i, row in enumerate((("2", r"\cdot"), ("-1", "3"))):
        for j, entry in enumerate(row):
            axes.text(5.2 + 0.6 * j, 0.75 - 0.5 * i, f"${entry}$", color=(dark, "0.5")[j], **place)
    axes.text(5.2, -0.25, "column 0", color=dark, **place)
    axes.plot([4.92, 5.48, 5.48, 4.92, 4.92], [0, 0, 1, 1, 0], color=dark)
    axes.set(xlim=(-1.3, 6.2), ylim=(-0.7, 1.7))
    axes.axis("off")


drawing(
    "two.png", listeners, "Backward, neuron 0 adds up over its listeners: down column 0 of W",
    "Two neurons at two steps. Dashed arrows lead back to neuron 0 from its listeners: itself (2) and neuron 1 (-1).",
)  # fmt: skip

# %%
# **An absent synapse.** For the place from 1 to 0 the formula gives
# :math:`da_{1,0} h_{1,1} + da_{2,0} h_{2,1} = 0 - 2 = -2`: the slope that a synapse of weight 0 would have there. But
# we have decided that there is no synapse: this entry of :math:`W` is held at 0, and so we set its slope to 0. That is
# a rule, and not a result. The *mask* :math:`M` is a table with 1 where a synapse exists and 0 elsewhere, and each
# entry of :math:`dW` is multiplied by that of :math:`M`. In a *sparse* network most places are like this one.
#
# Matrix form, and several examples at once
# -----------------------------------------
# This part and the next are for those who program; the exercises do not need them.
#
# Mathematics has short names for these sums. :math:`W h` adds up along the rows of :math:`W`. The *transpose*
# :math:`W^\top` is :math:`W` with rows and columns exchanged, so :math:`W^\top da` adds up down the columns. With
# both gates open:
#
# .. math::
#
#    W^\top da_2 = \begin{pmatrix} 2 & -1 \\ 0 & 3 \end{pmatrix} \begin{pmatrix} -2 \\ 1 \end{pmatrix} =
#    \begin{pmatrix} 2 \cdot (-2) + (-1) \cdot 1 \\ 0 \cdot (-2) + 3 \cdot 1 \end{pmatrix} =
#    \begin{pmatrix} -5 \\ 3 \end{pmatrix} = da_1
#
# :math:`da\, h^\top` is the table of all products :math:`da_i h_j`, and :math:`\circ` multiplies place by place, here
# by the mask:
#
# .. math::
#
#    dW = M \circ (da_1 h_1^\top + da_2 h_2^\top) = \begin{pmatrix} 1 & 0 \\ 1 & 1 \end{pmatrix} \circ \left(
#    \begin{pmatrix} -25 & 0 \\ 15 & 0 \end{pmatrix} + \begin{pmatrix} -6 & -2 \\ 3 & 1 \end{pmatrix} \right) =
#    \begin{pmatrix} -31 & 0 \\ 18 & 1 \end{pmatrix}
#
# In general entry :math:`(i, j)` of a product :math:`P Q` is :math:`\sum_m P_{im} Q_{mj}`: row :math:`i` of the first
# with column :math:`j` of the second. So :math:`P` must have as many columns as :math:`Q` has rows. Now take :math:`N`
# neurons, :math:`I` inputs, :math:`C` classes, :math:`T` steps (the sign :math:`\top` is another one), and :math:`B`
# examples at once, a column for each: the *batch*. Up to here :math:`B` was 1. A single column, such as :math:`b`, is
# added to every column. The sizes, rows times columns, stand below each table:
#
# .. math::
#
#    \underbrace{a_t}_{N \times B} = \underbrace{W_{in}}_{N \times I} \underbrace{x_t}_{I \times B} +
#    \underbrace{W}_{N \times N} \underbrace{h_t}_{N \times B} + \underbrace{b}_{N \times 1}, \qquad
#    \underbrace{z}_{C \times B} = \underbrace{W_{out}}_{C \times N} \underbrace{h_T}_{N \times B} +
#    \underbrace{b_{out}}_{C \times 1}
#
# and all that was derived above fits into a few lines. :math:`\varphi'(a_t)` is the table of the gates, taken place by
# place; :math:`k` counts the examples. A product has the one order in which its sizes fit. At the end of each line
# stands the name that it has in the code of the library (a line keeps its name for ever, so they are not in order):
#
# .. math::
#
#    \begin{array}{llll}
#    dW_{out} = dz\, h_T^\top & C \times N & (C \times B)(B \times N) & \text{(R4)} \\
#    db_{out} = \sum_k dz & C \times 1 & \text{sum over the examples} & \text{(R5)} \\
#    dh_T = W_{out}^\top dz & N \times B & (N \times C)(C \times B) & \text{(R16)} \\
#    da_{T-1} = dh_T \circ \varphi'(a_{T-1}) & N \times B & & \text{(R6)} \\
#    da_t = (W^\top da_{t+1}) \circ \varphi'(a_t) & N \times B & (N \times N)(N \times B) & \text{(R7)} \\
#    dW_{in} = \sum_t da_t\, x_t^\top & N \times I & (N \times B)(B \times I) & \text{(R8)} \\
#    db = \sum_{t,k} da_t & N \times 1 & \text{sum over steps and examples} & \text{(R9)} \\
#    dW = M \circ \sum_t da_t\, h_t^\top & N \times N & (N \times B)(B \times N) & \text{(R10)} \\
#    dx_t = W_{in}^\top da_t & I \times B & (I \times N)(N \times B) & \text{(R12)}
#    \end{array}
#
# **Batches.** A weight is used by every example, so there is a copy of it for each step *and* each example, and again
# the shares add up. A product of sizes :math:`(N \times B)(B \times N)` adds up over :math:`B`, so it does this by
# itself. The loss is the *mean* over the examples, so :math:`dz` is divided by :math:`B`: once, there, and nowhere
# else.
#
# The same in the library
# -----------------------
# These are the lines that run, the fourth rung: code. They are read from the library's source by their names, R4 to R12
# and R16. To read them:
#
# * ``h``, ``x`` and ``da`` have three axes: step, neuron (of ``x``: input), example. ``h[-1]`` is the last one,
#   :math:`h_T`.
# * ``dlogits`` is :math:`dz`; ``@`` is the matrix product, with three axes one for each step; ``.T`` is the transpose.
# * ``cache`` and ``kept`` are what the forward pass has kept for the backward pass: weights, inputs, activities.
#   ``slope(kept[t])`` is :math:`\varphi'(a_t)`.
# * ``W.matmul_t`` multiplies by :math:`W^\top`. ``outer`` and ``sum_outer`` are :math:`\sum_t da_t\, h_t^\top`, with
#   the mask and without it; ``dw`` leaves out step 0, where :math:`h_0 = 0`.
#
# After the arrow stands what each line makes of the numbers of the pencil, a row per receiver or step.


def network(mask, labels, **params):
    """Run the library on the input x for each label; returns its loss, its gradients and the network itself."""
    params = {name: np.array(value, float) for name, value in params.items()}
    params["b_out"] = np.log([[1.0], [2], [5]]) - params["W_out"] @ params.pop("h_3")
    model = ms.RNN(1, ms.make_weights(ms.Pattern.from_mask(np.array(mask, bool)), "dense"), 3, biases=1)
    x = np.repeat(np.array(X, float).reshape(3, 1, 1), len(labels), axis=2)  # (time, inputs, batch)
    logits, cache = model.forward(params, x)
    dlogits = ms.softmax_cross_entropy(logits, np.array(labels))[1]
    grads = model.backward(dlogits, cache, wrt_x=True)
    grads["dh"] = params["W_out"].T @ dlogits
    grads["da"], _ = model.layer.through_time(grads["dh"][None], cache)
    grads["last da"] = grads["da"][-1]
    return grads, model, params, x


ONE = {"W_rec": [[2]], "W_in": [[3]], "b_in": [[-1]], "W_out": W_OUT[:, None], "h_3": [[2]]}
TWO["h_3"] = [[2], [4]]
PENCIL = {"W_rec": dW, "W_in": dW_in, "b_in": db, "W_out": dW_out, "b_out": dz, "da": da, "x": dx}
LINES = {
    "W_out": "R4", "b_out": "R5", "dh": "R16", "last da": "R6", "da": "R7",
    "W_in": "R8", "b_in": "R9", "W_rec": "R10", "x": "R12",
}  # fmt: skip


def listed(values):
    """Write a table of numbers in one line; of a batch, the first column."""
    rounded = np.round(values if values.ndim < 3 else values[..., 0], 6) + 0.0
    return " ".join(np.array2string(rounded, separator=", ", formatter={"float": "{:g}".format}).split())


def quotients(model, params, x, labels):
    """Return the difference quotient of the library's loss in every entry of every parameter, and of the input."""
    everything, judged = {**params, "x": x}, {}
    for name, value in everything.items():
        judged[name] = np.zeros(value.shape)
        exist = model.weights["W_rec"].pattern.mask() if name == "W_rec" else np.ones(value.shape)
        for place in zip(*exist.nonzero(), strict=True):  # an absent synapse cannot move

            def moved(e, name=name, value=value, place=place):
                there = value.copy()
                there[place] += e
                given = {**everything, name: there}
                return ms.softmax_cross_entropy(model.forward(given, given["x"])[0], np.array(labels))[0]

            judged[name][place] = quotient(moved, 1e-5)
    return judged


def agree(found, by_hand):
    """Whether the library's gradients are those of the pencil."""
    return all(np.allclose(np.ravel(found[name]), np.ravel(numbers)) for name, numbers in by_hand.items())


alone = network([[1]], [0], **ONE)
found, model, params, x = network([[1, 0], [1, 1]], [0], **TWO)
for name, tag in LINES.items():
    print(f"({tag}) {ms.code_line(tag)} -> {listed(found[name])}")
print(f"one neuron: pencil and library {'agree' if agree(alone[0], PENCIL) else 'DISAGREE'} in every number; "
      f"two: {'agree' if agree(found, LISTENERS) else 'DISAGREE'}")  # fmt: skip
judged = quotients(model, params, x, [0])
many = sum(value.size for value in judged.values()) - 1  # one synapse is absent
judged_ok = agree(judged, {name: LISTENERS[name] for name in judged})
print(f"two neurons: dW by difference quotients {listed(judged['W_rec'].round(4))}; "
      f"all {many} of them {'agree' if judged_ok else 'DISAGREE'}, too")  # fmt: skip

# %%
# A batch of two: the same input twice, with the labels 0 and 1. Take each example alone first. The first one alone is
# what we have. The second one alone has :math:`dz = (1, -6, 5)/8`, :math:`da_2 = (1, 2)`, :math:`da_1 = (0, 6)`,
# :math:`da_0 = (-6, 0)`, and so :math:`dW_{00} = 3`, :math:`dW_{10} = 36`, :math:`dW_{11} = 2`. (Do it by pencil:
# nothing changes in the forward pass.) The loss of the batch is the mean of the two losses, and so is its slope:
# :math:`(-31 + 3)/2 = -14`, :math:`(18 + 36)/2 = 27`, :math:`(1 + 2)/2 = 1.5`. The library divides earlier, :math:`dz`
# by 2, so :math:`(-7, 2, 5)/16` and :math:`(1, -6, 5)/16`, and then adds up: the same.

batch = network([[1, 0], [1, 1]], [0, 1], **TWO)[0]
print(f"batch of two: dW = {listed(batch['W_rec'])}")

# %%
# The library has a judge like ours. It moves every entry of every weight and input both ways, and looks whether absent
# synapses have a slope of exactly 0. Instead of our loss it takes :math:`L = \sum_c r_c z_c`, with a random number
# :math:`r_c` for each logit, so that :math:`dz_c = r_c`. (With equal numbers two wrong terms, one too large and one too
# small, could add up to the right sum.) *3/3* says that three entries exist and all three were compared.

report = ms.check(model, params, x, np.array([0]))
told = [row for row in report.rows if row.tensor != "logits"]
print("judged: " + ", ".join(f"{row.tensor} {row.judged}/{row.judged + row.not_judged}" for row in told))
print(f"largest difference: {max(row.error for row in told):.0e} of the slope; {report.verdict()}")
assert agree(alone[0], PENCIL)
assert agree(found, LISTENERS)
assert judged_ok
report.assert_ok()

# %%
# States that are heard more often
# --------------------------------
# So far only the last state was read. The same five rungs (in the book: *Derivations that the chapters share*) take
# in a network that answers at every step. A state then has one more listener, a readout of its own, and its share is
# added: R17. The readout is used at every step, so its shares are added up (R28 to R31). A second layer on top is one
# more listener at every step, too (R32). Losses of many answers weigh each of them (L2, L3). A first state :math:`h_0`
# may be learnt (R18; R24 to R26), and noise may be added to the drives (R19). And a state may *leak* (R20 to R23): it
# keeps the share :math:`1 - \alpha` of itself,
#
# .. math:: h_{t+1} = (1 - \alpha)\, h_t + \alpha\, \varphi(a_t)
#
# It has two ways back from each step: through :math:`W`, and straight through the leak. Long sequences are cut into
# windows that no gradient leaves (R27): *truncated* back-propagation, which is cheaper, and blind to what is further
# back. ``alpha`` is :math:`\alpha`, and ``dh[t]`` is the slope of the loss in the state :math:`h_t`.

HEARD = ("R17", "R20", "R22", "R23")
ALIKE = ("R18", "R19", "R21", "R24", "R25", "R26", "R27", "R28", "R29", "R30", "R31", "R32", "L2", "L3")
for tag in HEARD:
    print(f"({tag}) {ms.code_line(tag)}")
layer = ms.Recurrent(2, ms.make_weights(ms.full(7, 7)), "tanh", alpha=0.2, start=True)
given = layer.init(np.random.default_rng(1), float, w_max=0.5)
given["x"] = np.random.default_rng(2).standard_normal((5, 2, 3))
in_full, cut = (
    ms.check_pair(lambda x, **params: layer.forward(params, x),
                  lambda dh, cache, back=back: layer.backward(dh, cache, wrt_x=True, back=back), given).ok
    for back in (None, 2)
)  # fmt: skip
found = "agree" if in_full else "DISAGREE", "agree" if cut else "do not"
print(f"a leaky layer: quotients {found[0]}; cut after two steps, they {found[1]}")
assert (in_full, cut) == (True, False)

# %%
# What to keep
# ------------
# * A weight that is used many times has a copy for every use. Its slope is the sum over the copies.
# * :math:`da_t` says what a push of a drive does to the loss. It is computed from the last step to the first.
# * The slope in anything is :math:`da` times what stood beside it in the forward line.
# * Forward adds up over senders, backward over listeners: the transpose.
# * Do not believe a derivation. Move the number and look.
#
# Exercises
# ---------
# They are in ``chapters/exercises/bptt.md``, with hints and solutions.
# ``python -m minisparse.lab exercise bptt 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``chapters/checks.py`` (how to check a gradient, and when a check lies), ``chapters/dale.py`` (the same derivation for
# the network of a paper, and what exercise 5 does to learning), ``minisparse/rnn.py`` (the passes).

lab.finish(args, "bptt", rows, drawn)
