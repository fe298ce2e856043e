"""The table of forgetting against sums by hand."""

import numpy as np
import pytest

from domadapt.inductive import ForgettingTable

R = [[0.9, np.nan, np.nan], [0.95, 0.8, np.nan], [0.6, 0.5, 0.7]]


def test_means_are_those_of_the_papers():
    table = ForgettingTable("abc", R)
    assert table.average_accuracy == pytest.approx((0.6 + 0.5 + 0.7) / 3)
    assert table.backward_transfer == pytest.approx(((0.6 - 0.9) + (0.5 - 0.8)) / 2)
    assert table.forgetting == pytest.approx({"a": 0.95 - 0.6, "b": 0.8 - 0.5})
    assert "backward transfer -0.300" in str(table)


def test_tasks_without_held_out_samples_do_not_count():
    table = ForgettingTable(["a", "b"], [[np.nan, np.nan], [np.nan, 0.8]])
    assert table.average_accuracy == 0.8
    assert np.isnan(table.backward_transfer)
    assert np.isnan(table.forgetting["a"])
    alone = ForgettingTable(["a"], [[0.5]])
    assert np.isnan(alone.backward_transfer)
    assert alone.forgetting == {}


@pytest.mark.parametrize("accuracies", [[[0.5]], [0.5, 0.4], [[0.5, 0.4]]])
def test_a_table_of_another_shape_is_refused(accuracies):
    with pytest.raises(ValueError, match="One row and one column"):
        ForgettingTable(["a", "b"], accuracies)
