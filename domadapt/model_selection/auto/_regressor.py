"""The automatic choice among regressors."""

from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import r2_score

from domadapt.domains.base import estimator
from domadapt.domains.scores import RegressorScore
from domadapt.model_selection.auto._estimators import BaseAutoAdapt
from domadapt.model_selection.auto._leaderboard import make_leaderboard
from domadapt.model_selection.auto._values import MOVED, displacement, mix_values


@estimator
class AutoAdaptRegressor(RegressorScore, BaseAutoAdapt):
    """Chooses among plain and adapted regressors without target values.

    Ridge regression, trees and a network of the source are trained beside adapted ones. The
    plain ones stand, those averaged that explain held-back source samples about as well as the
    best, unless columns of the target moved apart from each other, as other instruments or
    units make them: then those are averaged that do not depend on what columns are shifted by.

    Cost: the fits of all candidates.

    Parameters
    ----------
    candidates : list, default=None
        What is tried beside the plain models, as in
        :class:`~domadapt.AutoAdaptClassifier`. A regressor of your own is averaged where it
        is plain; adapted ones are on the leaderboard.
    time_budget : float, default=None
        Seconds after which no further candidate begins; plain ones come first.
    refit : bool, default=True
        Keep the models, so that other samples can be predicted. With False there are
        ``leaderboard_`` and ``transduction_`` alone.
    checkpoint : str or path, default=None
        A folder with a file for each candidate that was fitted. A search that was stopped
        resumes from it, with the same data and integer ``random_state``.
    n_jobs : int, default=None
        Candidates that are fitted at the same time, in processes of joblib, or on the workers
        of the backend of ``joblib.parallel_config``.
    random_state : int, RandomState instance or None, default=None
        Seeds the candidates and what is held back.
    verbose : bool, default=False
        Print a line for each candidate.

    Attributes
    ----------
    transduction_ : ndarray of shape (n_target,) or (n_target, n_outputs)
        What is predicted for the target samples given to ``fit``, in their order.
    leaderboard_ : Leaderboard
        A dict of columns for all candidates, the heaviest first: weight, agreement with what
        was chosen (minus the mean difference in standard deviations), the share of
        implausible values, their spread, R^2 on held-back source samples, seconds, and what
        went wrong. No target value is in it.
    adapts_ : bool
        Whether adapted candidates take the place of the plain ones.
    displacement_ : float
        How far columns of the target moved apart from each other, squared, in units of how far
        samples of the source do.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    See Also
    --------
    domadapt.AutoAdaptClassifier : For classes, with an estimated accuracy.

    Notes
    -----
    That a relation changed which columns of the source have to what is predicted cannot be
    seen without values of the target: prices that fell over the years are an example. There
    scaling each domain by itself may help, and nothing tells so.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import AutoAdaptRegressor
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(150, 3)), rng.normal(size=(150, 3))
    >>> ys, yt = Xs @ [1, 2, 3], Xt @ [1, 2, 3]
    >>> auto = AutoAdaptRegressor(["coral+ridge"], random_state=0).fit(Xs, ys, X_target=Xt)
    >>> bool(auto.score(Xt, yt) > 0.9), auto.adapts_
    (True, False)
    """

    _learns: ClassVar[Any] = "values"

    def _check_domains(self, domains):
        super()._check_domains(domains)
        if domains.known is not None:
            raise ValueError(
                f"y_target has {len(domains.known)} known values, and {type(self).__name__} makes "
                "no use of them. Leave it out, or fit one estimator that learns them, such as "
                "DANRegressor."
            )

    def _choose(self, trained, data, source, known, generator):
        fitted = [one for one in trained if one.problem is None]
        answers = np.array([one.answers for one in fitted])
        is_plain = np.array([one.candidate.is_plain for one in fitted])
        recentres = np.array([one.candidate.recentres for one in fitted])
        self.displacement_ = displacement(data.scaled, data.scaled_target, generator)
        held_back = [one.held_back for one in fitted]
        y_held_back = data.y[data.held_back]
        moved = self.displacement_ > MOVED
        mixture = mix_values(answers, is_plain, recentres, moved, held_back, y_held_back, data.y)
        self.adapts_ = not mixture.is_plain
        chosen = mixture.weights > 0
        # Of the members alone, so that they predict the same again to the bit.
        self.transduction_ = np.tensordot(mixture.weights[chosen], answers[chosen], axes=1)
        self._members = [one for one, takes_part in zip(fitted, chosen, strict=True) if takes_part]
        self._weights = mixture.weights[chosen]
        columns = {
            "agreement": mixture.agreement,
            "implausible": mixture.implausible,
            "spread": mixture.spread,
            "held_back_r2": [
                np.nan if held is None else r2_score(y_held_back, held) for held in held_back
            ],
        }
        self.leaderboard_ = make_leaderboard(trained, columns, mixture.weights)

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict values, treating samples as target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Not used: all samples are taken for target.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Their mean over the members, with weights.
        """
        answers, _ = self._answers(X)
        return np.tensordot(self._weights, answers, axes=1)

    def _paragraphs(self):
        board = self.leaderboard_
        heavy = [n for n, w in zip(board["candidate"], board["weight"], strict=True) if w > 0]
        told = (
            f"Columns of the target moved apart from each other by {self.displacement_:.1f} times "
            f"what samples of the source do, squared; {MOVED:g} and more speak for other "
            "instruments or units. "
        )
        if self.adapts_:
            told += "So those stand that do not depend on shifted columns: "
        else:
            told += "So plain models stand, those that explain the source best: "
        yield told + ", ".join(heavy) + "."
        lines = ["Why not the others:"]
        for row, name in enumerate(board["candidate"]):
            if board["problem"][row]:
                lines.append(f"  {name}: {board['problem'][row]}")
            elif board["weight"][row] == 0:
                lines.append(
                    f"  {name}: {-board['agreement'][row]:.2f} standard deviations from what was "
                    f"chosen, {board['implausible'][row]:.0%} of its values implausible"
                )
        yield "\n".join(lines)
        yield (
            "What speaks against the choice: a relation that changed cannot be seen without "
            "values of the target."
        )
