"""What every line exercise asks, and its two written hints; the third is made from the line itself."""

from __future__ import annotations

from typing import NamedTuple


class About(NamedTuple):
    """The lines of one part of the library.

    Attributes
    ----------
    title, teaches : str
    minutes : int
        For somebody who does it for the first time.
    modules : tuple of str
        Where the lines are.
    calls : tuple of str
        What the library's own functions and objects give, as far as the lines may want them.
    """

    title: str
    teaches: str
    minutes: int
    modules: tuple[str, ...]
    calls: tuple[str, ...] = ()


LESSONS = {
    "loss": About(
        "Softmax with cross-entropy",
        "The gradient of the mean loss in the logits: the probability that was said less the one that was wanted.",
        10,
        ("losses",),
    ),
    "answers": About(
        "Losses of several answers",
        "Cross-entropy and squared error of answers at every step, of which some count more than others.",
        10,
        ("step_losses",),
        ("share is how much each answer counts, adding up to 1, of shape (time, 1, batch) or (1, batch)",),
    ),
    "activations": About(
        "Slopes of the activations",
        "The derivative of ReLU, tanh and the logistic function, each written with the value h alone.",
        10,
        ("activations",),
    ),
    "feedforward": About(
        "Backward pass of a feedforward network",
        "Layer by layer from the logits to the input: weights, biases, what lies below, and a scale that layers share.",
        25,
        ("mlp",),
        (
            "W.matmul_t(dy, times=s) is Wᵀ dy, entry by entry times s where it is given; W is bound weights, no array",
            "weights.outer(dy, x) is dy xᵀ at the synapses alone; of two stacks over time their sum",
            "slope(kept[k]) is the slope of the activation of layer k; rule.backward(dw, kept) a dict",
            "h[k] is what layer k reads, (units below, batch)",
        ),
    ),
    "bptt": About(
        "Back-propagation through time",
        "The whole backward pass of the recurrent network, from the logits to the input of every step.",
        45,
        ("rnn", "recurrent"),
        (
            "W.matmul_t(dy, times=s) is Wᵀ dy, entry by entry times s where it is given; W is bound weights, no array",
            "weights.outer(dy, x) is dy xᵀ at the synapses alone; of two stacks over time their sum",
            "slope(kept[t]) is the slope of the activation at step t; self.normalise.backward(dw, kept) a dict",
            "sum_outer(a, b) is the sum over time of a[t] b[t]ᵀ",
            "h is (time + 1, units, batch) with h[0] = 0; x (time, inputs, batch); da (time, units, batch)",
            "in Instant.backward dh is the gradient of the last state, heard a list of those of the states before",
        ),
    ),
    "sequence": About(
        "Layers of sequences",
        "A readout of every step, and recurrent layers on top of each other.",
        15,
        ("sequence",),
        (
            "sum_outer(a, b) is the sum over time of a[t] b[t]ᵀ",
            "dlogits is (answers, outputs, batch), h the states that were read, (answers, units, batch)",
            'grads are what a layer\'s own backward pass found, with "x" where it was asked for',
        ),
    ),
    "leak": About(
        "A leaky state",
        "A state that keeps a share of itself: two ways back from each step instead of one.",
        15,
        ("leak",),
        (
            "W.matmul_t(dy) is Wᵀ dy; W is bound weights, no array",
            "slope(kept[t]) is the slope of the activation at step t",
            "dh[t] is the gradient of the state h[t], (units, batch), at first what is heard of it outside",
        ),
    ),
    "sparse": About(
        "Products of a sparse matrix",
        "The two products that a backward pass needs of a weight matrix, dense with a mask and in compressed rows.",
        25,
        ("weights.dense", "weights.csr"),
        (
            "scaled(product, times) multiplies by times where it is given; sum_outer(dy, x) adds up dy[t] x[t]ᵀ",
            "self._zero_off_pattern(matrix) sets what is no synapse to 0",
            "kernels.table(x, w) holds spmm(rows, w, x) and sddmm(rows, dy, x); self._rows(x) the pattern's rows",
            "self._transposed are the rows of Wᵀ and their values",
        ),
    ),
    "normalisation": About(
        "Normalised rows",
        "From the gradient of the effective weight to that of the raw parameter and of its scale.",
        30,
        ("normalise",),
        (
            "weights.row_dot(a, b) adds up a b along each row, (post, 1); weights.by_row(g) spreads such a column",
            "inverse is 1 / n of each row, factor the scale over n, dsize the derivative of n by v, or None",
        ),
    ),
    "convolution": About(
        "Convolution and max-pooling",
        "One filter bank, one maximum: who gets the gradient, and how overlapping windows add up.",
        30,
        ("conv",),
        (
            "self._from_squares(squares) puts (places of a square, units, batch) back as (filters, places batch)",
            "self._collect(dpatches, shape) adds up what a pixel gets from all patches; cache.winner: which place won",
        ),
    ),
    "patches": About(
        "Filters on separate patches",
        "A convolution whose windows do not overlap: a matrix product and an index rearranged.",
        20,
        ("patches",),
        (
            "self._filter_major(da) arranges (patches filters, batch) as (filters, patches batch)",
            "self._put_together(patches) undoes the cutting into patches",
        ),
    ),
    "optimisers": About(
        "Steps of the optimisers",
        "Adam's two running means, their correction, the state that must live on, weight decay, and a clamp in place.",
        20,
        ("kernels.reference", "optim", "dale"),
    ),
    "growth": About(
        "The gradient of a synapse that is not there",
        "The score by which RigL grows synapses.",
        10,
        ("evolve.gradient",),
    ),
}

ASKS = {
    "L1": (
        "The gradient of the mean loss in the logits.",
        "For one example, differentiate log Σ exp(z_k) - z_label in z_j. Treat j = label and all other j apart.",
        "The first term gives a probability p_j, the second a 1 at the label. The loss is a mean over the batch.",
    ),
    "L2": (
        "The gradient of the cross-entropy of several answers in their logits.",
        "For one answer it is the probability that was said less the one that was wanted.",
        "The answers do not share a logit: each gets its own gradient, as much as it counts.",
    ),
    "L3": (
        "The gradient of the mean squared error in the output.",
        "Differentiate (y - target)² in y.",
        "The square gives a factor 2; each answer counts with its share, and the outputs are averaged.",
    ),
    "N1": (
        "The slope of ReLU, written with its value h.",
        "h > 0 exactly where the argument was above 0.",
        "The slope is 1 or 0; a comparison gives bools, and a gradient wants the type of h.",
    ),
    "N2": (
        "The slope of tanh, written with its value h.",
        "tanh = sinh / cosh; differentiate the quotient.",
        "cosh² - sinh² = 1. What is left is 1 less a square.",
    ),
    "N3": (
        "The slope of the logistic function, written with its value h.",
        "h = 1 / (1 + exp(-a)). Differentiate, and look for h in what you find.",
        "exp(-a) / (1 + exp(-a)) is 1 - h.",
    ),
    "A3": (
        "The gradient of this layer's weights, where synapses exist.",
        "a = W h + b: an entry W_ij meets h_j and pushes a_i, in every example.",
        "It is da hᵀ. `weights.outer(dy, x)` forms dy xᵀ on the pattern alone.",
    ),
    "A4": (
        "The gradient of this layer's bias.",
        "The bias of a unit is added in every example: one column is used by all.",
        "A sum over the batch, kept as a column.",
    ),
    "A5": (
        "From the gradient of the effective weight to that of the raw parameter.",
        "The layer's rule made w from v in the forward pass; its backward pass is there already.",
        "`rule.backward` takes the gradient of w and what this layer's forward pass of the rule kept.",
    ),
    "A6": (
        "The gradient of a scale that several layers may share.",
        "A parameter that is used twice gets the sum of what its uses give.",
        "If the key has a gradient already, add to it; else this is the first.",
    ),
    "A7": (
        "The gradient of the activity below this layer.",
        "a_i = Σ_j W_ij h_j: h_j speaks to every i. Add up over the listeners.",
        "A product with the transpose; the bound weights have `matmul_t`.",
    ),
    "A8": (
        "The gradient of the drive one layer below, and that layer's activity.",
        "h = φ(a): a push of a comes through multiplied by the slope of φ there.",
        "`slope` is computed from what layer k - 1 kept. The second value is what this loop will call `above`.",
    ),
    "R16": (
        "The gradient of the last state.",
        "logits = W_out h + b_out: a state speaks to every logit.",
        "A product with the transpose of W_out.",
    ),
    "R4": (
        "The gradient of the readout's weights.",
        "An entry of W_out meets one unit of the last state, in every example.",
        "dlogits times the transpose of the state that the readout saw.",
    ),
    "R5": (
        "The gradient of the readout's bias.",
        "The same bias is added to every example of the batch.",
        "A sum over the batch, kept as a column.",
    ),
    "R6": (
        "The gradient of the last step's drive.",
        "Nothing comes after the last step: its state is heard by the readout alone.",
        "The gradient of the last state times the slope there; `kept` holds what the slope is computed from.",
    ),
    "R13": (
        "The order in which the other steps are visited.",
        "da of a step needs da of the step after it.",
        "The last step is done; begin with the one before and end at 0.",
    ),
    "R7": (
        "The gradient of the drive of step t, from that of step t + 1.",
        "h_{t+1} = φ(a_t) enters a_{t+1} through W, and nothing else here. First the way back through W, then φ.",
        "A product with Wᵀ of da_{t+1}, times the slope of step t.",
    ),
    "R8": (
        "The gradient of the input weights.",
        "W_in is used at every step and in every example: add up over both.",
        "Σ_t da_t x_tᵀ. `sum_outer` adds up such products of two stacks.",
    ),
    "R9": (
        "The gradient of a recurrent bias.",
        "One column is added at every step and in every example.",
        "A sum over the first and the last axis, kept as a column.",
    ),
    "R10": (
        "The gradient of the recurrent weights, where synapses exist.",
        "The copy of W used at step t meets h_t and pushes a_t. h_0 is 0, so step 0 gives nothing.",
        "Σ da_t h_tᵀ over t = 1..T-1; `outer` takes two stacks of equal length.",
    ),
    "R11": (
        "From the gradient of the effective weight to that of the raw parameter.",
        "The rule made w from v in the forward pass; its backward pass is there already.",
        "`backward` takes the gradient of w and what the rule's forward pass kept.",
    ),
    "R17": (
        "What a state's own listeners outside of the layer say about the drive that made it.",
        "The drive of t makes the state that step t ends with, through φ. What comes from later is in da[t] already.",
        "dh ends with the last state: that of step t is counted from its end. Multiply by the slope of step t.",
    ),
    "R24": (
        "The first step's share of the gradient of the recurrent weights.",
        "The copy of W used at step 0 meets the first state, which is not 0 here.",
        "da of step 0 times the transpose of h_0, on the pattern alone; `outer` takes stacks of one step.",
    ),
    "R25": (
        "The gradient of the state before the first step, in every example.",
        "It is heard by the drives of step 0, through W; and, if it leaks, by the state after step 0.",
        "A product with Wᵀ, and the share 1 - alpha of dh1, the gradient of h[1].",
    ),
    "R26": (
        "The gradient of the first state, which all examples share.",
        "One column is the start of every example.",
        "A sum over the batch, kept as a column.",
    ),
    "R29": (
        "The gradient of the weights of a readout of several steps.",
        "An entry of W_out meets one unit of the state of each step that is answered, in every example.",
        "Add up dlogits times the transpose of the state that it read, over the steps.",
    ),
    "R30": (
        "The gradient of the bias of a readout of several steps.",
        "The same bias is added at every step that is answered, in every example.",
        "A sum over the first and the last axis, kept as a column.",
    ),
    "R31": (
        "The gradient of every state that the readout reads.",
        "A state speaks to every output of its own step.",
        "A product with the transpose of W_out; on a stack, `@` does it step by step.",
    ),
    "R32": (
        "The gradient of the states of the layer below, which this layer read as its input.",
        "The layer's backward pass has found the gradient of its input at every step already.",
        "It stands in what the layer returned, under the name of the input.",
    ),
    "R27": (
        "The windows of steps within which gradients go back, the last one first.",
        "`windows` cuts a number of steps into windows of at most `back`, counted from the last step.",
        "It takes how many steps there are, and how far back a gradient may go.",
    ),
    "R21": (
        "The order in which the steps of a leaky layer are visited.",
        "The gradient of a state is whole when everything later has been added.",
        "From the last step to step 0.",
    ),
    "R22": (
        "The gradient of the drive of step t in a leaky layer.",
        "h_{t+1} = (1 - alpha) h_t + alpha φ(a_t). Move a_t, and see by how much h_{t+1} moves.",
        "The whole gradient of h_{t+1} times alpha, times the slope of φ.",
    ),
    "R23": (
        "What the step after says about the state h_t of a leaky layer.",
        "h_t has two listeners in step t: its own next state, by the leak, and the drives, by W.",
        "Add (1 - alpha) times the gradient of h_{t+1}, and the way back through W of da[t].",
    ),
    "R12": (
        "The gradient of the input at every step.",
        "x_t enters a_t through W_in and nothing else.",
        "A product with the transpose of W_in; on a stack, `@` does it step by step.",
    ),
    "S2": (
        "Wᵀ dy ∘ times for a dense matrix.",
        "Add up over the postsynaptic side: rows become columns.",
        "`scaled(product, times)` multiplies by `times` where it is given.",
    ),
    "S3": (
        "dy xᵀ on the pattern, exactly 0 elsewhere.",
        "A synapse that does not exist is no parameter: its gradient has to be 0, not small.",
        "`sum_outer` forms the full product, also of stacks over time; one method of this class sets the rest to 0.",
    ),
    "S5": (
        "Wᵀ dy ∘ times for a matrix in compressed rows.",
        "The rows of Wᵀ are the columns of W: `self._transposed` holds them, index arrays and values.",
        "The same product as forward, with the transposed rows; `scaled` multiplies by `times` where it is given.",
    ),
    "S6": (
        "dy xᵀ at the synapses alone, one number each, in pattern order.",
        "Synapse k from j to i gets Σ dy_i x_j over the batch. The full product is never formed.",
        "The kernels have `sddmm(rows, dy, x)`: a sampled dense-dense product.",
    ),
    "D1": (
        "The gradient of the raw parameter if there is no normalisation.",
        "w = v.",
        "A dict with one entry.",
    ),
    "D3": (
        "The gradient of each neuron's scale g, in w = g v / n.",
        "Add up what each afferent weight of a row says about the row's g.",
        "Σ_j dw_ij v_ij / n_i. `row_dot` adds up products along a row.",
    ),
    "D4": (
        "The gradient that is left when the size n has had its part.",
        "v is in w twice: above the line, and in n(v). The second part is -w_ij / n_i · ∂n_i/∂v.",
        "Σ_j dw_ij v_ij / n_i is known already: dscale. Where n does not depend on v, dsize is None.",
    ),
    "D5": (
        "The gradient of the raw parameter.",
        "w = v · factor, and what came through the size is in `across` already.",
        "One product.",
    ),
    "C3": (
        "The gradient of the largest argument of each square.",
        "h = φ(largest): the slope of φ, computed from what was kept.",
        "One product.",
    ),
    "C4": (
        "The gradient of every argument, from that of the largest.",
        "Only the argument that won has any influence on the maximum.",
        "Compare `cache.winner` with each `place`; `_from_squares` puts squares back where they were.",
    ),
    "C5": (
        "The gradient of the filters.",
        "a = K patches + c: one filter is used at every place of every example.",
        "da times the transpose of the patches.",
    ),
    "C6": (
        "The gradient of the offsets.",
        "One offset is added at every place of every example.",
        "A sum over the columns, kept as a column.",
    ),
    "C7": (
        "The gradient of the patches.",
        "Each number of a patch is heard by every filter.",
        "A product with the transpose of K.",
    ),
    "C8": (
        "The gradient of the image.",
        "A pixel lies in several patches: its gradients add up.",
        "`_collect` does just this; it needs the shape of the image.",
    ),
    "C11": (
        "The gradient of the argument, filter by filter.",
        "h = φ(a): the slope, computed from what was kept.",
        "Then `_filter_major` undoes the rearrangement of the forward pass.",
    ),
    "C12": (
        "The gradient of the filters.",
        "One filter is used on every patch of every example.",
        "da times the transpose of the patches.",
    ),
    "C13": (
        "The gradient of the offsets.",
        "One offset is added on every patch of every example.",
        "A sum over the columns, kept as a column.",
    ),
    "C14": (
        "The gradient of the patches.",
        "Each pixel of a patch is heard by every filter.",
        "A product with the transpose of K.",
    ),
    "C15": (
        "The gradient of the image.",
        "Patches do not overlap: nothing is added up, the numbers go back to their places.",
        "`_put_together` undoes the cutting; then the shape of x.",
    ),
    "O1": (
        "The new part of the running mean of the gradient.",
        "m ← β₁ m + (1 - β₁) g; the first term is done in the line above.",
        "Add (1 - beta1) times the gradient, in place.",
    ),
    "O2": (
        "The new part of the running mean of the squared gradient.",
        "v ← β₂ v + (1 - β₂) g²; the first term is done in the line above.",
        "The square is taken entry by entry.",
    ),
    "O3": (
        "Adam's step.",
        "Both means start at 0 and are too small at first: divide by 1 - βᵏ, k the number of this step.",
        "The corrected mean over the root of the corrected square; eps is added outside the root.",
    ),
    "O4": (
        "The moments that the update changes.",
        "They have to be the arrays of `self.state`, so that the next step finds them changed.",
        "Append the array itself, not a copy.",
    ),
    "O5": (
        "The array that is clamped to the signs of the neurons.",
        "What is clamped has to be what the next forward pass reads.",
        "The entry of params itself, not a copy: it is changed in place below.",
    ),
    "O6": (
        "The number of this step.",
        "The first step is step 1: with 0, the correction would divide by 0.",
        "`self.state.get` knows the number so far, or 0.",
    ),
    "O7": (
        "Weight decay.",
        "Decay that is decoupled from the gradient: a share of the weight itself, scaled by the learning rate.",
        "w is changed in place.",
    ),
    "E6": (
        "The size of the gradient of every possible synapse of some rows.",
        "A synapse with weight 0 does not change the output, but the loss has a slope in it: dy xᵀ as for any other.",
        "`sum_outer` of dpost, these rows alone, and pre; its absolute value.",
    ),
}
"""Of each line: what it computes, a gentle hint, a nearer one."""

SHAPES = {
    "L1": "Shape (classes, batch).", "L2": "Shape of the logits.", "L3": "Shape of the output.",
    "N1": "A function of h.", "N2": "A function of h.", "N3": "A function of h.",
    "A3": "Packed as the weights are.", "A4": "Shape (units, 1).", "A5": "A dict.", "A6": "Shape of the scale.",
    "A7": "Shape (units below, batch).", "A8": "Two arrays (units, batch).", "R16": "Shape (units, batch).",
    "R4": "Shape (classes, units).", "R5": "Shape (classes, 1).", "R6": "Shape (units, batch).",
    "R13": "Whole numbers.", "R7": "Shape (units, batch).", "R8": "Shape (units, inputs).", "R9": "Shape (units, 1).",
    "R10": "Packed as the weights are.", "R11": "A dict.", "R12": "Shape (time, inputs, batch).",
    "R17": "Shape (units, batch).", "R24": "Packed as the weights are.", "R25": "Shape (units, batch).",
    "R29": "Shape (outputs, units).", "R30": "Shape (outputs, 1).", "R31": "Shape (answers, units, batch).",
    "R32": "Shape (time, units below, batch).", "R26": "Shape (units, 1).", "R21": "Whole numbers.",
    "R27": "Pairs of whole numbers.", "R22": "Shape (units, batch).", "R23": "Shape (units, batch).",
    "S2": "Shape (pre, batch).", "S3": "Shape (post, pre).", "S5": "Shape (pre, batch).", "S6": "Shape (synapses,).",
    "D1": "A dict.", "D3": "Shape (post, 1).", "D4": "Packed as the weights are.", "D5": "Packed as the weights are.",
    "C3": "Shape (units, batch).", "C4": "Shape (filters, places batch).", "C5": "Shape (filters, pixels).",
    "C6": "Shape (filters, 1).", "C7": "Shape (pixels, places batch).", "C8": "Shape of the image.",
    "C11": "Shape (filters, patches batch).", "C12": "Shape (filters, pixels).", "C13": "Shape (filters, 1).",
    "C14": "Shape (pixels, patches batch).", "C15": "Shape of the image.", "O1": "Shape of w.", "O2": "Shape of w.",
    "O3": "Shape of w.", "O4": "An array.", "O5": "Packed as the weights are.", "O6": "A whole number.",
    "O7": "Shape of w.",
    "E6": "A function of rows; its values have shape (rows, pre).",
}  # fmt: skip
