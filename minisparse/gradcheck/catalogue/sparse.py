"""The three linear maps on a sparse pattern."""

from ..mistakes import Mistake

_ALL = ("W_in", "W_rec", "b_in", "b_rec", "x")

ROWS = (
    Mistake(
        "sparse-no-mask",
        "sparse",
        "S3",
        "return sum_outer(dy, x)",
        ("W_rec",),
        "Absent synapses get a gradient: apply the mask to dW.",
        "The forward pass does not show them, so no difference quotient does either.",
        ("dense",),
    ),
    Mistake(
        "sparse-unmasked-transpose",
        "sparse",
        "S2",
        "return scaled((self._w + (self._w == 0) * abs(self._w).max()).T @ dy, times)",
        _ALL,
        "Wᵀ on the way back holds weights that the mask removes on the way forward.",
        "The mask is applied to a copy, and the backward pass reaches for the original.",
        ("dense",),
    ),
    Mistake(
        "sparse-rows-for-columns",
        "sparse",
        "S5",
        "return scaled(kernels.table(dy, self._w).spmm(self._transposed[0], self._w, dy), times)",
        _ALL,
        "The transposed product reads the values row by row where its structure runs column by column.",
        "Index arrays are turned, the values are not reordered with them.",
        ("csr",),
    ),
    Mistake(
        "sparse-dW-column-order",
        "sparse",
        "S6",
        "return kernels.table(dy, x).sddmm(self._rows(dy), dy, x)[self._columns(dy)[1]]",
        ("W_rec",),
        "The gradients of the synapses are right but are ordered column by column, the weights row by row.",
        "The transposed structure is used for a product and its order is kept.",
        ("csr",),
    ),
    Mistake(
        "sparse-dx-mean",
        "sparse",
        "S2",
        "return scaled(self._w.T @ dy / (self._w != 0).sum(axis=0)[:, None].clip(1), times)",
        _ALL,
        "What comes back over a neuron's synapses is averaged over them; each synapse adds its share, so sum.",
        "Dividing by the number of synapses is right for some forward passes, such as a mean over neighbours.",
        ("dense",),
    ),
    Mistake(
        "sparse-dW-over-density",
        "sparse",
        "S3",
        "return self._zero_off_pattern(sum_outer(dy, x)) / self.pattern.density",
        ("W_rec",),
        "The gradient is divided by the density of the mask; a fixed mask only selects.",
        "Dropout divides by the share that is kept, and a mask looks like dropout.",
        ("dense",),
    ),
    Mistake(
        "sparse-dx-overwritten",
        "sparse",
        "S5",
        "pattern, dx = self._weights.pattern, np.zeros((self._weights.shape[1], dy.shape[1])); "
        "dx[pattern.indices] = self._w[:, None] * dy[pattern.rows]; return scaled(dx, times)",
        _ALL,
        "A neuron gets the gradient of its last synapse only: indexed assignment overwrites; use np.add.at.",
        "dx[index] += does not add up either where an index comes twice.",
        ("csr",),
    ),
    Mistake(
        "sparse-dW-csr-over-density",
        "sparse",
        "S6",
        "return kernels.table(dy, x).sddmm(self._rows(dy), dy, x) / self.pattern.density",
        ("W_rec",),
        "Each synapse's gradient is divided by the density, as if absent synapses had to be made up for.",
        "Dropout's scale, on a pattern that is the same in training and in use.",
        ("csr",),
    ),
)
