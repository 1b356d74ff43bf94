"""Where people with a network or data of their own once stopped, and the test that shows that they go on now."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
SHOWN = {
    "two recurrent layers": "test_train.py::test_a_network_learns_to_answer_at_every_step",
    "units that leak": "test_leak.py::test_a_state_without_input_decays_by_the_share_that_it_keeps",
    "an answer at every step": "test_train.py::test_a_network_learns_to_answer_at_every_step",
    "numbers to predict": "estimators/test_estimators.py::test_numbers_are_predicted_in_the_form_they_came",
    "noise in training": "test_wrappers.py::test_a_run_with_noise_that_is_resumed_is_the_undisturbed_run",
    "GELU": "test_activations.py::test_one_of_your_own_is_gradient_checked_in_both_networks",
    "to PyTorch and back": "bridges/test_bridges.py::test_a_module_gives_the_same_logits_and_comes_back_bit_for_bit",
    "loading without knowing sizes": "test_model_file.py::test_a_new_process_gives_the_same_logits_bit_for_bit",
    "an integer as seed": "test_arguments.py::test_a_whole_run_from_one_integer_can_be_repeated",
    "a density of 0": "test_door.py::test_whole_numbers_may_be_floats_and_probabilities_whole",
    "a NumPy mask": "test_patterns.py::test_a_model_takes_a_pattern_a_mask_and_a_sparse_matrix",
    "a SciPy matrix": "test_patterns.py::test_every_sparse_format_gives_the_pattern_of_the_mask",
    "a grid into run": "test_door.py::test_a_grid_goes_into_run",
    "Dale with SET in the wrong place": "test_dale.py::test_hooks_that_would_leave_the_wrong_signs_are_refused",
    "newcomers of the wrong sign": "test_dale.py::test_with_its_neurons_signs_set_leaves_no_violation_wherever_dale_is",
    "decay of weights with another name": "test_optim.py::test_decay_names_the_parameters_that_it_does_not_know",
}
"""A place where someone stopped, and the test of the working call or of the sentence that says what to do."""


@pytest.mark.parametrize("place", SHOWN)
def test_a_test_shows_it(place):
    path, _, name = SHOWN[place].partition("::")
    functions = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assert name in {node.name for node in functions if isinstance(node, ast.FunctionDef)}
