"""EM: the class proportions under which the target's samples are most likely."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from domadapt.domains.arrays import check_probabilities
from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow.label_shift._proportions import Proportions

__all__ = ["EMProportions"]


@estimator
class EMProportions(Proportions):
    r"""Class proportions of the target by expectation maximisation.

    With :math:`p(y|x)` the calibrated probabilities of the classifier and :math:`\pi_s` the
    proportions of the source, the proportions of the target start there and are replaced by
    :math:`\pi_t(y) \leftarrow \frac{1}{n_t} \sum_j q_j(y)`,
    :math:`q_j(y) \propto p(y|x_j) \pi_t(y) / \pi_s(y)`, until their likelihood is the largest.
    Predictions are then :math:`p(y|x) \pi_t(y) / \pi_s(y)`, normalised. Where features given
    the class are the same in both domains, that is the best prediction for the target.

    The classifier is calibrated on source samples held out by cross-validation. Trees, whose
    probabilities are too extreme, need that.

    Cost: ``cv + 1`` fits of the classifier, and n_target C for each iteration with C classes.

    It harms where features moved too: samples between the classes are then taken for proof
    of other proportions. A warning tells which part of the target no proportions explain.
    Labels of target samples that are known are counted, and not trained on.

    Parameters
    ----------
    max_iter : int, default=1000
        Most iterations.
    tol : float, default=1e-6
        Iterations end when the mean log-likelihood can grow by no more than this.
    calibration : {"bias_corrected", "temperature"} or None, default="bias_corrected"
        How held-out samples calibrate probabilities: by a temperature and a bias for each
        class, by a temperature alone, or not at all.
    cv : int, default=5
        Folds of the source, at most as many as its rarest class has samples.
    significance : float, default=0.01
        Proportions stay those of the source where ``p_value_`` is larger: what few samples
        tell of them would harm more than it helps. With 1 they never do for that.
    only_explained : bool, default=True
        Whether proportions also stay those of the source where ``unexplained_`` is larger than
        chance makes it, because samples moved too. There is a warning in either case.

    Attributes
    ----------
    class_proportions_ : ndarray of shape (n_classes,), float64
        Proportions of the classes in the target, in the order of the classes, by which
        predictions are corrected: those estimated, or those of the source.
    estimated_proportions_ : ndarray of shape (n_classes,), float64
        What was estimated, whether it is made use of or not.
    source_proportions_ : ndarray of shape (n_classes,), float64
        Proportions in the source, weighted by ``sample_weight``.
    temperature_ : float
        What logits are divided by.
    p_value_ : float
        How probable it is that mean probabilities differ as much as those of held-out source
        and target samples do, if proportions did not move.
    unexplained_ : float
        At least this part of the target is predicted as no mixture of the source's classes
        is: the largest difference of the distribution functions of a class's predicted
        probability, or of the largest probability, between the target and the source in the
        estimated proportions.
    n_iter_ : int
        Iterations made.

    See Also
    --------
    BBSEProportions : From the confusion matrix, without calibrated probabilities.

    References
    ----------
    Saerens, Latinne, Decaestecker (2002). "Adjusting the outputs of a classifier to new a
    priori probabilities: a simple procedure". Neural Computation 14.

    Alexandari, Kundaje, Shrikumar (2020). "Maximum likelihood with bias-corrected calibration
    is hard-to-beat at label shift adaptation". ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from domadapt.shallow import AdaptedClassifier, EMProportions
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(1000) % 2, (np.arange(1000) % 10 > 0).astype(int)
    >>> Xs, Xt = (rng.normal(size=(1000, 1)) + 2 * y[:, None] for y in (ys, yt))
    >>> clf = AdaptedClassifier(LogisticRegression(), EMProportions()).fit(Xs, ys, X_target=Xt)
    >>> bool(abs(clf.adapter_.class_proportions_ - [0.1, 0.9]).max() < 0.05)
    True
    """

    max_iter: int = 1000
    tol: float = 1e-6

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Proportions._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def estimate(self, target_probabilities: Any, source_proportions: Any) -> np.ndarray:
        """Return the class proportions of the target from predicted probabilities.

        Parameters
        ----------
        target_probabilities : array-like of shape (n_target, n_classes)
            Calibrated probabilities of target samples by a classifier for the source.
        source_proportions : array-like of shape (n_classes,)
            Proportions of the classes in what the classifier was trained on, above 0.

        Returns
        -------
        proportions : ndarray of shape (n_classes,), float64
            With sum 1.

        Raises
        ------
        ValueError
            If these are no probabilities, or the proportions are not above 0.
        """
        self._validate_params()
        source = np.asarray(source_proportions, dtype=np.float64)
        if source.ndim != 1 or not (source > 0).all() or not np.isfinite(source).all():
            raise ValueError(
                f"source_proportions is {source.tolist()}, and one number above 0 for each class "
                "was expected: leave out classes that the source does not have."
            )
        target = check_probabilities("target_probabilities", target_probabilities, len(source))
        return self._maximise(target, source / source.sum())[0]

    def _estimate(self, target_probabilities, held_out):
        found, self.n_iter_ = self._maximise(target_probabilities, held_out.proportions)
        return found

    def _maximise(self, target, source):
        """Return the proportions of the largest likelihood, and the iterations made."""
        likelihood = target / source
        # What matters in a row is how its entries compare.
        likelihood /= likelihood.max(axis=1, keepdims=True)
        found = source.copy()
        for iteration in range(1, self.max_iter + 1):
            factor = likelihood.T @ (1 / (likelihood @ found)) / len(target)
            found = found * factor
            found /= found.sum()
            # The likelihood is concave, so that its derivatives bound what is left to gain.
            gap = np.log(factor.max())
            if gap <= self.tol:
                return found, iteration
        warn(
            f"EMProportions made max_iter={self.max_iter} iterations, and the mean log-likelihood "
            f"may still grow by {gap:.2g}, more than tol={self.tol:g}. Raise max_iter or tol.",
            ConvergenceWarning,
        )
        return found, self.max_iter
