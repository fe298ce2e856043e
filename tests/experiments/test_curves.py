"""The curves of a report against the histories of its cells."""

import re

import pytest
from run_folders import change_cells, make_run, page_of

PAIR = [["amazon", "dslr"]]


def run_with(folder, change, methods=("source", "dan")):
    run = make_run(folder, pairs=PAIR, methods=list(methods), seeds=2)
    change_cells(run, change)
    return run


def table_of_values(run):
    """Return the rows of the table below the curves."""
    text = (run / "report.html").read_text()
    table = text[text.index("Values after the last epoch") :].split("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in lines]


def lines_of(run, title):
    """Return the corners of each line in the drawing with a title."""
    text = (run / "report.html").read_text()
    drawing = text[text.index(f'aria-label="{title}') :].split("</svg>")[0]
    found = []
    # Only curves are 1.5 points wide.
    for path in re.findall(r'<path d="([^"]*)"[^>]*stroke-width: 1\.5', drawing):
        found.append([tuple(map(float, xy)) for xy in re.findall(r"[ML] (\S+) (\S+)", path)])
    return found


def test_the_alignment_loss_stands_beside_accuracy_and_task_loss(tmp_path):
    run = make_run(tmp_path / "run", pairs=PAIR)
    page = page_of(run)
    accuracy, task, alignment = page.drawings()
    assert accuracy.startswith("Target accuracy by epoch, amazon > dslr.")
    assert task == (
        "Task loss by epoch, amazon > dslr. After the last epoch: source only 1, DAN 1, magic 1."
    )
    # Source only has none: it is 0 throughout.
    assert alignment == (
        "Alignment loss by epoch, amazon > dslr. After the last epoch: DAN 0.6, magic 0.6."
    )
    assert len(lines_of(run, "Task loss")) == 3
    assert len(lines_of(run, "Alignment loss")) == 2
    assert "target accuracy, %" in page.text
    assert "alignment loss, largest = ±1" in page.text


def test_the_values_of_the_last_epoch_stand_below_the_curves(tmp_path):
    run = make_run(tmp_path / "run", pairs=PAIR)
    page_of(run)
    assert table_of_values(run) == [
        ["method", "target accuracy", "task loss", "alignment loss"],
        ["source only", "60.5 %", "1", "-"],
        ["DAN", "60.5 %", "1", "0.6"],
        ["magic", "60.5 %", "1", "0.6"],
    ]


def two_stages(details):
    """Let a cell be of a method that learns for three epochs and aligns in the next three."""
    if details["method"] == "source":
        return details
    return details | {
        "history": {"task_loss": [2.0, 1.0, 0.5], "alignment_loss": [0.0] * 3},
        "adaptation_history": {"task_loss": [0.0] * 3, "alignment_loss": [8.0, 4.0, 2.0]},
        "target_accuracy": [40.0, 50.0, 60.0, 61.0, 62.0, 63.0],
    }


def test_a_second_stage_has_its_alignment_loss_in_its_own_epochs(tmp_path):
    run = run_with(tmp_path / "run", two_stages)
    page = page_of(run)
    assert table_of_values(run)[2] == ["DAN", "63.0 %", "0.5", "2"]
    assert "stage of its own" in page.text
    ((first, _, last),) = lines_of(run, "Alignment loss")
    accuracy = max(lines_of(run, "Target accuracy"), key=len)
    assert len(accuracy) == 6
    # From the fourth of six epochs to the sixth, in drawings of the same size.
    share = (last[0] - first[0]) / (accuracy[5][0] - accuracy[3][0])
    assert share == pytest.approx(1, abs=0.05)
    assert first[0] > max(x for line in lines_of(run, "Task loss") for x, _ in line)


def test_each_alignment_loss_is_drawn_on_its_own_scale(tmp_path):
    def scaled(details):
        factor = 1000.0 if details["method"] == "jan" else 1.0
        return details | {
            "history": {"task_loss": [1.0, 1.0], "alignment_loss": [-2 * factor, factor]}
        }

    run = run_with(tmp_path / "run", scaled, methods=("dan", "jan"))
    page_of(run)
    dan, jan = lines_of(run, "Alignment loss")
    assert dan == jan
    assert [row[3] for row in table_of_values(run)[1:]] == ["1", "1e+03"]


def test_a_run_of_source_only_has_no_alignment_loss(tmp_path):
    run = run_with(tmp_path / "run", lambda details: details, methods=("source",))
    page = page_of(run)
    assert [alt.split(" by")[0] for alt in page.drawings()] == ["Target accuracy", "Task loss"]


def test_older_files_without_an_alignment_loss_have_the_other_curves(tmp_path):
    def older(details):
        return details | {"history": {"task_loss": [1.0, 0.5]}}

    page = page_of(run_with(tmp_path / "run", older))
    assert len(page.drawings()) == 2


def test_seeds_are_averaged_as_far_as_all_have_come(tmp_path):
    def shorter(details):
        n = 3 - details["seed"]
        history = {name: values[:n] for name, values in details["history"].items()}
        return details | {"history": history, "target_accuracy": details["target_accuracy"][:n]}

    run = run_with(tmp_path / "run", shorter)
    page_of(run)
    assert table_of_values(run)[2] == ["DAN", "50.0 %", "1", "-0.4"]
