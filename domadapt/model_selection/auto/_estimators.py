"""Estimators that choose among candidates without target labels: what both share."""

import copy
import os
import time
from collections.abc import Sequence
from dataclasses import field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from domadapt._storage.objects import encode_object
from domadapt.domains.base import BaseDomainEstimator, estimator
from domadapt.domains.cautions import warn
from domadapt.domains.splitting import check_samples
from domadapt.model_selection._smoothness import Neighborhood
from domadapt.model_selection.auto._candidates import (
    adapted_candidates,
    plain_candidates,
    read_candidates,
    seeded,
)
from domadapt.model_selection.auto._few_labels import read_known_labels, taught_candidate
from domadapt.model_selection.auto._members import (
    Stored,
    describe_member,
    encode_member,
    fingerprint_of,
)
from domadapt.model_selection.auto._training import Data, hold_back, train_all

LEAST_TARGET = 10
# What a fit without a target does not leave behind.
OF_TARGET = ("transduction_", "estimated_accuracy_", "accuracy_interval_", "far_away_")


@estimator
class BaseAutoAdapt(BaseDomainEstimator):
    """Candidates are fitted, looked at and mixed; subclasses have the rule."""

    candidates: Sequence[Any] | None = field(default=None, kw_only=False)
    time_budget: float | None = None
    refit: bool = True
    checkpoint: str | os.PathLike[str] | None = None
    n_jobs: int | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: bool | int = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "candidates": ["array-like", None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "refit": ["boolean"],
        "checkpoint": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _dtypes: ClassVar[Any] = (np.float64, np.float32)

    def _check_parameters(self):
        if self.candidates is not None:
            read_candidates(self.candidates, self._learns)
        if self.checkpoint is None:
            return
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} does not go with a checkpoint: a search that "
                "is resumed has to draw what the first one drew. Pass an integer."
            )
        folder = Path(self.checkpoint)
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise OSError(
                f"checkpoint={str(self.checkpoint)!r} is no folder that can be written to. Make "
                "one: there is a file for each candidate in it."
            )

    def _fit_domains(self, domains):
        is_alone = domains.target is None
        if is_alone:
            warn(
                f"{type(self).__name__} was given no target, so that plain models of the source "
                "alone are trained. Pass X_target or sample_domain."
            )
            # In its place the source: nothing is known of another.
            domains = replace(domains, target=domains.source)
        else:
            self._check_domains(domains)
        known = read_known_labels(self, domains)
        start = time.time()
        generator = check_random_state(self.random_state)
        X, X_target = (part.take(slice(None)) for part in (domains.source, domains.target))
        scaler = StandardScaler().fit(np.concatenate([X, X_target]))
        data = Data(
            *(X, X_target, scaler.transform(X), scaler.transform(X_target), domains.y),
            domains.sample_weight,
            domains.source_domain,
            self._learns,
            *hold_back(domains.y, self._learns, generator),
        )
        candidates = self._seeded_candidates(X.shape[1], domains.n_sources, generator)
        if is_alone:
            candidates = [candidate for candidate in candidates if candidate.is_plain]
        source, target = (
            Neighborhood(part, generator) for part in (data.scaled, data.scaled_target)
        )
        if known is not None:
            # By a copy, so that known labels change nothing of what is chosen without them.
            taught = taught_candidate(known, len(X_target), copy.deepcopy(generator))
            candidates.append(taught)
        stored = None
        if self.checkpoint is not None:
            stored = Stored(self.checkpoint, fingerprint_of(data))
        with self._watched(domains, len(candidates)) as watch:
            trained = train_all(
                candidates,
                data,
                n_jobs=self.n_jobs,
                deadline=None if self.time_budget is None else start + self.time_budget,
                watch=watch,
                tell=self._tell if self.verbose else lambda one: None,
                stored=stored,
            )
        self._check_trained(trained)
        self._forget()
        self._scaler, self._neighborhood = scaler, target
        self._choose(trained, data, source, known, generator)
        if is_alone:
            for name in OF_TARGET:
                self.__dict__.pop(name, None)
        if not self.refit:
            self._members: Any = None

    def _check_domains(self, domains):
        if len(domains.target) < LEAST_TARGET:
            raise ValueError(
                f"X_target has {len(domains.target)} samples, and at least {LEAST_TARGET} were "
                "expected: what candidates predict for them is all that there is to choose by."
            )

    def _seeded_candidates(self, n_columns, n_sources, generator):
        plain = plain_candidates(self._learns, n_columns)
        if self.candidates is None:
            others = adapted_candidates(self._learns, n_sources)
        else:
            others = read_candidates(self.candidates, self._learns)
            taken = {candidate.name for candidate in others}
            plain = [candidate for candidate in plain if candidate.name not in taken]
        return [seeded(candidate, generator) for candidate in [*plain, *others]]

    def _tell(self, one):
        said = one.problem or f"{one.seconds:.1f} s"
        print(f"{one.candidate.name}: {said}")

    def _check_trained(self, trained):
        problems = [f"{one.candidate.name}: {one.problem}" for one in trained if one.problem]
        if not any(one.problem is None and one.candidate.is_plain for one in trained):
            raise ValueError(
                "No plain model could be fitted, by which the others are judged. Of "
                f"{len(trained)} candidates failed {len(problems)}: " + "; ".join(problems[:5])
            )

    def _forget(self):
        """Remove what an earlier fit has left."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            if name not in ("n_features_in_", "feature_names_in_"):
                del self.__dict__[name]

    def _choose(self, trained, data, source, known, generator):
        raise NotImplementedError

    def _answers(self, X):
        """Return what the members predict for samples, and the samples standardised."""
        check_is_fitted(self, "leaderboard_")
        if self._members is None:
            raise AttributeError(
                f"This {type(self).__name__} was fitted with refit=False and has kept no model: "
                "leaderboard_ and transduction_ are there. Fit with refit=True to predict."
            )
        X = check_samples(self, X, (self.n_features_in_,)).take(slice(None))
        scaled = self._scaler.transform(X)
        classes = getattr(self, "classes_", None)
        found = [
            member.answer(scaled if member.candidate.is_scaled else X, classes, self._learns)
            for member in self._members
        ]
        return np.array(found), scaled

    def __sklearn_is_fitted__(self):
        return hasattr(self, "leaderboard_")

    def _to_file(self):
        check_is_fitted(self, "leaderboard_")
        rest, about = copy.copy(self), []
        tensors: dict[str, torch.Tensor] = {}
        rest._members = None
        if rest.checkpoint is not None:
            rest.checkpoint = os.fspath(rest.checkpoint)
        for place, member in enumerate(self._members or []):
            own, info = encode_member(member.estimator)
            tensors |= {f"{place}.{name}": tensor for name, tensor in own.items()}
            about.append(describe_member(member) | {"info": info})
        tensors["object"] = encode_object(rest)
        keeps = self._members is not None
        return tensors, {"class": type(self).__name__, "members": about if keeps else None}

    def explain(self) -> str:
        """Tell why this was chosen, why not the others, and what speaks against adapting.

        Returns
        -------
        text : str
            A few short paragraphs.
        """
        check_is_fitted(self, "leaderboard_")
        if not hasattr(self, "transduction_"):
            return "There was no target: plain models of the source were trained, and nothing else."
        return "\n\n".join(self._paragraphs())

    def _paragraphs(self):
        raise NotImplementedError
