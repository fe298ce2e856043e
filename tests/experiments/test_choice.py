"""The method of a table that is named without target labels, and where it stands in tables."""

import json

import numpy as np
import pytest
from run_folders import make_run

from domadapt.experiments.choice import choose, choose_methods
from domadapt.experiments.report import write_report
from domadapt.experiments.tables import CHOSEN, csv_table, markdown_table, rows, summarise

SETTINGS = {
    "dataset": "folder",
    "domains": ["a", "b"],
    "n_columns": None,
    "methods": ["source", "dan", "mcc"],
    "seeds": 2,
    "pairs": [["a", "b"], ["b", "a"]],
}
# What mcc predicts agrees best with all in the first seed, what dan predicts in the second.
PREDICTED = {
    ("source", 0): [0, 0, 0, 0, 1, 1, 1, 0],
    ("dan", 0): [0, 0, 1, 1, 1, 0, 1, 1],
    ("mcc", 0): [0, 0, 0, 1, 1, 1, 1, 1],
    ("source", 1): [0, 0, 0, 0, 1, 1, 1, 0],
    ("dan", 1): [0, 0, 0, 1, 1, 1, 1, 1],
    ("mcc", 1): [0, 0, 1, 1, 1, 0, 1, 1],
}


def make_cells(accuracies=None):
    cells, details = [], []
    for (source, target), base in ((("a", "b"), 60.0), (("b", "a"), 50.0)):
        for number, ((method, seed), predicted) in enumerate(PREDICTED.items()):
            key = {"source": source, "target": target, "method": method, "seed": seed}
            accuracy = base + number if accuracies is None else accuracies[number]
            known = {"accuracy": accuracy, "best_accuracy_by_target_labels": accuracy}
            cells.append(key | known)
            details.append(key | {"target_predicted": predicted})
    return cells, details


def naive_choice(predicted, is_plain):
    """The rule by loops."""
    n_methods, n_samples = len(predicted), len(predicted[0])
    labels = sorted({label for row in predicted for label in row})
    lead = [place for place in range(n_methods) if is_plain[place]] or list(range(n_methods))
    consensus = []
    for j in range(n_samples):
        votes = dict.fromkeys(labels, 0.0)
        for row in predicted:
            votes[row[j]] += 0.9 / n_methods
        for place in lead:
            votes[predicted[place][j]] += 0.1 / len(lead)
        consensus.append(max(labels, key=lambda label, votes=votes: (votes[label], -label)))
    ratings = []
    for row in predicted:
        rating = sum(row[j] == consensus[j] for j in range(n_samples)) / n_samples
        for label in labels:
            share = row.count(label) / n_samples
            expected = sum(predicted[p].count(label) for p in lead) / n_samples / len(lead)
            if share < expected / 10 and n_samples * expected >= 10:
                rating -= expected - share
        ratings.append(round(rating, 12))
    best = [place for place in range(n_methods) if ratings[place] == max(ratings)]
    return next((place for place in best if is_plain[place]), best[0])


def test_the_rule_is_that_of_loops():
    rng, seen = np.random.default_rng(0), set()
    for n_methods in (2, 3, 5, 8):
        for _ in range(10):
            truth = rng.integers(0, 4, 61)
            flips = rng.random((n_methods, 61)) < rng.random((n_methods, 1))
            predicted = np.where(flips, rng.integers(-1, 4, (n_methods, 61)), truth)
            predicted[-1][predicted[-1] == 2] = 1
            is_plain = rng.random(n_methods) < 0.3
            found = choose(predicted, is_plain)
            assert found == naive_choice(predicted.tolist(), is_plain)
            seen.add(found)
    assert len(seen) > 3


def test_of_two_methods_the_plain_one_is_named():
    first, second = [0, 1, 0, 1], [1, 0, 0, 1]
    assert choose([first, second], np.array([True, False])) == 0
    assert choose([first, second], np.array([False, True])) == 1


def test_collapsed_methods_are_not_named_even_where_they_are_many():
    truth = np.arange(90) % 3
    plain, adapted = truth.copy(), truth.copy()
    plain[:30] = 0
    adapted[:6] = 0
    one_class = np.zeros(90, int)
    predicted = [plain, adapted, one_class, one_class, one_class]
    assert choose(predicted, np.array([True, False, False, False, False])) in (0, 1)
    # Without what is taken off for erased classes they would be.
    assert choose([adapted, *predicted[2:]], np.array([False] * 4)) > 0


def test_a_method_is_named_for_each_pair_and_seed():
    cells, details = make_cells()
    chosen = choose_methods(SETTINGS, cells, details)
    assert chosen == {
        (*pair, seed): method
        for pair in (("a", "b"), ("b", "a"))
        for seed, method in ((0, "mcc"), (1, "dan"))
    }
    assert choose_methods(SETTINGS, cells[::-1], details[::-1]) == chosen


def test_nothing_but_predictions_counts():
    one = choose_methods(SETTINGS, *make_cells())
    two = choose_methods(SETTINGS, *make_cells([99.0, 0.0, 0.0, 99.0, 0.0, 0.0]))
    assert one == two


def test_what_is_not_finished_or_alone_is_not_chosen_from():
    cells, details = make_cells()
    assert choose_methods(SETTINGS, cells[:1], details) == {}
    assert choose_methods(SETTINGS, cells, details[:1]) == {}
    without = [{k: v for k, v in one.items() if k != "target_predicted"} for one in details]
    assert choose_methods(SETTINGS, cells, without) == {}
    # Of a pair with the first seed alone no accuracy is shown.
    chosen = choose_methods(SETTINGS, cells[:3], details)
    assert list(chosen) == [("a", "b", 0)]
    summary = summarise(SETTINGS, cells[:3], chosen)
    assert CHOSEN not in [row.name for row in rows(summary)]


def test_the_table_has_the_accuracy_of_what_was_chosen():
    cells, details = make_cells()
    summary = summarise(SETTINGS, cells, choose_methods(SETTINGS, cells, details))
    assert json.loads(json.dumps(summary)) == summary
    row = rows(summary)[-1]
    # Of 62 and 64 in the first pair, of 52 and 54 in the second.
    assert (row.name, [e.text for e in row.entries]) == (CHOSEN, ["63.0", "53.0", "58.0", "-"])
    assert row.entries[0].spread == "± 1.4"
    assert not any(entry.is_best for entry in row.entries)
    named = "MCC (1 of 2 seeds), DAN (1 of 2 seeds)"
    assert f"a > b: {named}; b > a: {named}." in markdown_table(summary)
    lines = [line.split(",") for line in csv_table(summary).splitlines()]
    assert [line[-1] for line in lines if line[2] == "dan"] == ["1", "1"]
    assert [line[-1] for line in lines if line[2] == "source"] == ["0", "0"]


def test_a_table_without_predictions_is_as_it_was():
    summary = summarise(SETTINGS, make_cells()[0])
    assert [row.name for row in rows(summary)] == ["source only", "DAN", "MCC"]
    assert CHOSEN not in markdown_table(summary)
    assert all(line.endswith(",") for line in csv_table(summary).splitlines()[1:])


def test_what_an_automatic_choice_says_of_itself_has_a_row():
    cells = [
        cell | {"method": "auto", "estimated_accuracy": 70.0 + cell["seed"], "adapts": adapts}
        for cell, adapts in zip(make_cells()[0][:6:3], (True, False), strict=True)
    ]
    settings = SETTINGS | {"methods": ["source", "auto"]}
    summary = summarise(settings, cells)
    texts = {row.name: [entry.text for entry in row.entries] for row in rows(summary)}
    name = "automatic choice: estimated without target labels"
    assert texts["automatic choice"] == ["61.5", "-", "61.5 (1 of 2)", "61.5 (1 of 2)"]
    assert texts[name] == ["70.5", "-", "70.5 (1 of 2)", "-"]
    assert "The automatic choice adapts in 1 of 2 cells" in markdown_table(summary)
    assert "a,b,auto,2,61.5,2.12132,61.5,70.5," in csv_table(summary)
    # One that has only begun has no mean over pairs yet.
    begun = summarise(settings, cells[:1])
    assert name not in [row.name for row in rows(begun)]
    assert "adapts in" not in markdown_table(begun)


def add_predictions(folder, change=None):
    for number, path in enumerate(sorted((folder / "cells").iterdir())):
        details = json.loads(path.read_text())
        predicted = [0, 1, 1, 0] if details["method"] == "dan" else [0, 1, 1, 1]
        details["target_predicted"] = change if change is not None and number == 0 else predicted
        path.write_text(json.dumps(details))
    return folder


def test_the_page_has_the_choice_too(tmp_path):
    pytest.importorskip("matplotlib")
    small = {"methods": ["source", "dan"], "pairs": [["amazon", "dslr"]], "seeds": 1}
    write_report(add_predictions(make_run(tmp_path / "run", **small)))
    text = (tmp_path / "run" / "report.html").read_text()
    assert f'<th scope="row">{CHOSEN}</th>' in text
    assert "amazon &gt; dslr: source only" in text


@pytest.mark.parametrize("predicted", [3, [0.5], [-2], [True], ["a"]])
def test_damaged_predictions_are_told(tmp_path, predicted):
    run = add_predictions(make_run(tmp_path / "run"), predicted)
    with pytest.raises(ValueError, match=r"0[.]json' has target_predicted=.*a list of classes"):
        write_report(run)


def test_predictions_of_different_lengths_are_told(tmp_path):
    run = add_predictions(make_run(tmp_path / "run"), [0, 1])
    with pytest.raises(ValueError, match="amazon > dslr, seed 0, predict for different numbers"):
        write_report(run)


@pytest.mark.parametrize("own", [{"estimated_accuracy": 101.0, "adapts": True}, {"adapts": 1}])
def test_a_damaged_estimate_is_told(tmp_path, own):
    run = make_run(tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    results[0] |= {"estimated_accuracy": 50.0} | own
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="a percentage, and true or false, were expected"):
        write_report(run)
