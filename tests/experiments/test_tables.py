"""The tables of a run against sums by hand."""

import csv
import io
import itertools
import json
import re

import pytest

from domadapt.experiments.published import published_rows
from domadapt.experiments.tables import (
    csv_table,
    header,
    markdown_table,
    means_over_other_pairs,
    rows,
    summarise,
)
from domadapt.methods import METHODS

LAST_COLUMN = "mean of best epochs by target labels"
FOUR_DOMAINS = ["amazon", "caltech10", "dslr", "webcam"]


def make_settings(**changes):
    settings = {
        "dataset": "folder",
        "domains": ["amazon", "webcam"],
        "n_columns": None,
        "methods": ["source", "dan"],
        "seeds": 2,
        "pairs": [["amazon", "webcam"], ["webcam", "amazon"]],
    }
    return settings | changes


def surf_settings(**changes):
    pairs = [list(pair) for pair in itertools.permutations(FOUR_DOMAINS, 2)]
    surf = {"dataset": "features", "domains": FOUR_DOMAINS, "n_columns": 800, "pairs": pairs}
    return make_settings(**surf | changes)


def make_cell(source, target, method, seed, accuracy, best):
    return {
        "source": source,
        "target": target,
        "method": method,
        "seed": seed,
        "accuracy": accuracy,
        "best_accuracy_by_target_labels": best,
    }


CELLS = [
    make_cell("amazon", "webcam", "source", 0, 60.0, 61.0),
    make_cell("amazon", "webcam", "source", 1, 64.0, 67.0),
    make_cell("webcam", "amazon", "source", 0, 50.0, 52.0),
    make_cell("webcam", "amazon", "source", 1, 51.0, 52.5),
    make_cell("amazon", "webcam", "dan", 0, 70.0, 75.0),
    make_cell("amazon", "webcam", "dan", 1, 73.0, 73.0),
    make_cell("webcam", "amazon", "dan", 0, 49.0, 60.0),
    make_cell("webcam", "amazon", "dan", 1, 49.0, 61.0),
]


def table_of(text):
    """Take a Markdown table apart at the bars that are not escaped."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_means_and_deviations_are_those_by_hand():
    summary = summarise(make_settings(), CELLS)
    source, dan = summary["methods"]
    # Of 60 and 64, both 2 from 62: the sample deviation is the root of 8 over 1.
    assert source["pairs"][0]["accuracy"] == {"mean": 62.0, "std": pytest.approx(8**0.5, abs=1e-6)}
    assert source["pairs"][0]["best_accuracy_by_target_labels"]["mean"] == 64.0
    assert source["pairs"][1]["accuracy"] == {
        "mean": 50.5,
        "std": pytest.approx(0.5**0.5, abs=1e-6),
    }
    assert dan["pairs"][1]["accuracy"] == {"mean": 49.0, "std": 0.0}
    assert source["mean"]["accuracy"] == (62.0 + 50.5) / 2
    assert dan["mean"]["accuracy"] == (71.5 + 49.0) / 2
    assert dan["mean"]["best_accuracy_by_target_labels"] == (74.0 + 60.5) / 2
    assert dan["mean"]["complete"]
    assert (summary["cells_done"], summary["cells_expected"]) == (8, 8)


def test_the_order_of_the_cells_does_not_count():
    assert summarise(make_settings(), CELLS[::-1]) == summarise(make_settings(), CELLS)


def test_one_seed_has_no_deviation():
    cells = [cell for cell in CELLS if cell["seed"] == 0]
    summary = summarise(make_settings(seeds=1), cells)
    assert summary["methods"][0]["pairs"][0]["accuracy"] == {"mean": 60.0, "std": None}
    assert "mean of 1 seed;" in markdown_table(summary)
    assert all(entry.spread == "" for row in rows(summary) for entry in row.entries)


def test_a_pair_that_lacks_a_seed_is_left_out_of_the_mean_and_told():
    summary = summarise(make_settings(), CELLS[:-1])
    dan = summary["methods"][1]
    assert dan["pairs"][1]["seeds"] == 1
    assert dan["pairs"][1]["accuracy"] == {"mean": 49.0, "std": None}
    assert dan["mean"] == {
        "accuracy": 71.5,
        "best_accuracy_by_target_labels": 74.0,
        "pairs": 1,
        "complete": False,
    }
    text = markdown_table(summary)
    assert table_of(text)[3] == ["DAN", "71.5", "-", "71.5 (1 of 2)", "74.0 (1 of 2)"]
    assert "7 of 8 cells are done" in text
    assert "cells are done" not in markdown_table(summarise(make_settings(), CELLS))


def test_a_run_without_any_cell_is_a_table_of_dashes():
    summary = summarise(make_settings(), [])
    assert summary["methods"][0]["pairs"][0]["accuracy"] == {"mean": None, "std": None}
    assert table_of(markdown_table(summary))[2] == ["source only", "-", "-", "-", "-"]
    assert not any(entry.is_best for row in rows(summary) for entry in row.entries)


def test_cells_that_the_settings_do_not_name_are_left_out():
    others = [
        make_cell("amazon", "dslr", "dan", 0, 1.0, 1.0),
        make_cell("amazon", "webcam", "jan", 0, 1.0, 1.0),
        make_cell("amazon", "webcam", "dan", 2, 1.0, 1.0),
    ]
    assert summarise(make_settings(), CELLS + others) == summarise(make_settings(), CELLS)


def test_the_table_has_a_row_for_each_method_and_the_last_column_says_what_it_is():
    text = markdown_table(summarise(make_settings(), CELLS))
    assert table_of(text)[0] == [
        "method",
        "amazon > webcam",
        "webcam > amazon",
        "mean",
        LAST_COLUMN,
    ]
    assert table_of(text)[2:] == [
        ["source only", "62.0", "50.5", "56.2", "58.1"],
        ["DAN", "71.5", "49.0", "60.2", "67.2"],
    ]
    note = text.split("\n\n")[1]
    assert "percent on the target, last epoch, mean of 2 seeds" in note
    assert f'"{LAST_COLUMN}"' in note
    assert "not attainable without them" in note


def test_the_last_epoch_is_best_and_not_the_best_one():
    source, dan = rows(summarise(make_settings(), CELLS))
    assert [entry.is_best for entry in source.entries] == [False, True, False, False]
    assert [entry.is_best for entry in dan.entries] == [True, False, True, False]


def test_what_is_shown_as_equal_is_best_together_and_a_part_does_not_win():
    cells = [cell | {"accuracy": 80.01 if cell["method"] == "dan" else 80.0} for cell in CELLS]
    summary = summarise(make_settings(), cells)
    assert [row.entries[0].is_best for row in rows(summary)] == [True, True]
    source, dan = rows(summarise(make_settings(), CELLS[:-1]))
    assert dan.entries[2].text == "71.5 (1 of 2)"
    assert not source.entries[2].is_best
    assert not dan.entries[2].is_best


def test_an_unknown_method_is_its_own_title():
    summary = summarise(make_settings(methods=["deepcoral", "magic"]), [])
    assert [row.name for row in rows(summary)] == ["DeepCORAL", "magic"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a|b", r"a\|b"),
        ("<b>bold</b>", r"\<b>bold\</b>"),
        ("*a* [b](c) `d` ~e~", r"\*a\* \[b\](c) \`d\` \~e\~"),
        ("a\\|b", r"a\\\|b"),
        ("R&amp;D", r"R\&amp;D"),
        ("real_world", "real_world"),
        ("_real_", r"\_real\_"),
        ("two\nlines", "two lines"),
    ],
)
def test_names_are_escaped(name, written):
    settings = make_settings(methods=[name], pairs=[["amazon", name]])
    text = markdown_table(summarise(settings, []))
    titles, _, row = (line for line in text.splitlines() if line.startswith("|"))
    assert f"| amazon > {written} " in titles
    assert row.startswith(f"| {written} ")


def test_every_line_of_the_table_has_the_same_columns():
    settings = surf_settings(methods=["a|b", "dan"])
    lines = table_of(markdown_table(summarise(settings, [])))
    assert {len(line) for line in lines} == {1 + 12 + 2}
    assert set("".join(lines[1])) == {"-", ":"}


def test_office31_has_the_published_means_with_where_they_stand():
    rows_ = published_rows(make_settings(dataset="office31"))
    means = {(row["name"], row["epoch_by_target_labels"]): row["mean"] for row in rows_}
    assert len(means) == len(rows_) == 15
    assert means["DAN", False] == 80.4
    assert means["DAN", True] == 83.7
    assert all("ResNet-50" in row["where"] and row["pairs"] == {} for row in rows_)
    for row in rows_:
        assert ("epoch chosen on target labels" in row["where"]) is row["epoch_by_target_labels"]


def test_published_methods_have_the_names_of_the_table():
    titles = {method.title for method in METHODS.values()}
    names = {row["name"] for row in published_rows(make_settings(dataset="office31"))}
    # TLlib's CDAN does not weigh by entropy.
    assert names - titles == {"CDAN"}


def office31_settings(**changes):
    domains = ["amazon", "dslr", "webcam"]
    pairs = [list(pair) for pair in itertools.permutations(domains, 2)]
    return make_settings(**{"dataset": "office31", "domains": domains, "pairs": pairs} | changes)


def test_a_published_mean_stands_in_the_column_of_its_kind():
    # Neither the order of the pairs nor the case of a name changes what a mean is over.
    pairs = [[source.title(), target] for source, target in office31_settings()["pairs"]]
    settings = office31_settings(pairs=pairs[::-1])
    text = markdown_table(summarise(settings, CELLS))
    lines = {line[0]: line[1:] for line in table_of(text)}
    original = "published: DANN (original paper, ResNet-50, mean of 6 pairs)"
    tllib = "published: DANN (TLlib, epoch chosen on target labels, ResNet-50, mean of 6 pairs)"
    assert lines[original] == [*"------", "82.2", "-"]
    assert lines[tllib] == [*"------", "-", "86.1"]
    assert list(lines)[2:4] == ["source only", "DAN"]
    assert "Published accuracies are as their source states them" in text
    assert "not the pairs of this run" not in text


def test_a_published_mean_over_other_pairs_has_a_table_of_its_own():
    settings = office31_settings(pairs=[["amazon", "webcam"], ["webcam", "amazon"]])
    summary = summarise(settings, CELLS)
    assert [row.name for row in rows(summary)] == ["source only", "DAN"]
    measured, _, heading, others = markdown_table(summary).strip().split("\n\n")
    assert "published:" not in measured
    assert heading == (
        "Published means over all 6 pairs of amazon, dslr, webcam, which are not the pairs of "
        "this run:"
    )
    titles, _, *lines = table_of(others)
    assert titles == ["method", "mean", LAST_COLUMN]
    assert len(lines) == 15
    where = "original paper, ResNet-50, mean of 6 pairs"
    assert [f"published: DANN ({where})", "82.2", "-"] in lines
    where = "TLlib, epoch chosen on target labels, ResNet-50, mean of 6 pairs"
    assert [f"published: DANN ({where})", "-", "86.1"] in lines


def test_a_part_of_surf_has_the_published_pairs_without_their_mean():
    settings = surf_settings(pairs=[["amazon", "webcam"], ["dslr", "webcam"]])
    summary = summarise(settings, [])
    jda = next(row for row in rows(summary) if row.name == "JDA")
    assert [entry.text for entry in jda.entries] == ["38.0", "89.2", "-", "-"]
    ((pairs, others),) = means_over_other_pairs(summary).items()
    assert pairs == "all 12 pairs of amazon, caltech10, dslr, webcam"
    assert [entry.text for entry in others[3].entries] == ["46.8", "-"]


def test_the_summary_says_over_which_pairs_a_published_mean_is():
    for settings, same in ((surf_settings(), True), (surf_settings(pairs=[["a", "b"]]), False)):
        row = summarise(settings, [])["published"][0]
        assert row["mean"] == 31.4
        assert row["mean_is_over_pairs_of_run"] is same
        assert {(pair["source"], pair["target"]) for pair in row["mean_over"]} == set(
            itertools.permutations(FOUR_DOMAINS, 2)
        )


def test_pairs_that_are_not_all_of_their_domains_are_listed():
    summary = summarise(surf_settings(pairs=[["amazon", "dslr"]]), [])
    for row in summary["published"]:
        row["mean_over"] = [
            {"source": "dslr", "target": "webcam"},
            {"source": "amazon", "target": "_w"},
        ]
    assert "over dslr > webcam, amazon > \\_w, which are not" in markdown_table(summary)


def test_surf_has_the_published_pairs_in_the_order_of_the_run():
    summary = summarise(surf_settings(), [])
    lines = {line[0].split(" (")[0]: line for line in table_of(markdown_table(summary))}
    place = header(summary).index
    assert lines["published: 1-NN"][place("caltech10 > amazon")] == "23.7"
    assert lines["published: GFK"][place("amazon > webcam")] == "37.0"
    assert lines["published: TCA"][place("webcam > dslr")] == "91.1"
    assert lines["published: CORAL"][place("dslr > webcam")] == "84.7"
    assert lines["published: JDA"][-2:] == ["46.8", "-"]


def test_published_pairs_average_to_the_published_mean():
    rows_ = published_rows(surf_settings())
    assert [row["name"] for row in rows_] == ["1-NN", "GFK", "TCA", "JDA", "CORAL"]
    for row in rows_:
        assert len(row["pairs"]) == 12
        assert sum(row["pairs"].values()) / 12 == pytest.approx(row["mean"], abs=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        make_settings(),
        make_settings(dataset="office_home"),
        surf_settings(n_columns=1280),
        surf_settings(domains=FOUR_DOMAINS[:3]),
        surf_settings(dataset="folder"),
    ],
)
def test_nothing_is_published_on_other_data(settings):
    assert published_rows(settings) == []
    assert "published:" not in markdown_table(summarise(settings, []))


def test_the_csv_table_holds_nothing_that_a_spreadsheet_runs():
    summary = summarise(make_settings(pairs=[["=1+1", "@x"]], methods=["-dan"]), [])
    (row,) = csv.DictReader(io.StringIO(csv_table(summary)))
    assert row["source"] == "'=1+1"
    assert row["target"] == "'@x"
    assert row["method"] == "'-dan"


def test_the_csv_table_reads_back():
    settings = make_settings(methods=["source", 'd,"an'])
    cells = [cell | {"method": cell["method"].replace("dan", 'd,"an')} for cell in CELLS[:-3]]
    read = list(csv.DictReader(io.StringIO(csv_table(summarise(settings, cells)))))
    assert list(read[0]) == [
        "source",
        "target",
        "method",
        "seeds",
        "accuracy_mean",
        "accuracy_std",
        "best_accuracy_by_target_labels_mean",
        "estimated_accuracy_mean",
        "seeds_chosen_without_target_labels",
    ]
    assert len(read) == 4
    assert float(read[0]["accuracy_mean"]) == 62.0
    assert float(read[0]["accuracy_std"]) == pytest.approx(8**0.5, abs=1e-6)
    assert float(read[0]["best_accuracy_by_target_labels_mean"]) == 64.0
    part, none = read[2:]
    assert (part["method"], part["seeds"], part["accuracy_std"]) == ('d,"an', "1", "")
    assert (none["seeds"], none["accuracy_mean"]) == ("0", "")


def test_the_summary_is_plain():
    for settings in (surf_settings(), make_settings(dataset="office31")):
        summary = summarise(settings, CELLS)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
        assert summary["published"]
