"""Several fits at once: those whose trainings can go together run their epochs as one."""

import contextlib

from domadapt.nn.stacking import UnstackableError
from domadapt.training.stacked import TrainersTogether, kind_of, reason_against
from domadapt.training.trainer import Trainer


def run_together(fittings, tell=None, *, strict=False):
    """Run fits to their ends, each as :func:`~domadapt.training.trainer.run_all` would.

    Parameters
    ----------
    fittings : list of generator
        Each yields None when it is prepared, then its trainer for every epoch to be run.
    tell : callable or None, default=None
        Called with a line for each fit that is run by itself, which says why.
    strict : bool, default=False
        Whether an error before the first epoch, such as one of bad parameters, is raised at
        once, with nothing trained.

    Returns
    -------
    errors : list of Exception or None
        What ended each fit before its end. The others go on.
    """
    return _Fits(fittings, tell).run(strict)


class WholeFit:
    """A fit without epochs, in the place of a trainer."""

    n_steps = 0

    def __init__(self, fit):
        self.run_epoch = fit


class _Fits:
    """Fits on their way, by their numbers."""

    def __init__(self, fittings, tell):
        self.fittings, self.tell = fittings, tell
        self.errors: list[Exception | None] = [None] * len(fittings)
        # What each waits with for an epoch, and what says with which it may go together.
        self.waiting: dict[int, Trainer] = {}
        self.kinds: dict[int, str | None] = {}
        self.together: list[TrainersTogether] = []

    def run(self, strict):
        try:
            for _ in ("prepare", "begin"):
                for number in range(len(self.fittings)):
                    if self.errors[number] is None:
                        self._go_on(number)
                    error = self.errors[number]
                    if strict and error is not None:
                        raise error
            while self.waiting:
                self._run_epochs()
        except BaseException as error:
            # An interrupt, for one: each fit ends as it would by itself.
            self._end_all(error)
            raise
        return self.errors

    def _go_on(self, number, error=None):
        """Let a fit go on to its next epoch, or see what ended this one."""
        before, fitting = self.waiting.pop(number, None), self.fittings[number]
        try:
            trainer = next(fitting) if error is None else fitting.throw(error)
        except StopIteration:
            return
        except Exception as raised:
            self.errors[number] = raised
            return
        if trainer is None:
            # It has only been prepared.
            return
        self.waiting[number] = trainer
        if trainer is not before:
            self.kinds[number] = self._kind_of(number, trainer)

    def _kind_of(self, number, trainer):
        """Return what says with which others a fit may go together; None where it cannot."""
        reason = reason_against(trainer)
        if reason is None:
            for other in self.waiting.values():
                if other is not trainer and reason_against(other) is None:
                    trainer.batches.share_with(other.batches)
                    break
            return kind_of(trainer)
        self._tell(number, reason)
        return None

    def _tell(self, number, reason):
        if self.tell is not None:
            self.tell(f"estimators[{number}] is fitted by itself: {reason}.")

    def _run_epochs(self):
        """Run an epoch of every fit that waits for one."""
        kinds: dict[tuple, list[int]] = {}
        for number, trainer in self.waiting.items():
            kind = self.kinds[number]
            alone = number if kind is None else None
            kinds.setdefault((kind, trainer.n_steps, alone), []).append(number)
        for numbers in kinds.values():
            self._run_epoch(numbers)

    def _run_epoch(self, numbers):
        ran = self._join(numbers) if len(numbers) > 1 else None
        if ran is None:
            for number in numbers:
                self._run_alone(number)
            return
        places = {id(self.waiting[number]): number for number in numbers}
        try:
            ends = ran.run_epoch()
        except Exception as error:
            # In the middle of a step that all of them share: none can go on from here.
            self._part(ran)
            for number in numbers:
                self._go_on(number, error)
            return
        for trainer, *ended in ends:
            number = places[id(trainer)]
            try:
                trainer.end_epoch(*ended)
            except Exception as error:
                self._go_on(number, error)
            else:
                self._go_on(number)
        if any(self.waiting.get(places[id(t)]) is not t for t in ran.trainers):
            self._part(ran)

    def _join(self, numbers):
        """Return what runs the epochs of these fits as one; None where nothing can."""
        trainers = [self.waiting[number] for number in numbers]
        for found in self.together:
            if set(map(id, found.trainers)) == set(map(id, trainers)):
                return found
        try:
            self.together.append(TrainersTogether(trainers))
        except UnstackableError as error:
            for number in numbers:
                self.kinds[number] = None
                self._tell(number, str(error))
            return None
        return self.together[-1]

    def _part(self, together):
        self.together.remove(together)
        together.release()

    def _run_alone(self, number):
        try:
            self.waiting[number].run_epoch()
        except Exception as error:
            self._go_on(number, error)
        else:
            self._go_on(number)

    def _end_all(self, error):
        for together in list(self.together):
            self._part(together)
        for fitting in self.fittings:
            # Each lets go of what it holds, and raises the error again; some are at their end.
            with contextlib.suppress(BaseException):
                fitting.throw(error)
