"""The estimators keep scikit-learn's conventions, and train by the library's own loop."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import minisparse as ms
from minisparse import estimators

DIGITS = ms.load("digits")
X, Y = DIGITS.x_train.reshape(-1, 64)[:200], DIGITS.y_train[:200]
BOTH = (ms.SparseMLPClassifier, ms.SparseRNNClassifier)
REGRESSORS = (ms.SparseMLPRegressor, ms.SparseRNNRegressor)
NUMBERS = StandardScaler().fit_transform(np.stack([X[:, k::8].mean(axis=1) for k in (2, 4, 6)], axis=1))
CHECKS = """
import json, minisparse
from sklearn.utils.estimator_checks import check_estimator
for estimator in (minisparse.SparseMLPClassifier(), minisparse.SparseRNNClassifier(), minisparse.SparseRNNClassifier(
        inhibitory=0.2, evolve="set", patience=None), minisparse.SparseMLPClassifier(evolve="rigl", normalise="joint"),
        minisparse.SparseMLPRegressor(), minisparse.SparseRNNRegressor(),
        minisparse.SparseMLPRegressor(evolve="set", patience=20), minisparse.SparseRNNRegressor(inhibitory=0.2)):
    for done in check_estimator(estimator, on_fail=None, on_skip=None):
        print(json.dumps([done["check_name"], done["status"], str(done["exception"]), str(done["expected_to_fail"])]))
"""


def small(kind, **settings):
    steps = {"n_inputs": 8} if kind in (BOTH[1], REGRESSORS[1]) else {}
    settings = {"epochs": 4, "random_state": 0, **steps, **settings}
    return kind(**settings)


@pytest.mark.slow
def test_every_check_of_scikit_learn_passes_and_none_is_skipped():
    # in a process of its own, since SciPy reads SCIPY_ARRAY_API when it is imported
    program = [sys.executable, "-c", CHECKS]
    done = subprocess.run(program, env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    pandas = {"check_classifier_data_not_an_array", "check_regressor_data_not_an_array"}
    assert len(rows) > 400
    assert {name for name, status, _, _ in rows if status == "skipped"} <= (
        set() if importlib.util.find_spec("pandas") else pandas
    )
    assert [row for row in rows if row[1] not in ("passed", "skipped") or row[3] != "False"] == []


@pytest.mark.parametrize("network", [BOTH[0](20), BOTH[1](units=20), REGRESSORS[0](20)])
def test_the_checks_of_scikit_learn_pass_on_a_small_one(network):
    done = check_estimator(network.set_params(epochs=6, density=0.5, batch_size=50, lr=0.1), on_skip=None)
    assert {row["status"] for row in done} <= {"passed", "skipped"}


def test_a_grid_over_density_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), small(BOTH[0]))
    grid = GridSearchCV(pipeline, {"sparsemlpclassifier__density": [0.002, 0.3]}, cv=2).fit(X, Y)
    assert grid.best_params_ == {"sparsemlpclassifier__density": 0.3}
    with pytest.raises(TypeError, match="sample_weight"):
        pipeline.fit(X, Y, sparsemlpclassifier__sample_weight=np.ones(len(X)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_a_grid_over_density_on_two_processes(kind):
    settings = {"density": [0.05, 0.2, 1.0], "lr": [0.01]}
    two, one = (GridSearchCV(small(kind), settings, cv=3, n_jobs=n).fit(X, Y) for n in (2, 1))
    np.testing.assert_array_equal(two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])
    assert two.best_score_ > 0.6


@pytest.mark.parametrize("kind", BOTH)
def test_one_random_state_gives_one_network_and_a_pickle_is_the_same(kind):
    first, second = (small(kind).fit(X, Y) for _ in range(2))
    again = pickle.loads(pickle.dumps(first))
    for other in (second, again):
        np.testing.assert_array_equal(first.predict_proba(X), other.predict_proba(X))
    assert clone(first).get_params() == first.get_params()
    first.partial_fit(X, Y)
    again.partial_fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert (first.n_iter_, len(first.loss_curve_)) == (5, 5)
    other = small(kind, random_state=np.random.RandomState(1)).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("y", [NUMBERS, NUMBERS[:, 0], NUMBERS[:, :1]], ids=["three", "one", "a column"])
def test_numbers_are_predicted_in_the_form_they_came(kind, y):
    regressor = small(kind, epochs=15, lr=0.01).fit(X, y)
    assert regressor.predict(X).shape == y.shape
    assert regressor.score(X, y) > 0.4
    again = pickle.loads(pickle.dumps(regressor))
    for each in (regressor, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(again.predict(X), regressor.predict(X))
    assert regressor.n_iter_ == len(regressor.loss_curve_) == 16
    assert regressor.loss_curve_[-1] < 0.5 * regressor.loss_curve_[0]
    with pytest.raises(ms.UserError, match="y has 7 outputs, but the first call had"):
        regressor.partial_fit(X, np.ones((len(X), 7)))


def test_a_regressor_in_a_grid_with_held_back_samples_a_rule_and_dales_principle(capsys):
    grid = GridSearchCV(small(REGRESSORS[0]), {"density": [0.001, 0.3]}, cv=2).fit(X, NUMBERS)
    assert grid.best_params_ == {"density": 0.3}
    regressor = small(REGRESSORS[1], patience=2, inhibitory=0.2, evolve="set", verbose=True).fit(X, NUMBERS)
    assert ms.Dale(regressor.signs_).violations(regressor.model_, regressor.params_) == 0
    assert "test mean_absolute_error" in capsys.readouterr().err


def test_parts_train_as_the_whole_does():
    whole, parts = small(BOTH[0], epochs=3).fit(X, Y), small(BOTH[0])
    for _ in range(3):
        parts.partial_fit(X, Y, classes=range(10))
    assert whole.model_.weights["W0"].pattern == parts.model_.weights["W0"].pattern
    assert parts.loss_curve_[0] == whole.loss_curve_[0]
    assert parts.score(X, Y) > 0.8
    with pytest.raises(ms.UserError, match="the first call had"):
        parts.partial_fit(X, Y, classes=range(9))
    with pytest.raises(ms.UserError, match=r"y holds \[12\], which are none of the classes"):
        parts.partial_fit(X, np.full(len(X), 12))


@pytest.mark.parametrize("rule", [*estimators.RULES, ms.SET(0.2, std=0.1)])
def test_a_rule_exchanges_synapses_and_stays_as_it_was(rule):
    still, moved = small(BOTH[0], epochs=0).fit(X, Y), small(BOTH[0], evolve=rule).fit(X, Y)
    before, after = (one.model_.weights["W0"].pattern for one in (still, moved))
    assert before.nnz == after.nnz
    assert before != after
    assert isinstance(rule, str) or not rule.state
    moved.partial_fit(X, Y)
    assert moved.model_.weights["W0"].pattern != after


@pytest.mark.parametrize("evolve", ["set", "deep_rewiring"])
def test_dales_principle_holds_after_training(evolve):
    classifier = small(BOTH[1], inhibitory=0.2, evolve=evolve, density=0.2).fit(X, Y)
    assert int((classifier.signs_ < 0).sum()) == 20
    assert abs(classifier.signs_.sum()) < 1e-9
    assert ms.Dale(classifier.signs_).violations(classifier.model_, classifier.params_) == 0
    assert classifier.score(X, Y) > 0.5


@pytest.mark.parametrize("name", estimators.NORMALISERS)
def test_a_normaliser_starts_from_the_same_weights(name):
    plain, other = (small(BOTH[0], normalise=rule, epochs=0).fit(X, Y) for rule in (None, name))
    w, v = (one.model_.weight(one.params_, "W0") for one in (plain, other))
    assert np.std(v) == pytest.approx(np.std(w), rel=0.3)


def test_the_network_is_there_for_the_rest_of_the_library():
    classifier = small(BOTH[1]).fit(X, Y)
    logits, _ = classifier.model_.forward(classifier.params_, X.reshape(-1, 8, 8).transpose(1, 2, 0))
    np.testing.assert_array_equal(classifier.predict(X), logits.argmax(axis=0))
    assert {w.dtype for w in classifier.params_.values()} == {np.dtype(np.float32)}


def test_one_layer_may_be_a_number_and_none_is_a_readout_alone():
    one, none = small(BOTH[0], hidden=30).fit(X, Y), small(BOTH[0], hidden=()).fit(X, Y)
    assert one.model_.config()["units"] == [64, 30, 10]
    assert none.model_.config()["units"] == [64, 10]


def test_patience_holds_samples_back(capsys):
    classifier = small(BOTH[0], epochs=200, patience=1, lr=0.1, verbose=True).fit(X, Y)
    assert classifier.n_iter_ < 200
    assert "SparseMLPClassifier (tested on samples that were held back): epoch 1/200" in capsys.readouterr().err
    small(BOTH[0], verbose=False).fit(X, Y)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_inputs": 5}, "X has 64 features, which are no whole number of steps of n_inputs=5"),
        ({"density": 0.0}, "density must be above 0"),
        ({"evolve": "sett"}, "evolve='sett' is unknown; choose None, one of set, rigl"),
        ({"normalise": "L2"}, "normalise='L2' is unknown; choose None, one of plain, dendritic"),
        ({"inhibitory": 1.5}, "inhibitory fraction must lie in"),
    ],
)
def test_a_setting_that_does_not_fit_is_a_sentence(settings, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        small(BOTH[1], **settings).fit(X, Y)
