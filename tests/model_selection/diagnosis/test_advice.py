"""What a kind of shift and the roughness of plain labels advise, in words with the evidence."""

from types import SimpleNamespace

import numpy as np
import pytest

from domadapt import diagnose
from domadapt.model_selection.diagnosis._advice import advice_for, advice_for_values
from domadapt.model_selection.diagnosis._kind import Evidence, kind_of, reasons_for
from domadapt.model_selection.diagnosis._plain import Roughness


def advised(kind, found, expected=0.2, effective_rows=500, n_fewest=500):
    evidence = SimpleNamespace(effective_rows=effective_rows)
    return advice_for(kind, evidence, Roughness(found, expected), n_fewest)


@pytest.mark.parametrize("kind", ["covariate", "concept"])
def test_labels_as_smooth_as_true_ones_let_plain_models_stand(kind):
    advice, words, methods = advised(kind, 0.14)
    assert (advice, methods) == ("do not adapt", ())
    assert "14.0% of neighbouring target rows" in words
    assert "20.0% of like source rows" in words
    assert "compare extra trees, a linear model and a network" in words
    assert "AutoAdaptClassifier" in words


@pytest.mark.parametrize(("kind", "method"), [("covariate", "kmm"), ("concept", "coral")])
def test_roughness_that_says_little_asks_for_care_and_more_for_adapting(kind, method):
    advice, words, methods = advised(kind, 0.18)
    assert advice == "adapt with care"
    assert method in methods
    assert f"'{method}'" in words
    assert "18.0%" in words
    advice, words, methods = advised(kind, 0.3)
    assert advice == "adapt"
    assert method in methods
    assert "they err in places where adapting can help" in words


@pytest.mark.parametrize("found", [0.0, 0.2, 0.5])
def test_moved_proportions_are_corrected_with_care_whatever_the_roughness(found):
    advice, words, methods = advised("label", found)
    assert advice == "adapt with care"
    assert methods == ("em", "bbse", "rlls")
    assert "would mix the classes up" in words


def test_few_rows_ask_for_care():
    advice, words, _ = advised("concept", 0.3, n_fewest=60)
    assert advice == "adapt with care"
    assert "there are few rows: compare" in words
    advice, words, _ = advised("covariate", 0.3, effective_rows=20)
    assert advice == "adapt with care"
    assert "few source rows count after weighting" in words


def test_without_a_shift_nothing_is_adapted():
    for answer in (advised("none", 0.9), advice_for_values("none", 99.0)):
        assert answer[0] == "do not adapt"
        assert answer[2] == ()


def test_numbers_are_adapted_where_columns_moved():
    advice, words, methods = advice_for_values("concept", 20.0)
    assert advice == "adapt"
    assert "coral" in methods
    assert "20 times" in words
    advice, words, methods = advice_for_values("covariate", 2.0)
    assert (advice, methods) == ("do not adapt", ())
    assert "2 times what these do" in words


def evidence(p_weights, share, outside=0.0, p_proportions=1e-6, auc=0.6, differences=None):
    def told(p_value):
        return SimpleNamespace(auc=auc, interval=(0.5, 0.7), p_value=p_value)

    after = {"proportions": p_proportions, "weights": p_weights, "location_and_scale": 1e-6}
    explanations = {name: told(p_value) for name, p_value in after.items()}
    of_rows = (share, 500 * share, outside)
    return Evidence(0.01, 1e-9, told(1e-9), explanations, differences or {}, *of_rows)


@pytest.mark.parametrize(
    ("difference", "by_chance", "kind"),
    [(0.05, 0.0, "covariate"), (0.105, 0.1, "covariate"), (0.12, 0.1, "concept")],
)
def test_weights_explain_what_predictions_differ_by_up_to_a_little_over_chance(
    difference, by_chance, kind
):
    differences = {"weights": (difference, by_chance)}
    assert kind_of(evidence(0.4, 0.5, differences=differences)) == kind


def test_proportions_explain_it_unless_that_is_doubtful_and_weights_explain_it_better():
    assert kind_of(evidence(0.4, 0.5, p_proportions=0.05, auc=0.48)) == "covariate"
    assert kind_of(evidence(0.4, 0.5, p_proportions=0.1, auc=0.48)) == "label"
    assert kind_of(evidence(0.4, 0.5, p_proportions=0.05, auc=0.52)) == "label"
    assert kind_of(evidence(0.4, 0.1, p_proportions=0.05, auc=0.48)) == "label"


def test_weights_that_would_explain_it_but_rest_on_few_rows_are_said_to():
    few = evidence(0.4, 0.1)
    assert kind_of(few) == "concept"
    said = " ".join(reasons_for("concept", few))
    assert "would explain it, but too few source rows count after it" in said
    assert "probably moved" in said
    assert "No weighting" not in said
    beyond = " ".join(reasons_for("concept", evidence(0.4, 0.1, outside=0.5)))
    assert "too few source rows count after it and too much of the target lies beyond" in beyond
    enough = evidence(0.4, 0.5)
    assert kind_of(enough) == "covariate"
    assert "which explains it" in " ".join(reasons_for("covariate", enough))


def test_source_models_that_guess_on_the_target_advise_to_adapt():
    """The target lies where the classes of the source meet."""
    rng = np.random.default_rng(0)
    codes = np.arange(300) % 3
    Xs = 6 * np.eye(3)[codes] + rng.normal(size=(300, 3))
    found = diagnose(Xs, codes, 2 + rng.normal(size=(300, 3)))
    assert (found.kind, found.advice) == ("concept", "adapt")
    assert found.roughness.excess > 0
    assert f"{found.roughness.found:.0%} of the pairs in the target" in str(found)
    assert found.to_dict()["roughness"].keys() == {"found", "expected"}
