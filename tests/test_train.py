"""The loop, its history and its hooks."""

import json

import numpy as np
import pytest
from helpers.runs import OPTIMISERS, TOY, Run, X

import minisparse as ms
from minisparse import train


def test_a_checkpoint_may_lie_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    digits, model = ms.load("digits"), ms.RNN(8, ms.make_weights(ms.full(5, 5)), 10)
    small = ms.Dataset("few", digits.x_test[:20], digits.y_test[:20], digits.x_test[:20], digits.y_test[:20], 10)
    for epochs in (1, 2):
        params = model.init(0)
        rows = ms.fit(model, params, ms.Adam(), small, epochs, 0, checkpoint="~/a.npz", resume=True, quiet=True)
    assert (len(rows), [path.name for path in tmp_path.iterdir()]) == (3, ["a.npz"])
    ms.save_model("~/b.npz", model, params)
    assert ms.load_model("~/b.npz")[0].n_out == 10


def test_there_is_a_row_before_training_and_one_per_epoch():
    run = Run()
    loss, accuracy = ms.evaluate(run.model, run.params, TOY.x_test, TOY.y_test)
    history = run.fit(3).history
    assert [row["epoch"] for row in history] == [0, 1, 2, 3]
    for row in history:
        assert list(row) == ["epoch", "train_loss", "test_loss", "test_accuracy", "seconds"]
        assert row["seconds"] >= 0
    assert history[0] == {
        "epoch": 0, "train_loss": None, "test_loss": pytest.approx(loss), "test_accuracy": accuracy, "seconds": 0.0,
    }  # fmt: skip
    assert history[3]["train_loss"] < history[1]["train_loss"]
    json.dumps(history)


def test_the_numbers_of_a_row_are_means_over_samples():
    run = Run().fit(1)
    logits, _ = run.model.forward(run.params, np.moveaxis(TOY.x_test, 0, -1))
    loss, _ = ms.softmax_cross_entropy(logits, TOY.y_test)
    assert run.history[1]["test_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert run.history[1]["test_accuracy"] == 100 * (logits.argmax(axis=0) == TOY.y_test).mean()
    for size in (1, 5, 12, 100):
        got = ms.evaluate(run.model, run.params, TOY.x_test, TOY.y_test, batch_size=size)
        assert got == pytest.approx((float(loss), run.history[1]["test_accuracy"]), rel=1e-5)


def test_the_training_loss_is_the_mean_over_the_batches_of_the_epoch():
    losses, still = [], Run()
    start = {name: w.copy() for name, w in still.params.items()}

    def put_back(run):
        logits, _ = run.model.forward(start, run.cache.x)
        losses.append(logits.shape[1])
        for name, w in run.params.items():
            w[:] = start[name]

    still.fit(1, after_step=[put_back])
    assert losses == [10, 10, 5]
    parts = [
        float(ms.softmax_cross_entropy(still.model.forward(start, x)[0], y)[0])
        for x, y in ms.batches(TOY.x_train, TOY.y_train, 10, np.random.default_rng(3).spawn(2)[0])
    ]
    assert still.history[1]["train_loss"] == pytest.approx(np.mean(parts), rel=1e-6)


@pytest.mark.parametrize(
    ("losses", "patience", "epochs"),
    [
        ([0.5, 0.6, 0.7, 0.4, 0.4, 0.4], 2, 2),
        ([0.5, 0.4, 0.6, 0.45, 0.41, 0.1], 3, 4),
        ([0.5, 0.6, 0.4, 0.6, 0.3, 0.6], 2, 5),
        ([0.5, 0.5, 0.5, 0.4, 0.4, 0.4], 2, 2),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], None, 5),
        ([0.5, 0.6, 0.4, 0.6, 0.7, 0.8], 1, 1),
    ],
)
def test_patience_counts_epochs_without_a_new_lowest_test_loss(monkeypatch, losses, patience, epochs):
    left = iter(losses)
    monkeypatch.setattr(train, "evaluate", lambda *arguments: (next(left), 50.0))
    assert [row["test_loss"] for row in Run().fit(5, patience=patience).history] == losses[: epochs + 1]


def test_hooks_are_called_in_order_with_what_the_run_is_doing():
    called, run = [], Run()

    def note(name):
        def hook(state):
            assert state.model is run.model
            assert state.params is run.params
            assert state.opt is run.opt
            assert state.grads.keys() == run.params.keys()
            assert state.cache.h.shape[1] == 7
            assert state.opt.state["step"] == 3 * (state.epoch - 1) + state.step + 1
            assert isinstance(state.rng, np.random.Generator)
            called.append((name, state.epoch, state.step))

        return hook

    run.fit(2, after_step=[note("first"), note("second")], after_epoch=[note("third"), note("fourth")])
    expected = []
    for epoch in (1, 2):
        for step in range(3):
            expected += [("first", epoch, step), ("second", epoch, step)]
        expected += [("third", epoch, 2), ("fourth", epoch, 2)]
    assert called == expected


def test_after_epoch_comes_before_the_test_of_that_epoch():
    def forget(run):
        for w in run.params.values():
            w[:] = 0

    history = Run().fit(2, after_epoch=[forget]).history
    assert [row["test_loss"] for row in history[1:]] == pytest.approx([np.log(3)] * 2)


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_same_seed_gives_the_same_run_and_another_seed_does_not(storage, optimiser):
    first = Run(storage, optimiser).fit(2)
    assert Run(storage, optimiser).fit(2).bits() == first.bits()
    assert Run(storage, optimiser).fit(2, seed=4).bits() != first.bits()


@pytest.mark.parametrize("settings", [{"epochs": -1}, {"batch_size": 0}, {"patience": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ms.UserError, match="epochs >= 0, batch_size >= 1, patience >= 1 are needed"):
        Run().fit(**{"epochs": 1, **settings})


def test_labels_the_model_has_no_output_for_are_refused_before_training():
    late = np.zeros(25, int)
    late[-1] = 3
    dataset = ms.Dataset("late", X[:25], late, X[25:], np.zeros(12, int), 4)
    for batch_size in (1, 100):
        run = Run()
        before = run.bits()
        with pytest.raises(ms.UserError, match=r"classes|labels"):
            run.fit(1, dataset=dataset, batch_size=batch_size)
        assert run.bits() == before


def test_progress_goes_to_stderr_with_the_label_and_quiet_means_quiet(capsys):
    Run().fit(1)
    assert capsys.readouterr() == ("", "")
    Run().fit(1, quiet=False, label="p=0.1")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("p=0.1: epoch 1/1  loss ")
    assert err.count("\n") == 1


def sequences(numbers=False, masked=True, seed=0):
    """Answers at every step: whether, or how much, the inputs so far are above 0 on average."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, 6, 2)).astype(np.float32)
    sums = x.sum(axis=2).cumsum(axis=1)
    y = (0.3 * sums)[..., None] if numbers else (sums > 0).astype(int)
    mask = np.ones((60, 6)) * (np.arange(6) > 1) if masked else None
    masks = {} if mask is None else {"mask_train": mask[:40], "mask_test": mask[40:]}
    return ms.Dataset("sums", x[:40], y[:40], x[40:], y[40:], 1 if numbers else 2, **masks)


def answering(n_out):
    layers = [ms.Recurrent(n, ms.make_weights(ms.full(8, 8)), "tanh", alpha=0.7, start=True) for n in (2, 8)]
    model = ms.SequenceRNN(layers, n_out)
    return model, model.init(np.random.default_rng(1), w_max=0.3)


TASKS = {
    "classes": (lambda: sequences(), 2, ms.cross_entropy_per_step, ("accuracy",)),
    "numbers": (lambda: sequences(numbers=True), 1, ms.mean_squared_error, ("mean_absolute_error",)),
    "numbers without a mask": (lambda: sequences(numbers=True, masked=False), 1, ms.mean_squared_error, ()),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_network_learns_to_answer_at_every_step(task, capsys):
    make, n_out, loss, metrics = TASKS[task]
    (model, params), data, rng = answering(n_out), make(), np.random.default_rng(2)
    lengths = []
    history = ms.fit(
        model, params, ms.Adam(1e-2), data, 15, rng, batch_size=10, loss=loss, metrics=metrics,
        before_step=[ms.ClipNorm(0.5), lambda run: lengths.append(ms.clip.norm(run.grads))],
    )  # fmt: skip
    assert history[-1]["test_loss"] < 0.7 * history[0]["test_loss"]
    assert set(history[-1]) == {"epoch", "train_loss", "test_loss", "seconds", *(f"test_{name}" for name in metrics)}
    assert len(lengths) == 60
    assert max(lengths) <= 0.5 * (1 + 1e-5)
    found = ms.evaluate(model, params, data.x_test, data.targets("test"), 7, loss, metrics)
    assert found == pytest.approx([history[-1]["test_loss"], *(history[-1][f"test_{name}"] for name in metrics)])
    shown = {"classes": " %", "numbers": "test mean_absolute_error 0."}
    assert shown.get(task, "test loss 0.") in capsys.readouterr().err


def test_what_a_loss_cannot_take_is_said():
    (model, params), data, rng = answering(1), sequences(numbers=True), np.random.default_rng(2)
    with pytest.raises(ms.UserError, match="accuracy needs classes"):
        ms.fit(model, params, ms.Adam(), data, 1, rng, loss=ms.mean_squared_error, quiet=True)
    with pytest.raises(ms.UserError, match="metric 'f1' is unknown"):
        ms.fit(model, params, ms.Adam(), data, 1, rng, loss=ms.mean_squared_error, metrics=("f1",), quiet=True)
