"""Which equation each tagged line of the library is, what derives it, what proves it, and what checks it.

Chapters, code and verdicts are looked up; the rest is `TABLE`. `gaps` says what is missing.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from minisparse import equations
from minisparse.lab import page, rows
from minisparse.lab.provenance import ROOT

TABLE = """
R1 R14 R2 R15 R3 | Fruengel & Oberlaender 2025 | the recurrent network, forward | derivations::test_back_propagation_is_the_derivative | rnn::test_gradients_agree_with_both_oracles_at_two_training_steps
R4 R5 R16 R6 R13 R7 R8 R9 R10 R11 R12 | Fruengel & Oberlaender 2025 | the recurrent network, backward | derivations::test_back_propagation_is_the_derivative | rnn::test_gradients_agree_with_both_oracles_at_two_training_steps
R17 | Werbos 1990 | a state that is heard at every step | derivations::test_a_recurrent_layer_is_differentiated | recurrent::test_a_layer_agrees_with_both_oracles
R18 R24 R25 R26 | Werbos 1990 | the first state as a parameter | derivations::test_a_recurrent_layer_is_differentiated | recurrent::test_a_layer_agrees_with_both_oracles
R19 R20 R21 R22 R23 | Song, Yang & Wang 2016 | a leaky state, with noise | derivations::test_a_recurrent_layer_is_differentiated | recurrent::test_a_layer_agrees_with_both_oracles
R28 R29 R30 R31 R32 | Werbos 1990 | layers on top of each other, a readout of every step | derivations::test_stacked_layers_with_a_readout_of_every_step_are_differentiated | sequence::test_gradients_agree_with_both_oracles
R27 | Williams & Peng 1990 | truncated back-propagation through time | derivations::test_a_cut_gradient_is_that_of_windows_whose_first_states_are_held_still | recurrent::test_a_cut_gradient_is_that_of_windows_whose_first_states_are_held_still
L1 | Fruengel & Oberlaender 2025 | softmax and cross-entropy | derivations::test_softmax_minus_one_hot_over_the_batch_is_the_derivative_of_the_loss | rnn::test_gradients_agree_with_both_oracles_at_two_training_steps
L2 L3 | Song, Yang & Wang 2016 | losses of several answers, with a mask | derivations::test_losses_of_several_answers_are_differentiated | step_losses::test_a_loss_agrees_with_both_oracles
N1 N2 | Fruengel & Oberlaender 2025 | slopes of ReLU and tanh | derivations::test_back_propagation_is_the_derivative | rnn::test_gradients_agree_with_both_oracles_at_two_training_steps
N3 | Bird & Cuntz | slope of the sigmoid | derivations::test_the_slope_of_the_sigmoid_is_its_derivative | normalise::test_whole_networks_agree_with_automatic_differentiation_through_every_rule
S1 S2 S3 S4 S5 S6 | Fruengel & Oberlaender 2025 | M ∘ W, dense and sparse | derivations::test_on_a_sparse_pattern_too_and_exactly_0_off_it | weights/base::test_the_maps_are_the_plain_matrix_products
O1 O2 O3 O4 O6 | Kingma & Ba 2015 | Adam | - a recurrence, no derivative | optim::test_five_steps_are_the_published_recurrence
O5 | Fruengel & Oberlaender 2025 | the clamp of Dale's principle | - a projection, no derivative | dale::test_the_clamp_is_the_published_one
O7 | Konstantaropoulos, Smirnakis & Papadopouli 2025 | the step, decay of weights | - a recurrence, no derivative | optim::test_the_step_is_the_one_without_decay_plus_the_decay
O8 | Konstantaropoulos, Smirnakis & Papadopouli 2025 | the step, half a cosine | - a schedule, no derivative | optim::test_the_rate_is_half_a_cosine_from_lr_to_the_lowest
A1 A2 A3 A4 A5 A6 A7 A8 | Bird & Cuntz | the feedforward network | derivations::test_a_feedforward_network_is_differentiated_as_well | normalise::test_a_feedforward_network_through_any_rule
C1 C2 C3 C4 C5 C6 C7 C8 | Bird & Cuntz | convolution and pooling | derivations::test_convolution_and_pooling_are_differentiated | conv::test_it_agrees_with_a_loop_over_pixels_and_with_automatic_differentiation
C9 C10 C11 C12 C13 C14 C15 | Konstantaropoulos, Smirnakis & Papadopouli 2025 | patches | derivations::test_patches_are_differentiated | patches::test_it_agrees_with_a_loop_over_patches_and_with_automatic_differentiation
D1 | Bird & Cuntz | no normalisation | derivations::test_back_propagation_is_the_derivative | normalise::test_each_rule_and_its_way_back_agree_with_automatic_differentiation
D2 D3 D4 D5 | Bird & Cuntz | Eq 1 to 6 | normalise::test_symbols_prove_the_factors_of_eq_4 | normalise::test_each_rule_and_its_way_back_agree_with_automatic_differentiation
E1 E2 E3 | Mocanu et al. 2018 | SET: prune and grow | - a rule, no derivative | evolve/sparse_evolution::test_survivors_are_left_alone_and_the_weakest_go
E4 | Evci et al. 2020 | schedule of rewiring | - a schedule, no derivative | evolve/schedule::test_the_schedule
E5 | Evci et al. 2020 | number of synapses rewired | - a count, no derivative | evolve/routine::test_the_count_is_constant_survivors_are_left_alone_and_new_synapses_start_at_0
E6 | Evci et al. 2020 | RigL: gradient of absent synapses | derivations::test_back_propagation_is_the_derivative | evolve/gradient::test_rigl_grows_the_top_of_a_finite_difference_gradient
E7 E8 | Konstantaropoulos, Smirnakis & Papadopouli 2025 | correlation of two neurons | - a score, no derivative | evolve/correlation::test_c_is_the_correlation_of_the_last_batches
E9 E10 | Konstantaropoulos, Smirnakis & Papadopouli 2025 | correlation from running moments | - a score, no derivative | evolve/correlation::test_running_moments_converge_to_the_batch_form
E11 E12 | Bellec et al. 2018 | deep rewiring: drift and death | - a rule, no derivative | evolve/deep::test_deep_rewiring_drifts_by_its_rate_and_dies_at_0
E13 | Bellec et al. 2018 | deep rewiring: birth | - a rule, no derivative | evolve/deep::test_deep_rewiring_keeps_its_count_and_its_signs_for_a_thousand_steps
E14 E15 E16 E17 E18 | Zhang et al. 2024 | Cannistraci-Hebb: paths of length three | - a score, no derivative | evolve/topology::test_both_forms_of_ch3_l3_are_their_definitions
"""  # noqa: E501
"""Tags | paper | equation or part | SymPy proof, or after "-" why there is none | check; a test is FILE::NAME."""


def table() -> list[dict]:
    """Return the parts of `TABLE`, with the tags of each as a list."""
    names = ("tags", "paper", "equation", "proof", "check")
    found = [dict(zip(names, map(str.strip, line.split("|")), strict=True)) for line in TABLE.strip().splitlines()]
    return [{**row, "tags": row["tags"].split()} for row in found]


def chapter_of(tag: str) -> list[str]:
    """Return the chapters that show a tag: in a tuple of nothing but tags."""
    return _chapters()[tag]


def _chapters() -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in sorted((ROOT / "chapters").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts):
                names = [str(item.value) for item in node.elts]
                if all(name in equations.tags() for name in names):
                    for name in names:
                        found[name].append(path.stem)
    return found


def has_test(name: str) -> bool:
    """Whether a test "FILE::NAME" exists: "rnn::test_x" is in tests/test_rnn.py, "evolve/deep::..." in tests/evolve."""
    file, _, function = name.partition("::")
    folder, _, stem = file.rpartition("/")
    path = ROOT / "tests" / folder / f"test_{stem}.py"
    return path.is_file() and f"\ndef {function}(" in path.read_text(encoding="utf-8")


def gaps() -> list[str]:
    """Return a sentence for everything that the table lacks."""
    listed, wrong = [tag for row in table() for tag in row["tags"]], []
    chapters = _chapters()
    wrong += [
        f"({tag}) stands {listed.count(tag)} times in TABLE" for tag in equations.tags() if listed.count(tag) != 1
    ]
    wrong += [f"({tag}) is no tag of the library" for tag in listed if tag not in equations.tags()]
    wrong += [f"({tag}) is derived in no chapter" for tag in equations.tags() if not chapters[tag]]
    for row in table():
        for kind in ("proof", "check"):
            if not (has_test(row[kind]) or (kind == "proof" and row[kind].startswith("- "))):
                wrong.append(f"{row['equation']}: there is no test {row[kind]!r}")
    printed = {row["figure"].partition(",")[0] for row in verdicts()}
    return wrong + [f"{name} has no verdict" for name in ("Eq 2", "Eq 4", "Eq 5", "Eq 6") if name not in printed]


def verdicts() -> list[dict]:
    """Return the recorded claims about printed gradients."""
    return [row for row in rows.read(rows.RESULTS / "equations.jsonl") if row["part"] == "claim"]


def as_page() -> str:
    """Return the page of both tables, as reStructuredText."""
    text = [
        "Coverage",
        "========",
        "",
        "Every tagged line of the library: which equation it is, the chapter that derives it, the test that proves it",
        "with symbols (SymPy), and the test that checks it with numbers. It is looked up when the book is built, and a",
        "test fails where something is missing.",
        "",
    ]
    chapters = _chapters()
    for row in table():
        proof = row["proof"].removeprefix("- ") if row["proof"].startswith("- ") else _test(row["proof"])
        title = f"{row['equation'][0].upper()}{row['equation'][1:]}"
        text += [title, "-" * len(title), "", f":Paper: {row['paper']}"]
        text += [f":Proof: {proof}", f":Check: {_test(row['check'])}", ""]
        cells = []
        for tag in row["tags"]:
            where = ", ".join(f":doc:`/chapters/{name}`" for name in chapters[tag])
            cells.append((f"_`{tag}`", f"``{equations.code_line(tag)}``", where))
        text += [*list_table(("tag", "line", "derived in"), cells), ""]
    text += [
        "",
        "The printed gradients",
        "---------------------",
        "",
        "Where a paper prints a gradient, it is compared with the derivative, in :doc:`/chapters/equations`.",
        "",
    ]
    marks = [(page.mark(row), row["figure"], row["claim"], row["ours"]) for row in verdicts()]
    return "\n".join([*text, *list_table(("", "equation", "printed", "what came out"), marks), ""])


def _test(name: str) -> str:
    file, _, function = name.partition("::")
    folder, _, stem = file.rpartition("/")
    words = re.sub("_", " ", function.removeprefix("test_"))
    return f"{words} (``tests/{folder + '/' if folder else ''}test_{stem}.py``)"


def list_table(heads: tuple, cells: list[tuple], caption: str = "") -> list[str]:
    """Return the lines of a table, as reStructuredText."""
    lines = [f".. list-table:: {caption}".rstrip(), "   :header-rows: 1", ""]
    for cell_row in [heads, *cells]:
        for number, cell in enumerate(cell_row):
            lines.append(f"   {'* -' if not number else '  -'} {cell}".rstrip())
    return lines
