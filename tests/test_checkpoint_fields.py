"""Every field of a checkpoint and of a model file, mutated: it is refused in a sentence and nothing has changed, or it
loads as a whole. With the hash left alone no mutation is ever accepted.
"""

import numpy as np
import pytest
from helpers.saved import Checkpoint, Model, arrays_of, changed, load_or_leave, signed

import minisparse as ms


def test_no_array_of_a_checkpoint_can_be_left_out(tmp_path):
    """Also if the hash is made anew."""
    path, target = tmp_path / "a.npz", Checkpoint()
    whole = arrays_of(Checkpoint.written(path))
    for name in whole:
        np.savez(path, **signed({key: array for key, array in whole.items() if key != name}))
        with pytest.raises(ms.UserError):
            load_or_leave(target, path)


@pytest.mark.parametrize("rounds", [30, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [Checkpoint, Model])
@pytest.mark.parametrize("signs", [True, False], ids=["hash made anew", "hash left alone"])
def test_no_mutation_of_a_field_is_a_traceback_or_leaves_half_a_state(kind, signs, rounds, tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    whole = arrays_of(kind.written(path))
    target, loaded = kind(), 0
    for _ in range(rounds):
        arrays = changed(whole, rng)
        arrays = signed(arrays) if signs else arrays
        same = arrays.keys() == whole.keys() and all(
            (arrays[name].dtype, arrays[name].shape, arrays[name].tobytes())
            == (whole[name].dtype, whole[name].shape, whole[name].tobytes())
            for name in whole
        )
        np.savez(path, **arrays)
        try:
            load_or_leave(target, path)
        except ms.UserError as error:
            said = str(error)
            assert ("\n" in said, len(said) < 500) == (False, True)
        else:
            loaded += 1
            assert signs or kind is Model or same, "an altered file was accepted"
            target = kind()
    assert loaded < rounds / 2
