"""Modular connectivity: exact counts, groups of nearly one size, and what reaches what."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.layers import modular
from hypothesis import assume, given
from hypothesis import strategies as st

import minisparse as ms
from minisparse import groups, testing


def intra(pattern):
    """Which places lie within matched groups, (n_post, n_pre) bool."""
    post, pre = pattern.groups
    return post[:, None] == pre


@given(testing.sizes(1, distinct=False, high=40), testing.choices(*groups.GROUPINGS), testing.generators(), st.data())
def test_groups_differ_by_at_most_one_neuron(size, grouping, rng, data):
    (n,) = size
    count = data.draw(st.integers(1, n))
    labels = groups.group_labels(n, count, grouping, rng)
    sizes = np.bincount(labels, minlength=count)
    assert (labels.dtype, labels.shape, sizes.size, sizes.sum()) == (np.int32, (n,), count, n)
    assert sizes.max() - sizes.min() <= 1
    if grouping == "index":
        assert labels.tolist() == [i * count // n for i in range(n)]
    if grouping == "stride":
        assert labels.tolist() == [i % count for i in range(n)]


@given(modular())
def test_the_exact_sampler_is_exact(drawn):
    (n_post, n_pre, asked, seed), pattern = drawn
    mask, within = pattern.mask(), intra(pattern)
    assert mask[within].sum() == round(asked["p_within"] * int(within.sum()))
    assert mask[~within].sum() == round(asked["p_between"] * int((~within).sum()))
    assert pattern == ms.group_to_group(n_post, n_pre, **asked, rng=np.random.default_rng(seed)), "same seed, same mask"
    assert pattern == ms.Pattern.from_mask(mask), "labels are no part of equality"
    if asked["p_within"] == 1:
        assert mask[within].all()


@given(modular(sampler="bernoulli", p_within=1.0))
def test_the_bernoulli_sampler_has_every_synapse_of_probability_one_and_repeats(drawn):
    (n_post, n_pre, asked, seed), pattern = drawn
    assert pattern.mask()[intra(pattern)].all()
    assert pattern == ms.group_to_group(n_post, n_pre, **asked, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("p", [0.05, 1 / 7, 0.5])
@pytest.mark.parametrize("grouping", ["index", "stride", "random"])
def test_the_bernoulli_sampler_stays_within_four_sigma(p, grouping):
    rng = np.random.default_rng(1)
    pattern = ms.group_to_group(300, 410, 8, 0.9, p, rng=rng, grouping=grouping, sampler="bernoulli")
    mask, within = pattern.mask(), intra(pattern)
    for places, probability in ((within, 0.9), (~within, p)):
        count = int(places.sum())
        sigma = (probability * (1 - probability) * count) ** 0.5
        assert abs(mask[places].sum() - probability * count) <= 4 * sigma


def test_the_exact_sampler_favours_no_place():
    # 5 x 6 places, 3 groups: all places between groups equally often (chi-square, 20 - 1 degrees of freedom).
    rng, draws = np.random.default_rng(1), 4000
    settings = {"rng": rng, "grouping": ("stride", "index")}
    taken = sum(ms.group_to_group(5, 6, 3, 0.5, 0.3, **settings).mask().astype(int) for _ in range(draws))
    within = intra(ms.group_to_group(5, 6, 3, **settings))
    for places in (within, ~within):
        counts = taken[places]
        n, p = counts.size, counts.sum() / counts.size / draws
        chi_square = ((counts - draws * p) ** 2).sum() / (draws * p * (1 - p)) * (n - 1) / n
        assert chi_square < (n - 1) + 5 * (2 * (n - 1)) ** 0.5


@given(modular())
def test_the_density_formula_counts_places(drawn):
    (n_post, n_pre, asked, _), pattern = drawn
    within = intra(pattern)
    expected = (asked["p_within"] * within.sum() + asked["p_between"] * (~within).sum()) / (n_post * n_pre)
    found = groups.group_density(*pattern.groups.sizes, asked["p_within"], asked["p_between"])
    assert found == pytest.approx(expected, abs=1e-12)
    assume((~within).any())
    solved = groups.p_between_of(1 - found, *pattern.groups.sizes, asked["p_within"])
    assert solved == pytest.approx(asked["p_between"], abs=1e-9 * n_post * n_pre)


@pytest.mark.parametrize(
    ("p", "density"),
    [(0, 0.125), (0.05, 0.16875), (0.1, 0.2125), (1 / 7, 0.25), (0.15, 0.25625), (0.2, 0.3), (0.5, 0.5625)],
)
def test_eight_equal_groups_have_the_known_densities(p, density):
    assert groups.group_density([64] * 8, [128] * 8, 1.0, p) == pytest.approx(density)


@pytest.mark.parametrize(("count", "p"), [(4, 0), (5, 0.0625), (8, 1 / 7), (10, 1 / 6), (16, 0.2), (32, 0.2258)])
def test_three_quarters_of_the_synapses_can_be_left_out(count, p):
    assert groups.p_between_of(0.75, [32] * count, [16] * count) == pytest.approx(p, abs=1e-4)
    n = 32 * count
    pattern = groups.from_sparsity(n, n, count, 0.75, rng=np.random.default_rng(0), grouping="stride")
    assert pattern.nnz == round(0.25 * n * n)


@pytest.mark.parametrize(("count", "sparsity", "p_within"), [(2, 0.75, 1), (8, 0.9, 1), (1, 0.5, 1), (4, 0.1, 0.2)])
def test_a_sparsity_out_of_reach_is_refused_in_one_sentence(count, sparsity, p_within):
    with pytest.raises(ms.UserError, match=r"sparsity must lie in .*; change p_within or the number of groups") as said:
        groups.from_sparsity(64, 64, count, sparsity, p_within, rng=np.random.default_rng(0))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"p_within": 1.1}, r"p_within must lie in \[0, 1\], got 1.1"),
        ({"p_between": -0.1}, r"p_between must lie in \[0, 1\], got -0.1"),
        ({"p_between": float("nan")}, "p_between must lie in"),
        ({"groups": 0}, r"groups must lie in 1..6 for a layer side of 6 neurons, got 0"),
        ({"groups": 6}, r"groups must lie in 1..4 for a layer side of 4 neurons, got 6"),
        ({"grouping": "blocks"}, "grouping 'blocks' is unknown; choose one of index, stride, random, mixer, or labels"),
        ({"sampler": "poisson"}, "sampler 'poisson' is unknown; choose one of exact, bernoulli"),
        ({"grouping": ([0, 1, 0], "index")}, r"group labels must be 6 integers from 0 on, one per neuron"),
        ({"grouping": ([-1] * 6, "index")}, "group labels must be 6 integers from 0 on"),
        ({"grouping": ([0.5] * 6, "index")}, "group labels must be 6 integers from 0 on"),
        ({"grouping": ([3] * 6, "index")}, r"group labels must lie in 0..1 for 2 groups, found 3"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_sentence(settings, sentence):
    with pytest.raises(ms.UserError, match=sentence) as refused:
        ms.group_to_group(6, 4, **{"groups": 2, **settings}, rng=np.random.default_rng(0))
    assert "\n" not in str(refused.value)


def test_labels_are_kept_read_only_and_can_be_handed_on():
    rng = np.random.default_rng(0)
    below = ms.group_to_group(30, 20, 4, rng=rng, grouping="random")
    above = ms.group_to_group(25, 30, 4, rng=rng, grouping=("random", below.groups.post))
    np.testing.assert_array_equal(above.groups.pre, below.groups.post)
    assert below.groups.count == 4
    for side in (*below.groups, *above.groups):
        with pytest.raises(ValueError, match="read-only"):
            side[0] = 1
    one_module = groups.reachability([ms.group_to_group(30, 20, 4, p_between=0, rng=rng, grouping="random")])
    assert one_module.sum() < one_module.size


@pytest.mark.parametrize("grouping", ["index", "mixer"])
def test_index_splits_into_islands_and_mixer_does_not(grouping):
    layers = [
        ms.group_to_group(512, 512, 8, p_between=0, rng=np.random.default_rng(k), grouping=grouping, layer=k)
        for k in range(3)
    ]
    reached = groups.reachability(layers)
    island = np.arange(512) // 64
    expected = island[:, None] == island if grouping == "index" else np.ones((512, 512), bool)
    np.testing.assert_array_equal(reached, expected)


def test_reachability_follows_each_synapse():
    rng = np.random.default_rng(0)
    layers = [ms.bernoulli(n_post, n_pre, 0.2, rng) for n_pre, n_post in ((6, 9), (9, 7), (7, 5))]
    paths = np.linalg.multi_dot([layer.mask().astype(int) for layer in reversed(layers)])
    np.testing.assert_array_equal(groups.reachability(layers), paths > 0)
    with pytest.raises(ms.UserError, match="a layer of 9 inputs cannot follow one of 6 outputs"):
        groups.reachability([ms.full(6, 3), ms.full(4, 9)])


LARGE = """
import resource, sys
import numpy, minisparse
pattern = minisparse.group_to_group(20_000, 20_000, 8, 0.02, 0.01, rng=numpy.random.default_rng(0), grouping="random")
assert pattern.nnz == 1_000_000 + 3_500_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is a POSIX module")
def test_twenty_thousand_neurons_are_drawn_without_a_full_matrix():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 0.8e9, "a mask of one byte each has 0.4 GB, of one index each 1.6 GB"
