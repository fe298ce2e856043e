"""What the displays share: matplotlib, which is imported when something is drawn, and axes."""


def check_matplotlib(name, ax=None):
    """Check that matplotlib is installed, which ``name`` draws with, and that axes are some.

    Raises
    ------
    ImportError
        If it is not.
    TypeError, ValueError
        If ``ax`` is neither None nor axes of a figure.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{name} needs matplotlib: pip install ".[plot]" in a clone of domadapt, or '
            "pip install matplotlib."
        ) from error
    if ax is None:
        return
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax is a {type(ax).__name__}. One matplotlib Axes was expected, such as one of those "
            "of plt.subplots(), or None for new ones."
        )
    if ax.figure is None:
        raise ValueError("ax was removed from its figure. Pass others, or None for new ones.")


def axes_for(name, ax):
    """Return the axes to draw on, those of a new figure where ``ax`` is None."""
    check_matplotlib(name, ax)
    if ax is None:
        from matplotlib import pyplot as plt

        return plt.subplots(layout="constrained")[1]
    return ax


def check_choice(parameter, value, choices):
    """Check that a parameter is one of the names that it may be."""
    if value not in choices:
        raise ValueError(
            f"{parameter}={value!r} is none of {', '.join(map(repr, choices))}. Pass one of these."
        )
    return value
