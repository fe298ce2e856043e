"""Tables of results in Markdown."""


def markdown(head, rows):
    """Write a table.

    Parameters
    ----------
    head : list of str
        Titles of the columns.
    rows : iterable of list of str
        Their cells.

    Returns
    -------
    table : str
        Markdown.
    """
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
