"""The automatic choice among classifiers."""

from typing import Any, ClassVar

import numpy as np

from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.domains.scores import ClassifierScore
from domadapt.model_selection._harm import HarmWarning, classifier_checks
from domadapt.model_selection._smoothness import compare_roughness, far_away
from domadapt.model_selection._source_model import SourceBeliefs
from domadapt.model_selection.auto._accuracy import estimate_accuracy, mean_agreement
from domadapt.model_selection.auto._estimators import BaseAutoAdapt
from domadapt.model_selection.auto._few_labels import (
    MIXTURE,
    N_RATED,
    VOTE,
    choose_by_known,
    shrunk_accuracy,
)
from domadapt.model_selection.auto._label_shift import find_moved_proportions
from domadapt.model_selection.auto._leaderboard import (
    LEAST_WEIGHT,
    make_leaderboard,
    reasons,
)
from domadapt.model_selection.auto._rule import (
    ROUGH,
    anchor_exponent,
    mix,
    smoothed,
    vote_weights,
)
from domadapt.model_selection.scores import information_maximization_score

# From this share on it is told that target samples are far from the source.
FAR = 0.05


@estimator
class AutoAdaptClassifier(ClassifierScore, BaseAutoAdapt):
    """Chooses among plain and adapted classifiers without target labels, or mixes them.

    Plain models of the source (networks, a linear model, a support vector machine and trees)
    are trained beside adapted ones. The plain ones vote. Whether adapting can help is read off
    the target: if the vote is wrong in many places, its labels change between neighbouring
    samples more often than true labels do among like samples of the source. If they do not,
    the vote stands; where moved class proportions explain the target, corrected for these. If
    they do, those candidates are mixed that agree with a consensus, are sure, keep the classes
    and are smooth; and the mixture is multiplied with the vote, so that it moves a sample only
    where the plain models are not sure.

    Cost: the fits of all candidates, some ten times that of a default
    :class:`~domadapt.AlignmentClassifier`, and neighbours among at most 5000 samples.

    Parameters
    ----------
    candidates : list, default=None
        What is tried beside the plain models, which always take part: names of methods such
        as ``"mcc"``, of adapters such as ``"meda+lr"``; classifiers, of any library that
        keeps scikit-learn's conventions; pairs (name, classifier); and pairs (name or
        classifier, grid) for all combinations of parameters. Those by name see
        standardised columns, others the columns as they came. None takes eleven adapted
        candidates: a map, transport, a subspace, weights, and networks with and without
        batch normalisation.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    transduction_ : ndarray of shape (n_target,)
        What is predicted for the target samples given to ``fit``, in their order.
    leaderboard_ : Leaderboard
        A dict of columns for all candidates, the heaviest first: weight, rating, agreement
        with the consensus and with the plain vote, how sure and how rough it is, harm that
        was noticed, seconds, and what went wrong. No target label is in it, but for the column
        ``known_accuracy`` where ``fit`` was given ``y_target``.
    estimated_accuracy_ : float
        Estimate of the share of target samples that are right.
    accuracy_interval_ : tuple of two floats
        It held on nine of ten pairs of domains of other data sets. With ``y_target`` it is that
        of the mean of both estimates.
    adapts_ : bool
        Whether adapted candidates take part.
    roughness_ : tuple of two floats
        How often labels of the plain vote differ between neighbours of the target, and how
        often true labels do among like samples of the source.
    far_away_ : float
        Share of target samples that are farther from the source than 99 % of its own samples:
        they may be of classes that the source lacks.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    Warns
    -----
    HarmWarning
        If something speaks against what was chosen.

    See Also
    --------
    domadapt.diagnose : Tells how domains differ, without training.
    domadapt.model_selection.adaptation_report : Checks a fitted model for harm.

    Notes
    -----
    With :math:`\\bar p` the weighted mean of the candidates' probabilities, :math:`q` the vote
    of the plain models, calibrated on held-back source samples and smoothed over neighbours,
    and C classes, the probabilities are proportional to :math:`\\bar p\\,q^{b / \\log_2 C}`. b
    falls from 4 to 1/2 as labels of the vote are rougher; below a limit they are :math:`q`.

    With ``y_target`` the candidates are fitted as without, and one more, MCC, learns the known
    labels; on these it is judged by three-fold cross-validation. The mixture gives way to the
    plain vote or to a candidate of weight or among the five rated best, if that predicts more
    of the known labels by more than one standard error of the difference. The accuracy on the
    n known labels and the estimate without labels are then averaged with weights 1 / variance,
    p (1 - p) / n and that of the interval, which makes up for little of what choosing by the
    same labels adds. Fewer than ten known labels are not used, which a warning tells.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import AutoAdaptClassifier
    >>> Xs, ys = make_blobs(150, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(150, centers=[[0, 1], [6, 1]], random_state=1)
    >>> auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    >>> bool(auto.score(Xt, yt) > 0.9), auto.transduction_.shape
    (True, (150,))
    """

    _learns: ClassVar[Any] = "classes"

    def _choose(self, trained, data, source, known, generator):
        self.classes_ = classes = data.classes
        self._members = [one for one in trained if one.problem is None]
        fitted = [one for one in self._members if one.candidate.y_target is None]
        proba = np.array([one.answers for one in fitted])
        is_plain = np.array([one.candidate.is_plain for one in fitted])
        neighborhood = self._neighborhood
        rows, neighbors = neighborhood.rows, neighborhood.among_themselves()
        weights = vote_weights(proba[is_plain])
        held_out = np.array([one.held_back for one in fitted if one.candidate.is_plain])
        held_codes = np.searchsorted(classes, data.y[data.held_back])
        self._correction = find_moved_proportions(held_out, proba[is_plain], held_codes, weights)
        vote = self._corrected(np.tensordot(weights, proba[is_plain], axes=1))
        self._votes = vote[rows]
        anchor = smoothed(vote, self._votes[neighborhood.of(data.scaled_target)])
        source_codes = np.searchsorted(classes, data.y)[source.rows]
        self.roughness_ = compare_roughness(
            source, source_codes, neighborhood, vote[rows].argmax(axis=1), len(classes), generator
        )
        self.far_away_ = far_away(source, data.scaled_target)
        agreement = mean_agreement(proba[is_plain].argmax(axis=2))
        exponent = anchor_exponent(self.roughness_[0] - self.roughness_[1], agreement)
        if self._correction is not None:
            # Proportions explain the target, and adapting would pull them back.
            exponent = np.inf
        self._mixture = mix(proba[:, rows], is_plain, anchor[rows], exponent, neighbors, weights)
        mixed = self._mixture.combine(proba, vote if np.isinf(exponent) else anchor)
        self._chosen = MIXTURE
        self._right: dict[str, np.ndarray] = {}
        if known is not None:
            mixed = self._choose_by_known(known, mixed, vote, is_plain)
        self.adapts_ = self._is_adapted(is_plain)
        self.transduction_ = classes[mixed.argmax(axis=1)]
        accuracy, interval = estimate_accuracy(
            proba, mixed, is_plain, held_out, self._correction is not None
        )
        if known is not None:
            accuracy, interval = shrunk_accuracy(accuracy, interval, self._right[self._chosen])
        self.estimated_accuracy_, self.accuracy_interval_ = accuracy, interval
        labels = proba[is_plain].argmax(axis=2)
        beliefs = SourceBeliefs(
            classes,
            held_codes,
            np.tensordot(weights, held_out, axes=1),
            vote,
            (labels == labels[0]).all(axis=0),
            self.roughness_[0] - self.roughness_[1],
        )
        self._note(trained, fitted, proba, vote, is_plain, beliefs, known)
        self._warn_of_harm(mixed.argmax(axis=1), beliefs)

    def _corrected(self, vote):
        """Return the vote, corrected where class proportions moved."""
        return vote if self._correction is None else self._correction.correct(vote)

    def _choose_by_known(self, known, mixed, vote, is_plain):
        """Return what is predicted by what known labels speak for: mostly the mixture."""
        rated = np.argsort(-self._mixture.rating, kind="stable")[:N_RATED]
        weights = self._weights(is_plain)
        answers = {MIXTURE: mixed, VOTE: vote}
        self._right = {n: p[known.rows].argmax(axis=1) == known.codes for n, p in answers.items()}
        for place, member in enumerate(self._members):
            is_taught = member.candidate.y_target is not None
            if is_taught or place in rated or weights[place] > 0:
                name = member.candidate.name
                answers[name], self._right[name] = member.answers, _known_right(member, known)
        self._chosen = choose_by_known(self._right)
        return answers[self._chosen]

    def _weights(self, is_plain):
        """Return the weights of the members, those of the plain vote where that stands alone."""
        weights = self._mixture.weights
        if self._mixture.is_plain or self._chosen == VOTE:
            weights = np.zeros(len(is_plain))
            weights[is_plain] = self._mixture.vote_weights
        names = [member.candidate.name for member in self._members]
        weights = np.append(weights, np.zeros(len(names) - len(is_plain)))
        if self._chosen in names:
            weights = np.array([float(name == self._chosen) for name in names])
        return weights

    def _is_adapted(self, is_plain):
        if self._chosen in (MIXTURE, VOTE):
            weights = self._weights(is_plain)[: len(is_plain)]
            return bool((weights[~is_plain] > LEAST_WEIGHT).any())
        by_name = {member.candidate.name: member.candidate for member in self._members}
        return not by_name[self._chosen].is_plain

    def _note(self, trained, fitted, proba, vote, is_plain, beliefs, known):
        """Keep what was seen of each candidate."""
        mixture, labels = self._mixture, proba.argmax(axis=2)
        harm = [_harm(codes, beliefs) for codes in labels]
        columns = {
            "rating": mixture.rating,
            "agreement": mixture.agreement,
            "agreement_with_source": np.mean(labels == vote.argmax(axis=1), axis=1),
            "information_maximization": [information_maximization_score(p) for p in proba],
            "roughness": mixture.roughness,
            "erased": mixture.erased,
            "held_back_accuracy": [_held_back_accuracy(one, beliefs) for one in fitted],
            "harm": np.array(harm, dtype=object),
        }
        if known is not None:
            right = [_known_right(member, known).mean() for member in self._members]
            columns = {"known_accuracy": right} | columns
        self.leaderboard_ = make_leaderboard(trained, columns, self._weights(is_plain))

    def _verdict(self, excess):
        """Return what the roughness of plain labels says, and what follows from it."""
        if self._chosen != MIXTURE:
            return (
                "But known labels of the target speak for something else, by more than a "
                f"standard error: {self._chosen}."
            )
        if self._correction is not None:
            moved = ", ".join(
                f"{name!r} from {source:.2f} to {target:.2f}"
                for name, source, target in zip(
                    self.classes_.tolist(),
                    self._correction.source,
                    self._correction.target,
                    strict=True,
                )
            )
            return (
                f"Moved class proportions explain the target: {moved}. The vote of the plain "
                "models is corrected for that, and nothing is adapted, which would pull them back."
            )
        if self._mixture.is_plain:
            return (
                "So nothing tells of errors that adapting could mend, and the plain models stand."
            )
        power = f"{self._mixture.exponent:.2f} / log2(number of classes)"
        mixed = f"candidates are mixed, and multiplied with the plain vote to the power of {power}."
        if excess > ROUGH:
            return f"So the plain models err in places where adapting can help: {mixed}"
        return f"That is not so much smoother that errors are ruled out: {mixed}"

    def _warn_of_harm(self, codes, beliefs):
        self._harm = [c.words for c in classifier_checks(codes, beliefs) if c.speaks_against]
        if self._harm and self.adapts_:
            warn(
                f"{type(self).__name__}: something speaks against what was chosen. "
                + " ".join(self._harm)
                + " See explain().",
                HarmWarning,
            )

    def predict_proba(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict the probability of each class, treating samples as target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Not used: all samples are taken for target.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        proba, scaled = self._answers(X)
        names = [member.candidate.name for member in self._members]
        if self._chosen in names:
            return proba[names.index(self._chosen)]
        is_plain = np.array([member.candidate.is_plain for member in self._members])
        vote = self._corrected(np.tensordot(self._mixture.vote_weights, proba[is_plain], axes=1))
        if self._mixture.is_plain or self._chosen == VOTE:
            return vote
        anchor = smoothed(vote, self._votes[self._neighborhood.of(scaled)])
        # The candidate that has learnt known labels is the last, and not in the mixture.
        return self._mixture.combine(proba[: len(self._mixture.weights)], anchor)

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict labels, treating samples as target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Not used: all samples are taken for target.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _paragraphs(self):
        found, expected = self.roughness_
        board = self.leaderboard_
        heavy = [
            f"{name} ({weight:.2f})"
            for name, weight in zip(board["candidate"], board["weight"], strict=True)
            if weight > LEAST_WEIGHT
        ]
        yield (
            f"Between neighbouring target samples the labels of the plain models differ in "
            f"{found:.0%} of the pairs; true labels of like source samples in {expected:.0%}. "
            + self._verdict(found - expected)
            + f" Weights: {', '.join(heavy)}."
        )
        if self._right:
            known = sorted(self._right.items(), key=lambda item: -item[1].mean())
            told = ", ".join(f"{name} {right.mean():.0%}" for name, right in known)
            yield f"Of {len(known[0][1])} known target labels are right by: {told}."
        low, high = self.accuracy_interval_
        yield (
            f"Estimated accuracy on the target: {self.estimated_accuracy_:.0%}, between {low:.0%} "
            f"and {high:.0%} on nine of ten pairs of other data sets."
        )
        yield "\n".join(["Why not the others:", *reasons(board)])
        against = [*self._harm]
        if self.far_away_ > FAR:
            against.append(
                f"{self.far_away_:.0%} of the target samples are farther from the source than 99 % "
                "of its own: columns moved, or these are of classes that the source lacks, which "
                "are predicted as those it has (OSBPClassifier tells them apart)."
            )
        against = against or ["Nothing that was looked at."]
        yield "\n".join(["What speaks against the choice:", *against])


def _harm(codes, beliefs):
    """Return the names of what speaks against labels."""
    return ", ".join(c.name for c in classifier_checks(codes, beliefs) if c.speaks_against)


def _known_right(member, known):
    """Return which known labels a member predicts, by fits that were not told them."""
    is_taught = member.candidate.y_target is not None
    proba = member.held_back if is_taught else member.answers[known.rows]
    return proba.argmax(axis=1) == known.codes


def _held_back_accuracy(one, beliefs):
    if one.held_back is None:
        return np.nan
    return float(np.mean(one.held_back.argmax(axis=1) == beliefs.codes))
