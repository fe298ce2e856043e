"""Comma-separated values that no spreadsheet runs."""

import csv
import io

import numpy as np
import pytest

from domadapt._storage.text import check_name, csv_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "=", "-1-1", "--1"]
)
def test_text_that_would_be_run_begins_with_an_apostrophe(text):
    written = csv_text([["a", text], [np.str_(text), 1]])
    (first, second) = csv.reader(io.StringIO(written, newline=""))
    assert first == ["a", f"'{text}"]
    assert second == [f"'{text}", "1"]


@pytest.mark.parametrize("value", ["-1.5", "+2", "-1e-9", -3, -2.5, "a=1", "", "-inf", "'=1"])
def test_numbers_and_other_text_stay(value):
    ((read,),) = csv.reader(io.StringIO(csv_text([[value]]))) if value != "" else ((value,),)
    assert read == str(value)


def test_names_that_cannot_be_written_are_refused():
    check_name("grün")
    with pytest.raises(ValueError, match=r"The path 'a\\udcff' is not UTF-8.*rename it"):
        check_name("a\udcff", "The path")
