r"""
A decision from noisy evidence
==============================

An animal looks at dots on a screen. Most of them move at random, some of them all move to the left, or all to the
right. While a spot shines the animal keeps its gaze on it; when the spot goes out, it looks to the side to which the
dots moved. This *perceptual decision-making* with random dots is a standard task of neuroscience. The evidence of one
moment is hardly worth anything, so it has to be added up over time.

Here a small network learns it. Its neurons obey Dale's principle: each one only excites or only inhibits, and one in
five inhibits. Its synapses are sparse. Its states *leak*, as the membrane of a neuron does. It answers at every time
step, as the networks of Song, Yang & Wang (*Training excitatory-inhibitory recurrent neural networks for cognitive
tasks*, PLoS Computational Biology, 2016) do. Every gradient is a hand-written line of the library.

**The number** is the gain g of ``chapters/dale.py``: the factor by which the recurrent weights multiply an activity
that is equal in all neurons. Of a leaky state one step keeps the share :math:`1 - \alpha` and takes in the share
:math:`\alpha`, so it grows by :math:`1 - \alpha + \alpha g` per step. Where that is above 1, the first gradients are
huge, and Adam remembers them.

The bars of this chapter are ours. It states nothing that a paper claims.
"""

# %%
# The claim, in one figure
# ------------------------
# The figure of the run is ``out/task/task.png``. Left, the *psychometric curve*: how often the network chooses the side
# *right*, over the evidence. The line of dots is what is possible at all: the choice of an observer that adds up the
# evidence without a leak and without forgetting. Right, what happens in the network meanwhile: the mean state of the
# neurons that prefer *right* minus that of the neurons that prefer *left*, over what it is without evidence. It rises
# or falls through the stimulus, the faster the stronger the evidence is. A neuron prefers the side in whose trials its
# state is larger at the go cue; that is found in other trials than those that are drawn. Lines are means over the
# seeds.

import sys

sys.path.append(f"{sys.path[0]}/..")  # where a clone has minisparse, if it was not installed

import math
import statistics
import warnings

import numpy as np
from scipy.optimize import least_squares
from scipy.special import softmax
from scipy.stats import norm

import minisparse as ms
from minisparse import lab
from minisparse.errors import InputError, NonFiniteError
from minisparse.lab import recipes

MEANT = 85.0  # percent right: the task counts as learnt


def knobs(flag):
    flag("--inhibitory", type=float, default=0.2, help="share of inhibitory neurons")
    flag("--w-max", nargs="+", type=float, default=[0.1, 0.5, 1.0], help="largest initial weights that are tried")
    flag("--trials", type=int, default=3000, help="trials of an epoch")
    flag("--source", choices=("here", "neurogym"), default="here", help="who makes the trials")


args = lab.chapter(
    "task", __doc__ or "A decision from noisy evidence",
    {"nodes": 100, "density": [0.2], "epochs": 12, "seeds": 3, "time": "under a minute"},
    smoke={"nodes": 20, "epochs": 2, "seeds": 1, "trials": 200, "w_max": [0.5], "time": "under 10 s"}, add=knobs,
)  # fmt: skip
(density,) = args.density[:1]
if args.trials < 100:
    raise InputError(f"--trials must be at least 100, for some of each coherence, got {args.trials}")

# %%
# The trials
# ----------
# A trial takes half a second, in steps of 20 ms: 100 ms of *fixation*, 300 ms of *stimulus*, 100 ms of *decision*. The
# network has three inputs. The first is the spot: 1 until the decision, then 0; that is the *go cue*. The two others
# are the evidence for left and for right. During the stimulus their means are :math:`0.5 \mp c/200`, where the signed
# *coherence* :math:`c` is the percentage of the dots that move together, above 0 to the right. To each number noise of
# standard deviation :math:`\sigma = 1/\sqrt{20} = 0.22` is added. The network has three answers: *wait*, *left*,
# *right*. It has to wait until the go cue and to choose after it. In the first two steps after the cue any answer will
# do: they have weight 0 in the loss. Means, noise and coherences are those of the task PerceptualDecisionMaking-v0 of
# the package *neurogym*.
#
# A trial of coherence 0 has no evidence; its side is drawn, and no network can know it. All the others are
# *unambiguous*: they are what the share of right trials is taken of. A trial counts as right if every answer before the
# go cue is *wait* and the last answer of the trial is the right side. So a network that has learnt nothing has none
# right, and not half of them.
#
# Song, Yang & Wang add noise to the drives of the neurons, too. A pass takes it as ``noise=``; it is drawn outside, so
# that a pass can be repeated. Added at every step, it leaves a trace in the sum of the evidence, as the noise of the
# inputs does: the observer described below would be out of reach. The noise of the inputs is enough here.

STEP, TAU = 20, 100  # ms: a time step, the time constant of a state
ALPHA = STEP / TAU
TIMING = {"fixation": 100, "stimulus": 300, "decision": 100}  # ms
ON, GO, STEPS = np.cumsum(list(TIMING.values())) // STEP
GRACE = 2  # steps after the go cue
SIGMA = STEP**-0.5
COHERENCES = (0, 6.4, 12.8, 25.6, 51.2)  # percent
SIGNED = sorted({sign * c for c in COHERENCES for sign in (-1, 1)})


def trials(count, rng):
    """Draw trials: inputs (trials, time, 3), and for each whether its side is right, and its signed coherence."""
    right = rng.random(count) < 0.5
    coherence = np.where(right, 1, -1) * rng.choice(COHERENCES, count)
    x = np.zeros((count, STEPS, 3), np.float32)
    x[:, :GO, 0] = 1
    means = 0.5 + coherence[:, None] / 200 * np.array([-1, 1])
    x[:, ON:GO, 1:] = means[:, None] + SIGMA * rng.standard_normal((count, GO - ON, 2))
    return x, right, coherence


def neurogym_trials(count, rng):
    """Take trials of the same timing from the package neurogym; there the spot shines during the fixation alone."""
    try:
        import neurogym
    except ImportError as error:
        raise InputError('--source neurogym needs the package: pip install -e ".[tasks]"') from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of itself
        env = neurogym.make("PerceptualDecisionMaking-v0", dt=STEP, timing=TIMING).unwrapped
    env.seed(int(rng.integers(2**31)))
    x, right, coherence = [], np.zeros(count, bool), np.zeros(count)
    for k in range(count):
        trial = env.new_trial()
        x.append(np.array(env.ob, np.float32))
        right[k] = trial["ground_truth"] == 1
        coherence[k] = (1 if right[k] else -1) * trial["coh"]
    return np.stack(x), right, coherence


SOURCES = {"here": trials, "neurogym": neurogym_trials}


def as_dataset(train, test):
    """Return a data set of two draws of trials: the answer of every step, and the mask of those that count."""
    targets, masks = [], []
    for _, right, _ in (train, test):
        targets.append(np.where(np.arange(STEPS) < GO, 0, 1 + right[:, None]))
        masks.append(np.ones(targets[-1].shape, np.float32))
        masks[-1][:, GO : GO + GRACE] = 0
    named = {"mask_train": masks[0], "mask_test": masks[1]}
    return ms.data.Dataset("random dots", train[0], targets[0], test[0], targets[1], n_classes=3, **named)


# %%
# The leak, forward and backward
# ------------------------------
# The network has N neurons. :math:`h_t` is their state at step :math:`t`, a column per trial, :math:`x_t` the input,
# and :math:`a_t` the *drive*, what a neuron receives. :math:`W` holds the recurrent weights, (post, pre),
# :math:`W_{in}` and :math:`W_{out}` are the weights of inputs and answers, :math:`b` and :math:`b_{out}` the biases,
# and :math:`\varphi(a) = \max(a, 0)`. A state with the time constant :math:`\tau` follows
# :math:`\tau \, dh/dt = -h + \varphi(a)`. In steps of :math:`\Delta t` that is
#
# .. math::
#
#    a_t = W_{in} x_t + b + W h_t, \qquad
#    h_{t+1} = (1 - \alpha)\, h_t + \alpha\, \varphi(a_t), \qquad \alpha = \Delta t / \tau = 0.2 ,
#
# and the answers are :math:`z_t = W_{out} h_{t+1} + b_{out}`. Now backward. Write :math:`da_t` and :math:`dh_t` for the
# slopes of the loss in :math:`a_t` and in :math:`h_t`. (The loss is the mean cross-entropy of all answers that count.)
# Who hears what?
#
# * The drive :math:`a_t` is heard by :math:`h_{t+1}` alone, through :math:`\alpha \varphi`. So
#   :math:`da_t = \alpha\, dh_{t+1}\, \varphi'(a_t)` (R22).
# * The state :math:`h_t` has three listeners. The answer of its step is the first; its share is there already when the
#   loop begins. The second is the next state, which keeps the part :math:`1 - \alpha`. The third are all drives of
#   this step, through :math:`W`. So :math:`(1 - \alpha)\, dh_{t+1} + W^\top da_t` is added to :math:`dh_t` (R23).
#
# The lines that run (in ``minisparse/leak.py``; ``chapters/bptt.py`` derives the rest):

for tag in ["R20", "R22", "R23"]:
    print(f"  ({tag})  {ms.code_line(tag)}")
tiny = ms.SequenceRNN([ms.Recurrent(3, ms.make_weights(ms.full(6, 6)), "tanh", alpha=ALPHA)], 3)
x, labels = trials(2, np.random.default_rng(2))[0].transpose(1, 2, 0)[ON - 2 : ON + 3], np.arange(10).reshape(5, 2) % 3
with ms.use("numpy"):  # on a GPU each pass would wait for its launches
    given = tiny.init(np.random.default_rng(1), float, w_max=0.5)
report = ms.check(tiny, given, x.astype(float), labels, loss=ms.cross_entropy_per_step)
print(f"the gradients of a small network {'agree' if report.ok else 'DISAGREE'} with central differences")
report.assert_ok()

# %%
# The gain of a leaky state
# -------------------------
# Let every neuron hold the state :math:`u > 0`, without input. A neuron's drive is then :math:`u` times the sum of its
# weights, on average :math:`g u` with the gain of ``chapters/gain.py``,
#
# .. math:: g = p N \, \tfrac{w_{max}}{2} \, (1 - f - k f) .
#
# :math:`p` is the density, :math:`f` the share of inhibitory neurons, :math:`w_{max}` the largest initial weight, and
# :math:`k` says how many times as strong an inhibitory synapse is. If :math:`g > 0` the next state is
# :math:`(1 - \alpha)\, u + \alpha\, g u`, so one step multiplies by
#
# .. math:: 1 - \alpha + \alpha\, g = 1 + \alpha (g - 1) .
#
# (If :math:`g < 0` the drives are below 0, :math:`\varphi` makes them 0, and :math:`1 - \alpha` is left.) Two things
# follow. The leak does not move the border: states grow if :math:`g > 1`, whatever :math:`\alpha` is. And it stretches
# time: over one time constant, :math:`1/\alpha` steps, the factor is about :math:`e^{g - 1}`. So the time constants in
# a trial count, and not its steps; here there are five. At :math:`g = 1` nothing is lost and nothing grows: such a
# network adds up what it hears.
#
# The law is about the mean of the weights. They also differ at random. If the weighted inputs of a neuron add up to 0
# on average, :math:`\varphi` lets half of their mean square through. So the root mean square of the states is
# multiplied by about
#
# .. math:: r = \sqrt{p N \, \langle w^2 \rangle / 2}, \qquad
#    \langle w^2 \rangle = \tfrac13 w_{max}^2 \, (1 - f + k^2 f) ,
#
# and a step multiplies the states by :math:`1 - \alpha + \alpha r` at most. That growth has no direction that all
# neurons share.
#
# With :math:`f = 0.2` the choice of :math:`k` decides. If inhibitory synapses are four times as strong (k = 4), each
# neuron receives as much inhibition as excitation: :math:`1 - 0.2 - 0.8 = 0`, so the network is *balanced*, and
# :math:`g = 0` whatever the weights. With k = 1 the bracket is 0.6, and :math:`g` grows with them. Each kind is tried
# with three sizes of weights. As in ``chapters/dale.py``, what stops a network is not the explosion itself but that
# Adam's running square of the gradient remembers it. So each network is trained twice: as it is, and with *clipped*
# gradients, of which one that is longer than 1 is shortened to 1 (``ms.ClipNorm``).


class Watch:
    """Keep, after each epoch, the share of right test trials and the count of wrong signs; hook of `fit`."""

    def __init__(self, dale, test):
        self.dale, self.test, self.state = dale, test, {}

    def __call__(self, run):
        found = [[judged(answers(run, self.test[0])[0], *self.test[1:]), self.dale.violations(run.model, run.params)]]
        self.state["kept"] = np.concatenate([ms.to_numpy(self.state.get("kept", np.zeros((0, 2)))), found])


def answers(net, x):
    """Return the logits (time, 3, trials) and the states (time + 1, N, trials) of trials."""
    logits, cache = net.model.forward(net.params, ms.asarray(x.transpose(1, 2, 0)))
    return ms.to_numpy(logits), ms.to_numpy(cache.h)


def judged(logits, right, coherence):
    """Return the percentage of unambiguous trials with a wait until the go cue and the right side at the end."""
    said, clear = logits.argmax(axis=1), coherence != 0
    fine = (said[:GO] == 0).all(axis=0) & (said[-1] == 1 + right)
    return 100 * float(fine[clear].mean())


def chosen_right(logits):
    """Whether the choice *right* is ahead of *left* at the end."""
    return logits[-1, 2] > logits[-1, 1]


def measured(net, draw, rng, count):
    """Describe a network: choices and, by coherence, the difference of states between neurons of either preference."""
    logits, states = answers(net, (first := draw(count, rng))[0])
    apart = states[GO][:, first[1]].mean(axis=1) - states[GO][:, ~first[1]].mean(axis=1)
    x, right, coherence = draw(2 * count, rng)  # other trials than those that say what a neuron prefers
    logits, states = answers(net, x)
    prefers = states[:, apart > 0].mean(axis=1) - states[:, apart < 0].mean(axis=1)
    each = [coherence == c for c in SIGNED]
    clearest = abs(coherence) == max(COHERENCES)
    return {
        "unambiguous": judged(logits, right, coherence),
        "counts": [int(these.sum()) for these in each],
        "chose_right": [float(chosen_right(logits)[these].mean()) for these in each],
        "states": [np.round(prefers[:, these].mean(axis=1), 4).tolist() for these in each],
        "said": np.round(softmax(logits, axis=1)[:, :, clearest & right].mean(axis=2), 4).tolist(),
    }


def run_cell(config, checkpoint):
    """Train one network, then let it decide on new trials."""
    synapses, whose, values, order = recipes.streams(config["seed"])
    n, k, draw = config["nodes"], config["inhibition_gain"], SOURCES[config["source"]]
    rng = np.random.default_rng([config["seed"], 1])  # trials are the same for all networks of a seed
    weights = ms.make_weights(recipes.pattern(n, config["density"], synapses), config["storage"])
    signs = ms.dale_signs(n, config["inhibitory"], whose)
    net = recipes.SimpleNamespace(model=ms.SequenceRNN([ms.Recurrent(3, weights, "relu", alpha=ALPHA)], 3))
    net.params = net.model.init(values, w_max=config["w_max"], signs=[np.where(signs < 0, -k, 1.0)])
    train, test = draw(config["trials"], rng), draw(config["trials"] // 3, rng)
    data = as_dataset(train, test)
    x, targets = next(ms.batches(data.x_train, data.targets("train"), 100))
    logits, cache = net.model.forward(net.params, ms.asarray(x))
    _, dlogits = ms.cross_entropy_per_step(logits, *map(ms.asarray, targets))
    h = ms.to_numpy(cache.h).mean(axis=(1, 2), dtype=float)
    start = {
        "gain": ms.predicted_gain(n, config["density"], config["w_max"], config["inhibitory"], k),
        "forward_gain": ms.forward_gain(net.model.weights["W_rec0"], net.params["W_rec0"]),
        "growth": float(h[-1] / h[-2]),
        "gradient": float(ms.clip.norm(net.model.backward(dlogits, cache))),
    }
    dale = ms.Dale(signs, parameter="W_rec0")
    watch = Watch(dale, test)
    try:
        history = ms.fit(
            net.model, net.params, ms.Adam(lr=5e-3), data, config["epochs"], order,
            loss=ms.cross_entropy_per_step, metrics=["accuracy"],
            before_step=[ms.ClipNorm(config["clip"])] if config["clip"] else [],
            after_step=[*args.hooks, dale, ms.Cosine()], after_epoch=[watch],
            checkpoint=checkpoint, resume=args.resume, quiet=True,
        )  # fmt: skip
    except NonFiniteError as error:
        return {**start, "non_finite": error.as_row(), "accuracy": [], "unambiguous": None}
    accuracy, violations = ms.to_numpy(watch.state["kept"]).T.tolist()
    trained = {"accuracy": accuracy, "violations": violations, "seconds": sum(row["seconds"] for row in history)}
    return {**start, **trained, **measured(net, draw, rng, config["trials"])}


# %%
# The runs
# --------
# The learning rate falls from 0.005 to 0 (``ms.Cosine``), so that the last epochs do not swing. ``ms.Dale`` sets a
# weight that has crossed to the wrong sign to 0 after each step, and after each epoch wrong signs are counted.

USUAL_W, BALANCED = (0.5 if 0.5 in args.w_max else args.w_max[0]), 4.0
common = {name: getattr(args, name) for name in ("nodes", "inhibitory", "epochs", "trials", "source", "storage")}
cells = [
    {"part": "cells", "config": {**common, "density": density, "inhibition_gain": k, "w_max": w_max,
                                 "clip": clip, "seed": seed}}
    for w_max in args.w_max for k in (BALANCED, 1.0) for clip in (1.0, 0.0)
    for seed in range(args.first_seed, args.first_seed + args.seeds)
]  # fmt: skip


def grown(gain):
    """Return the factor by which one step multiplies a uniform state of this gain."""
    return 1 - ALPHA + ALPHA * max(gain, 0)


def at_random(c):
    """Return r, by how much a step of the random part multiplies the root mean square of the states."""
    square = c["w_max"] ** 2 / 3 * (1 - c["inhibitory"] + c["inhibition_gain"] ** 2 * c["inhibitory"])
    return math.sqrt(c["density"] * c["nodes"] * square / 2)


def kind(config):
    return "balanced" if config["inhibition_gain"] == BALANCED else "excess excitation"


def line(row):
    c = row["config"]
    ended = "not finite" if row["unambiguous"] is None else f"{row['unambiguous']:.1f} % right"
    how = "clipped" if c["clip"] else "as it is"
    return f"{kind(c)}, w_max {c['w_max']:g}, {how}, seed {c['seed']}: {ended}"


rows = lab.cells(args, "task", cells, run_cell, line)


def members(w_max=USUAL_W, k=BALANCED, clip=1.0):
    """Return the rows of a network's seeds, by default those of the balanced, clipped network in the first figure."""
    wanted = {"w_max": w_max, "inhibition_gain": k, "clip": clip}
    return [row for row in rows if wanted.items() <= row["config"].items()]


# %%
# Does the number decide whether it starts?
# -----------------------------------------
# In the table *g* and *r* are those of the law before training, *growth* is :math:`1 - \alpha + \alpha g`, *measured*
# is what the last step makes of the mean state of the first batch, and *gradient* is the length of its gradient. The
# last columns are the unambiguous trials that are right after training (%), per seed: as it is, and clipped. The figure
# is ``out/task/start.png``; equal markers lie on each other.

print(f"\n{'network':30s}{'g':>5s}{'r':>6s}{'growth':>8s}{'measured':>10s}{'gradient':>10s}  {'as it is':14s}clipped")


def ends(found):
    return ", ".join("none" if row["unambiguous"] is None else f"{row['unambiguous']:.0f}" for row in found)


for w_max in args.w_max:
    for k in (BALANCED, 1.0):
        plain, clipped = members(w_max, k, 0.0), members(w_max, k, 1.0)
        gain, growth, gradient = (
            statistics.mean(row[name] for row in plain) for name in ("gain", "growth", "gradient")
        )
        name = f"{kind(plain[0]['config'])}, w_max = {w_max:g}"
        numbers = f"{gain:5.1f}{at_random(plain[0]['config']):6.2f}{grown(gain):8.2f}{growth:10.2f}{gradient:10.1e}"
        print(f"{name:30s}{numbers}  {ends(plain):14s}{ends(clipped)}")


def plot_start(rows, path):
    """Draw how many trials are right after training, over the growth by the law and as it is measured."""
    figure, panels = ms.plot.figure(1, 2, size=(11.5, 4.8), sharey=True)
    looks = {"balanced": {"color": "#0072B2", "marker": "o"}, "excess excitation": {"color": "#D55E00", "marker": "s"}}
    places = (lambda row: grown(row["gain"]), lambda row: row["growth"])
    for panel, place in zip(panels, places, strict=True):
        for row in rows:
            face = {"markerfacecolor": "white", "zorder": 2} if row["config"]["clip"] else {"zorder": 3}
            look = {**looks[kind(row["config"])], **face, "linestyle": "", "markersize": 9}
            panel.plot([place(row)], [row["unambiguous"] or 0], **look)
        panel.axvline(1, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
        panel.axhline(MEANT, color="0.8", linewidth=0.8, zorder=0)
        panel.set(ylim=(-4, 104))
    for name, look in looks.items():
        for filled, word in ((True, "as it is"), (False, "clipped")):
            face = look["color"] if filled else "white"
            panels[1].plot([], [], linestyle="", markersize=9, markerfacecolor=face, label=f"{name}, {word}", **look)
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    panels[0].set(xlabel="growth per step by the law, 1 - α + α g", ylabel="unambiguous trials right (%)")
    panels[1].set(xlabel="growth per step, measured")

    def learn(found):
        return f"{sum((row['unambiguous'] or 0) >= MEANT for row in found)} of {len(found)}"

    plain, clipped = ([row for row in rows if row["config"]["clip"] == clip] for clip in (0.0, 1.0))
    low, high = ([row for row in plain if (grown(row["gain"]) > 1) == each] for each in (False, True))
    told = f"As they are, {learn(low)} learn up to a growth of 1\nby the law, {learn(high)} above it"
    panels[0].set_title(told, loc="left")
    panels[1].set_title(f"Balanced networks grow, too, at random.\nClipped, {learn(clipped)} learn", loc="left")
    alt = f"Right trials over the growth per step. {told}; with clipped gradients {learn(clipped)}.".replace("\n", " ")
    ms.plot.save(figure, path, alt=alt)


# %%
# The choices and the states
# --------------------------
# Over the :math:`n` steps of the stimulus the sum of *right minus left* has the mean :math:`n c/100` and the standard
# deviation :math:`\sigma \sqrt{2n}`. An observer that adds up all evidence, and takes the sign of the sum, chooses
# right with the probability
#
# .. math:: P(c) = \Phi\left( \frac{\sqrt{n}\, c}{100\, \sigma \sqrt{2}} \right) ,
#
# where :math:`\Phi` is the normal distribution function. Nobody can do better. To the choices of the network the curve
# :math:`\Phi(\beta \, \Phi^{-1}(P(c)) + \beta_0)` is fitted: :math:`\beta_0` is a bias towards one side, and
# :math:`\beta` a loss of evidence. As :math:`P` has :math:`\sqrt n`, the network chooses as an observer does who sees
# :math:`\beta^2 n` steps and adds them up.


def distance(coherence):
    """Return by how many standard deviations the summed evidence is off 0."""
    return math.sqrt(GO - ON) * np.asarray(coherence) / (100 * SIGMA * math.sqrt(2))


def fitted(row):
    """Return (bias, slope) of a network's psychometric curve, over that of the best observer."""
    off, chose = distance(SIGNED), np.array(row["chose_right"])
    found = least_squares(lambda p: norm.cdf(p[0] + p[1] * off) - chose, (0, 1), bounds=((-5, -5), (5, 5)))
    return found.x.tolist()


def falls(row):
    """Return the largest fall of a psychometric curve from one coherence to the next, in standard errors; 0 if none."""
    p, counts = np.array(row["chose_right"]), np.array(row["counts"])
    error = np.sqrt(np.maximum(p * (1 - p), 1 / counts) / counts)
    return float(max(0.0, (-np.diff(p) / np.hypot(error[1:], error[:-1])).max()))


def plot_choices(rows, path):
    """Draw the psychometric curve, and over time the difference of states between neurons of either preference."""
    figure, (choices, states) = ms.plot.figure(1, 2, size=(12.5, 4.8))
    fine = np.linspace(SIGNED[0], SIGNED[-1], 201)
    choices.plot(fine, 100 * norm.cdf(distance(fine)), color="0.4", linestyle=":", linewidth=2)
    choices.text(2, 100 * norm.cdf(distance(6.4)) + 5, "best possible", ha="right", size=11, color="0.3")
    shares = 100 * np.array([row["chose_right"] for row in rows])
    ms.plot.band(choices, shares, ms.plot.LINES[0], "", SIGNED)
    choices.text(15, shares.mean(0)[SIGNED.index(12.8)] - 9, "network", size=11, color=ms.plot.LINES[0]["color"])
    choices.set(xlabel="signed coherence (%), above 0: to the right", ylabel="choices of right (%)", ylim=(-3, 103))
    seen = [fitted(row)[1] ** 2 * (GO - ON) for row in rows]
    told = f"The network chooses as if it added up\n{statistics.mean(seen):.0f} of {GO - ON} steps of the evidence"
    choices.set_title(told, loc="left")
    means, at = np.mean([row["states"] for row in rows], axis=0), STEP * np.arange(STEPS + 1)
    means -= means[SIGNED.index(0)]  # what evidence adds
    shown = [c for c in SIGNED if abs(c) != min(filter(None, COHERENCES))]
    reds = dict(zip(shown, ("#08306B", "#2171B5", "#4292C6", "0.4", "#E08214", "#D94801", "#7F2704"), strict=True))
    for c in shown:
        curve = means[SIGNED.index(c)]
        states.plot(at, curve, color=reds[c], label=f"{c:+.1f} %" if c else "0 %")
    states.axvspan(STEP * ON, STEP * GO, color="0.94", zorder=0)
    states.set(
        xlabel="time (ms); grey: the stimulus", ylabel="state: prefer right - prefer left, over 0 %", xlim=(0, at[-1])
    )
    ms.plot.name_lines(states)
    rise = means[SIGNED.index(SIGNED[-1])][GO] / means[SIGNED.index(12.8)][GO]
    told = f"States add up the evidence: four times as much\ntakes them {rise:.1f} times as far until the go cue"
    states.set_title(told, loc="left")
    alt = (f"Left, choices of right over coherence, from {shares.mean(0)[0]:.0f} to {shares.mean(0)[-1]:.0f} %, next "
           f"to the best possible curve. Right, states of neurons that prefer right minus those that prefer left: they "
           f"part during the stimulus, at the go cue {rise:.1f} times as far for four times the evidence.")  # fmt: skip
    ms.plot.save(figure, path, alt=alt)


def plot_trial(rows, path):
    """Draw the inputs of one trial, and what the network says over the time of the clearest trials to the right."""
    figure, (inputs, said) = ms.plot.figure(1, 2, size=(12.5, 4.2))
    x, _, coherence = trials(50, np.random.default_rng(3))
    example, at = x[np.argmax(coherence == 25.6)], STEP * np.arange(STEPS)
    for panel in (inputs, said):
        panel.axvspan(STEP * ON, STEP * GO, color="0.94", zorder=0)
        panel.set(xlabel="time (ms); grey: the stimulus", xlim=(0, at[-1]))
    for k, (name, style) in enumerate(zip(("spot", "left", "right"), ms.plot.LINES, strict=False)):
        inputs.step(at, example[:, k], where="post", color=style["color"])
        inputs.text(10, 0.85 - 0.1 * k, name, color=style["color"], size=11)
    inputs.set(title="One trial of coherence 25.6 %: the side is\nnot seen in a single step", ylabel="input")
    mean = np.mean([row["said"] for row in rows], axis=0)
    for k, (name, style) in enumerate(zip(("wait", "left", "right"), ms.plot.LINES, strict=False)):
        said.plot(at, mean[:, k], label=name, color=style["color"])
    waits, ends = 100 * mean[:GO, 0].min(), 100 * mean[-1, 2]
    told = f"To the right at 51.2 %: it waits until the cue\n(at least {waits:.0f} %), then says right ({ends:.0f} %)"
    said.set(title=told, ylabel="probability of an answer", ylim=(-0.03, 1.03))
    ms.plot.name_lines(said)
    alt = f"Left, the inputs of one trial. Right, the answers over time. {told}.".replace("\n", " ")
    ms.plot.save(figure, path, alt=alt)


# %%
# What comes out
# --------------
# A curve is *monotone* here if it falls nowhere from one coherence to the next by more than the standard error of the
# difference.
#
# * The network comes close to the best observer, although its states leak: it has learnt to keep what its neurons lose.
# * As it is, a network whose mean growth is above 1 does not learn, and nearly all others do. What fails among these is
#   balanced, with the largest weights: there the random part explodes, of which the law knows nothing. But such
#   networks mostly learn, at a *measured* growth at which those with too much excitation never do. What all neurons
#   share hurts more than what differs among them.
# * With clipped gradients networks learn at every growth that is tried, one of them not in time. So the number decides
#   whether a network starts only as long as nothing keeps huge gradients from Adam's memory.

used, written = [row for row in members() if row["unambiguous"] is not None], ["start.png"]
plot_start(rows, args.out / "start.png")
if used:
    plot_choices(used, args.out / "task.png")
    plot_trial(used, args.out / "trial.png")
    written = ["task.png", "trial.png", *written]
setting = f"{args.nodes} neurons, density {density:g}, {args.inhibitory:g} inhibitory, {args.epochs} epochs, "
claims = lab.Judged(setting + f"{args.seeds} seeds" + ", trials of neurogym" * (args.source == "neurogym"), full=True)
if used and not args.smoke:
    print()
    right, (biases, slopes) = [row["unambiguous"] for row in used], zip(*map(fitted, used), strict=True)
    in_time = max(row["seconds"] for row in used) < 60
    best = 100 * statistics.mean(norm.cdf(distance([c for c in COHERENCES if c])))
    claims.judge("trial", f"at least {MEANT:g} % of unambiguous trials right, in under 60 s", {"right (%)": right},
                 min(right) >= MEANT and in_time, note=f"the best possible is {best:.1f}")  # fmt: skip
    wrong = sum(sum(row.get("violations", ())) for row in rows)
    claims.judge("trial", "no weight of the wrong sign after any epoch", {"wrong": wrong}, wrong == 0,
                 note=f"{wrong:.0f} in {len(rows)} networks")  # fmt: skip
    fallen = list(map(falls, used))
    claims.judge("trial", "the psychometric curve is monotone", {"largest fall (standard errors)": fallen},
                 max(fallen) <= 1, digits=2)  # fmt: skip
    seen = statistics.mean(slope**2 for slope in slopes)
    claims.judge("trial", "how much of the evidence is used", {"slope": slopes, "bias": biases}, digits=2,
                 note=f"as if {100 * seen:.0f} % of the steps were added up")  # fmt: skip
    low, high = ([(row["unambiguous"] or 0) >= MEANT for row in rows if not row["config"]["clip"]
                  and (grown(row["gain"]) > 1) == above] for above in (False, True))  # fmt: skip
    claims.judge("trial", "as it is, a network learns if 1 - α + α g is at most 1, and not otherwise",
                 {"up to 1": sum(low), "above 1": sum(high)}, all(low) and not any(high),
                 note=f"up to 1 {sum(low)} of {len(low)} learn, above it {sum(high)} of {len(high)}")  # fmt: skip
    clipped = [row["unambiguous"] or 0 for row in rows if row["config"]["clip"]]
    told = f"{sum(each >= MEANT for each in clipped)} of {len(clipped)}, the lowest {min(clipped):.0f} %"
    claims.judge("trial", "clipped, all networks learn", {"lowest": min(clipped)}, min(clipped) >= MEANT, note=told)

# %%
# Exercises
# ---------
# They are in ``chapters/exercises/task.md``, with hints and solutions.
# ``python -m minisparse.lab exercise task 1`` asks the first one and marks an answer.
#
# Read next
# ---------
# ``chapters/dale.py`` (why a network remembers an explosion), ``minisparse/leak.py``, ``minisparse/step_losses.py``.
#
# Longer runs
# -----------
# * With the trials of neurogym: ``python chapters/task.py --source neurogym --record``

lab.finish(args, "task", claims, written, "-neurogym" if args.source == "neurogym" else "")
