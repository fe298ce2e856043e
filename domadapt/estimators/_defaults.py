"""Other parameters and defaults for an estimator that inherits its constructor."""

import functools
import inspect
import re


def with_defaults(**defaults):
    """Give a class its own defaults for parameters that it inherits.

    The constructor's signature and the ``default=`` notes in the docstring follow, so
    that scikit-learn, ``help`` and the printed estimator all show them.

    Parameters
    ----------
    **defaults : object
        Parameters of the inherited constructor, and their values.

    Returns
    -------
    decorate : callable
        Takes the class and returns it.
    """

    def decorate(estimator):
        inherited = estimator.__init__
        signature = inspect.signature(inherited)
        unknown = set(defaults) - set(signature.parameters)
        if unknown:
            raise TypeError(f"{estimator.__name__} has no parameters {sorted(unknown)}.")

        @functools.wraps(inherited)
        def init(self, **parameters):
            inherited(self, **{**defaults, **parameters})

        parameters = signature.parameters.values()
        renewed = [p.replace(default=defaults.get(p.name, p.default)) for p in parameters]
        vars(init)["__signature__"] = signature.replace(parameters=renewed)
        estimator.__init__ = init
        renew_notes(estimator, defaults)
        return estimator

    return decorate


def renew_notes(estimator, defaults):
    """Write other defaults into the ``default=`` notes of a class's docstring.

    Parameters
    ----------
    estimator : type
        Its docstring is changed.
    defaults : dict of str to object
        Parameters and their values.
    """
    for name, value in defaults.items():
        note = rf"(\n    {name} : .*?default=)\S+(?=\n)"
        estimator.__doc__ = re.sub(note, rf"\g<1>{value!r}", estimator.__doc__)


def with_parameters(**added):
    """Give a class parameters beside those that it inherits.

    Parameters
    ----------
    **added : object
        Names and defaults of the new parameters, to be given by keyword.

    Returns
    -------
    decorate : callable
        Takes the class and returns it.
    """

    def decorate(estimator):
        inherited = estimator.__init__
        signature = inspect.signature(inherited)

        @functools.wraps(inherited)
        def init(self, **parameters):
            for name, default in added.items():
                setattr(self, name, parameters.pop(name, default))
            inherited(self, **parameters)

        new = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in added.items()
        ]
        vars(init)["__signature__"] = signature.replace(
            parameters=[*signature.parameters.values(), *new]
        )
        estimator.__init__ = init
        return estimator

    return decorate
