"""The chapter on a decision: its trials are what it says, its judge is strict, its law fits, and its rows suffice."""

import contextlib
import io
import json
import math
import runpy
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minisparse as ms
from minisparse.lab import sweep

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "chapters" / "results" / "task.jsonl"


def run(folder, *flags):
    """Run the chapter in this process, without figures; returns what it prints and its names."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", ["task.py", *map(str, flags), "--out", str(folder)])
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)
        patch.setattr(ms.plot, "save", lambda figure, path, alt: Path(path).write_text(alt))
        if "--rows" in flags:
            patch.setattr(sweep, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
        names = runpy.run_path(str(ROOT / "chapters" / "task.py"), run_name="__main__")
    return printed.getvalue(), SimpleNamespace(**names)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """Take the recorded rows; nothing is trained."""
    return run(tmp_path_factory.mktemp("task"), "--rows", RECORDED)


def claims(rows):
    return [{**row, "made_by": None, "verified": None} for row in rows if row["part"] == "claim"]


def test_claims_come_from_recorded_rows_alone_and_fit_on_a_screen(lesson):
    printed, chapter = lesson
    written = [json.loads(line) for line in (chapter.args.out / "rows.jsonl").read_text().splitlines()]
    assert claims(written) == claims(json.loads(line) for line in RECORDED.read_text().splitlines())
    lines = printed.splitlines()
    assert len(lines) + 10 <= 80
    assert [line for line in lines if len(line) > 100 and str(chapter.args.out) not in line] == []
    for name in ("task", "trial", "start"):
        assert (RECORDED.parent / ("task.png" if name == "task" else f"task-{name}.png")).exists()


def test_a_trial_is_fixation_stimulus_and_decision(lesson):
    chapter = lesson[1]
    x, right, coherence = chapter.trials(4000, np.random.default_rng(0))
    assert x.shape == (4000, 25, 3)
    assert (chapter.ON, chapter.GO, chapter.STEPS) == (5, 20, 25)
    assert (x[..., 0] == (np.arange(25) < 20)).all(), "the spot shines until the go cue"
    assert not np.delete(x[..., 1:], range(5, 20), axis=1).any(), "evidence comes during the stimulus alone"
    assert (np.sign(coherence) == np.where(coherence == 0, 0, 2 * right - 1)).all()
    for c in chapter.SIGNED:
        evidence = x[coherence == c, 5:20, 1:]
        assert evidence.mean(axis=(0, 1)) == pytest.approx([0.5 - c / 200, 0.5 + c / 200], abs=0.02)
        assert evidence.std(axis=(0, 1)) == pytest.approx(1 / math.sqrt(20), abs=0.01)
        assert (coherence == c).mean() == pytest.approx(0.2 if c == 0 else 0.1, abs=0.03)
    data = chapter.as_dataset((x, right, coherence), (x, right, coherence))
    assert (data.y_train == np.where(np.arange(25) < 20, 0, 1 + right[:, None])).all()
    assert data.mask_train[0].tolist() == 20 * [1] + [0, 0] + 3 * [1]


def test_the_best_observer_chooses_as_often_as_the_formula_says(lesson):
    chapter = lesson[1]
    x, _, coherence = chapter.trials(20000, np.random.default_rng(1))
    chose = (x[:, :, 2] - x[:, :, 1]).sum(axis=1) > 0
    for c in chapter.SIGNED:
        best = chapter.norm.cdf(chapter.distance(c))
        assert chose[coherence == c].mean() == pytest.approx(best, abs=0.03)


def test_a_trial_is_right_only_if_the_network_waits_and_then_chooses(lesson):
    chapter, said = lesson[1], np.zeros((25, 4), int)
    said[20:] = [2, 2, 1, 2]  # the third chooses the wrong side
    said[7, 1] = 2  # the second does not wait
    logits = np.eye(3)[said].transpose(0, 2, 1)
    assert chapter.judged(logits, np.ones(4, bool), np.array([6.4, 6.4, 6.4, 6.4])) == 50
    assert chapter.judged(logits, np.ones(4, bool), np.array([6.4, 6.4, 0, 0])) == 50, "of unambiguous trials"


def test_a_uniform_state_grows_by_the_law_and_a_random_part_by_no_more_than_its_own(lesson):
    chapter, n = lesson[1], 200
    weights = ms.make_weights(ms.bernoulli(n, n, 0.2, np.random.default_rng(0)))
    signs = ms.dale_signs(n, 0.2, np.random.default_rng(1))
    for k, w_max in ((1.0, 0.4), (4.0, 0.6)):
        config = {"density": 0.2, "nodes": n, "inhibitory": 0.2, "inhibition_gain": k, "w_max": w_max}
        model = ms.Recurrent(1, weights, "relu", biases=1, alpha=chapter.ALPHA, start=True)
        params = model.init(np.random.default_rng(2), float, w_max=w_max, signs=np.where(signs < 0, -k, 1.0))
        params |= {"b_in": 0 * params["b_in"], "h_init": np.random.default_rng(3).random((n, 1))}
        (h,), _ = model.forward(params, np.zeros((1, 1, 1)))
        gain = ms.predicted_gain(n, 0.2, w_max, 0.2, k)
        if k == 1:
            assert h.mean() / params["h_init"].mean() == pytest.approx(chapter.grown(gain), rel=0.15)
        else:
            assert gain == pytest.approx(0)
            drive = np.maximum(ms.to_numpy(weights.bind(params["W_rec"]).matmul(params["h_init"])), 0)
            root = [math.sqrt((each**2).mean()) for each in (drive, params["h_init"])]
            assert root[0] / root[1] == pytest.approx(chapter.at_random(config), rel=0.15)


def test_a_fall_of_the_curve_is_counted_in_standard_errors(lesson):
    chapter, rises = lesson[1], np.linspace(0, 1, 9)
    counts = 9 * [100]
    assert chapter.falls({"chose_right": rises, "counts": counts}) == 0
    fallen = np.where(np.arange(9) == 4, 0.7, rises)  # 0.7, then 0.625
    expected = 0.075 / math.sqrt((0.7 * 0.3 + 0.625 * 0.375) / 100)
    assert chapter.falls({"chose_right": fallen, "counts": counts}) == pytest.approx(expected)


@pytest.mark.slow
def test_the_bars_hold_on_seeds_that_are_not_the_default_ones(tmp_path):
    chapter = run(tmp_path, "--w-max", "0.5", "--first-seed", "20", "--jobs", "1")[1]
    held = {row["claim"]: row["status"] for row in chapter.claims}
    for start in ("at least 85 %", "no weight", "the psychometric"):
        (status,) = (status for name, status in held.items() if name.startswith(start))
        assert status == "REPRODUCED"


@pytest.mark.slow
def test_the_trials_are_those_of_neurogym(lesson):
    pytest.importorskip("neurogym", reason="neurogym is not installed; pip install -e '.[tasks]' in a venv of its own")
    chapter, count = lesson[1], 4000
    ours, theirs = (draw(count, np.random.default_rng(4)) for draw in (chapter.trials, chapter.neurogym_trials))
    assert ours[0].shape == theirs[0].shape == (count, 25, 3)
    assert np.array_equal((ours[0][..., 1:] != 0).any(axis=(0, 2)), (theirs[0][..., 1:] != 0).any(axis=(0, 2)))
    assert (theirs[0][..., 0] == (np.arange(25) < 5)).all(), "there the spot goes out earlier"
    assert theirs[1].mean() == pytest.approx(ours[1].mean(), abs=0.05)
    print(f"\n{'coherence':>9s}{'share':>14s}{'mean of left':>16s}{'mean of right':>16s}{'sd':>16s}   (ours, theirs)")
    for c in chapter.SIGNED:
        shares, means, spreads = [], [], []
        for x, _, coherence in (ours, theirs):
            evidence = x[coherence == c, chapter.ON : chapter.GO, 1:]
            shares.append(float((coherence == c).mean()))
            means.append(evidence.mean(axis=(0, 1)))
            spreads.append(float((evidence - means[-1]).std()))
        numbers = [shares, *zip(*means, strict=True), spreads]
        print(f"{c:9.1f}" + "".join(f"{a:9.3f} {b:6.3f}" for a, b in numbers))
        assert shares[0] == pytest.approx(shares[1], abs=0.03)
        assert means[0] == pytest.approx(means[1], abs=0.02)
        assert spreads[0] == pytest.approx(spreads[1], abs=0.01)
