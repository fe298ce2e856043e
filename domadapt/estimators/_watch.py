"""The epochs of a fit as tasks that scikit-learn's callbacks watch and may end."""

import contextlib
import copy


class Watch:
    """Tells callbacks of the epochs of a fit.

    Parameters
    ----------
    fit_task : sklearn.callback.CallbackContext or None, default=None
        The fit as a task; None tells nobody.
    seen : dict of str to object or None, default=None
        What a callback sees of it.

    Attributes
    ----------
    ended : bool
        Whether a callback has asked for the end.
    """

    def __init__(self, fit_task=None, seen=None):
        self.fit_task, self.seen, self.ended = fit_task, seen, False

    @contextlib.contextmanager
    def epoch(self):
        """Watch one epoch.

        Yields
        ------
        None
            Train inside.
        """
        if self.fit_task is None:
            yield
            return
        task = self.fit_task.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.seen)
        yield
        self.ended = bool(task.call_on_fit_task_end(**self.seen))


@contextlib.contextmanager
def watched(estimator, domains, n_epochs):
    """Let the callbacks of an estimator watch its fit.

    Parameters
    ----------
    estimator : BaseDeepEstimator
        It has its ``module_`` already.
    domains : Domains
        A callback sees the source: its labels are the ones that may be read.
    n_epochs : int
        How many epochs there are at most.

    Yields
    ------
    watch : Watch
        For the epochs.
    """
    seen = {
        "estimator": estimator,
        "X": lambda: domains.source.take(slice(None)),
        "y": domains.y,
        "reconstruction_attributes": lambda: {"module_": copy.deepcopy(estimator.module_)},
    }
    fit_task = estimator._init_callback_context(max_subtasks=n_epochs)
    fit_task.call_on_fit_task_begin(**seen)
    yield Watch(fit_task, seen)
    fit_task.call_on_fit_task_end(**seen)
