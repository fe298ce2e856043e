"""Other defaults for an estimator that inherits its parameters."""

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
        for name, value in defaults.items():
            note = rf"(\n    {name} : .*?default=)\S+(?=\n)"
            estimator.__doc__ = re.sub(note, rf"\g<1>{value!r}", estimator.__doc__)
        return estimator

    return decorate
