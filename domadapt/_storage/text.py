"""Text for other programs: csv that no spreadsheet runs, and names that can be written."""

import csv
import io

# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows):
    """Return rows as comma-separated values that a spreadsheet shows and does not run.

    Text that it would run as a formula gets an apostrophe in front of it; numbers stay.
    """
    return "".join(f"{_line(row)}\n" for row in rows)


def _line(row):
    text = io.StringIO(newline="")
    # Of the ends of lines inside of a text, only those of its own end are put into quotes.
    csv.writer(text, lineterminator="\r\n").writerow([_without_formula(value) for value in row])
    return text.getvalue().removesuffix("\r\n")


def _without_formula(value):
    if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_name(name, what="The name"):
    """Check that the name of a file or folder is text, and so can be written into others.

    Raises
    ------
    ValueError
        If it holds bytes that are not UTF-8.
    """
    try:
        str(name).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} {str(name)!r} is not UTF-8, so it cannot be written into results: rename it."
        ) from None
