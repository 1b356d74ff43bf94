"""What version 0.1 offered is still there under the same name."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings

import pytest

import minisparse

NAMES = (
    *("array_module", "asarray", "describe", "to_numpy", "use", "Pattern", "bernoulli", "dale_signs", "fixed_count"),
    *("full", "group_to_group", "CsrWeights", "DenseWeights", "GroupedWeights", "make_weights", "Dendritic", "Joint"),
    *("LpConstant", "LpVariable", "Plain", "WeightNorm", "Activation", "relu", "sigmoid", "tanh", "MLP", "ConvNet"),
    *("softmax_cross_entropy", "ConvPool", "PatchConv", "RNN", "SGD", "Adam", "Cosine", "Dale", "SET", "Hebbian"),
    *("CannistraciHebb", "DeepRewiring", "RigL", "Dataset", "batches", "load", "subset_per_class", "load_checkpoint"),
    *(
        "save",
        "evaluate",
        "fit",
        "gain_step",
        "input_sd",
        "dendritic_step",
        "backward_gain",
        "forward_gain",
        "predicted_gain",
        "training_delay",
        "sign_changes",
    ),
    *("gradient_statistics", "last_states", "active_share", "random_pairs", "correlations", "mutual_information"),
    *("dropout_accuracy", "GradientReport", "check", "check_pair", "pair", "check_steps", "code_line", "UserError"),
)
MODULES = (
    *("backend", "connectivity", "kernels", "weights", "data", "train", "checkpoint", "measure", "nonfinite"),
    *("gradcheck", "testing", "equations", "plot"),
)
MOVED = {"probe", "mistakes", "recipes", "results", "sweep", "cost"}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_reachable(name):
    assert callable(getattr(minisparse, name))
    assert name in dir(minisparse)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_reachable(name):
    assert getattr(minisparse, name) is importlib.import_module(f"minisparse.{name}")


@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_module_that_moved_is_reachable_and_says_where_it_is(name):
    program = (
        "import warnings, minisparse\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        f"    module = minisparse.{name}\n"
        "print(module.__name__, [str(w.message) for w in said if w.category is DeprecationWarning])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"minisparse.{name} is now minisparse." in done.stdout


def test_what_moved_still_has_its_functions():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert callable(minisparse.mistakes.catalogue)
        assert callable(minisparse.mistakes.find)
        assert callable(minisparse.probe.Probe)
        assert callable(minisparse.recipes.recurrent)
        assert callable(minisparse.results.read)
        assert callable(minisparse.sweep.grid)
        assert callable(minisparse.cost.estimate)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = minisparse.no_such_name
