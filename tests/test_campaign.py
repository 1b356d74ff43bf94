"""The campaign of malformed inputs, in a few of them; ``python -m tests.campaign`` runs as many as are asked for."""

import campaign
import numpy as np
import pytest

KINDS = campaign.corpora()


def test_a_few_malformed_inputs_are_refused_in_a_sentence_or_what_is_made_of_them_is_sound():
    counts, wrong = campaign.run(seed=1, inputs=20 * len(KINDS), kinds=KINDS)
    assert wrong == []
    for corpus in KINDS:
        assert counts[corpus.name, "refused"] + counts[corpus.name, "accepted"] == 20
        assert counts[corpus.name, "refused"] > 0


@pytest.mark.parametrize("corpus", KINDS, ids=lambda corpus: corpus.name)
def test_an_input_is_made_again_from_its_numbers(corpus):
    first, again = (campaign.given_of(corpus, 3, 4) for _ in range(2))
    assert repr(first)[:500] == repr(again)[:500]


def test_an_error_from_inside_and_a_result_that_is_not_sound_are_found(tmp_path):
    def call(given, folder):
        return [1, 2][given]

    bad = campaign.Corpus("bad", lambda rng: 0, lambda rng, given: given, call, lambda given, result: result == 1)
    assert campaign.outcome(bad, 0, tmp_path)[0] == "accepted"
    assert campaign.outcome(bad, 1, tmp_path)[0] == "unsound"
    assert campaign.outcome(bad, 2, tmp_path)[0] == "traceback"
    assert campaign.change_bytes(np.random.default_rng(0), b"abcdef" * 10) != b"abcdef" * 10
