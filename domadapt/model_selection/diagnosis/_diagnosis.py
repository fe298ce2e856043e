"""What a diagnosis holds, and how it is read: as text, as HTML, as a dict."""

import html
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np

from domadapt.domains.told_apart import ToldApart
from domadapt.model_selection.chooser import choose_method
from domadapt.model_selection.diagnosis._classes import ClassProportion, Separability
from domadapt.model_selection.diagnosis._columns import MovedColumn
from domadapt.model_selection.diagnosis._plain import Roughness

TITLES = {
    "none": "no shift",
    "covariate": "covariate shift",
    "label": "label shift",
    "concept": "concept shift (the columns moved)",
}
# Columns and classes that the text names.
MOST = 5
# Arrays, which to_dict leaves out.
ARRAYS = ("source", "target", "weight")


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """How two domains differ, and whether to adapt, as :func:`diagnose` found it.

    Printed it is a short text; in a notebook a table. ``to_dict()`` returns what JSON can hold.

    Attributes
    ----------
    kind : {"none", "covariate", "label", "concept"}
        The kind of shift that the evidence speaks for.
    advice : {"do not adapt", "adapt with care", "adapt"}
        Whether to adapt.
    explanation : str
        What to do, in a sentence.
    methods : tuple of str
        Names of adapters and methods for that kind; none where the advice is not to adapt.
    reasons : list of str
        What speaks for this kind and against the others.
    cautions : list of str
        What these data leave in doubt.
    significance : float
        Level of the tests.
    p_value : float
        Of the hypothesis that there is no shift: the smaller one of both tests, times two.
    mmd, mmd_p_value : float
        Squared maximum mean discrepancy of random features, and its p-value by permutations.
    domain_classifier : ToldApart
        ``auc``, ``interval`` of 95 %, ``p_value``, ``error`` and ``proxy_a_distance`` of a
        classifier that tells the domains apart, and the held-out scores ``source`` and
        ``target``.
    explanations : dict of str to ToldApart
        The same after source rows are weighted by the target's class proportions
        ("proportions") or by importance weights ("weights"), or their columns moved and
        stretched ("location_and_scale").
    effective_sample_size, effective_share : float
        Source rows that count after weighting by importance, and their share.
    outside_share : float
        Share of the target rows that are farther from the source than 99 % of its own rows.
    moved_columns : list of MovedColumn
        All columns, those that moved most first: ``name``, ``mean_difference``, ``ks``,
        ``p_value``, ``p_bonferroni``, ``p_fdr``.
    class_proportions : list of ClassProportion
        Of each class ``name``, ``source``, ``em``, ``em_interval``, ``bbse``,
        ``bbse_interval``. They are right only where nothing but proportions moved.
    separability : Separability
        How far classes are apart on either domain.
    roughness : Roughness
        ``found``, how often labels of plain models differ between neighbouring target rows,
        ``expected``, how often true labels do between like source rows, and ``excess``.
    displacement : float or None
        Where labels are numbers, how far the mean of the target lies outside of the space in
        which source rows vary, over what these do.
    n_source, n_target, n_features : int
        Rows of the domains, all of them, and columns.
    n_sources : int
        Domains that the source consists of.
    answers : dict of str
        What this answers of the questions of :func:`choose_method`, which takes a diagnosis.
    """

    kind: str
    advice: str
    explanation: str
    methods: tuple[str, ...]
    reasons: list[str]
    cautions: list[str]
    significance: float
    p_value: float
    mmd: float
    mmd_p_value: float
    domain_classifier: ToldApart
    explanations: dict[str, ToldApart]
    effective_sample_size: float
    effective_share: float
    outside_share: float
    moved_columns: list[MovedColumn]
    class_proportions: list[ClassProportion]
    separability: Separability
    roughness: Roughness
    displacement: float | None
    n_source: int
    n_target: int
    n_features: int
    n_sources: int

    @property
    def answers(self) -> dict[str, str]:
        """Return what this answers of the questions of :func:`choose_method`."""
        found = {"source": "there", "task": "class" if self.displacement is None else "number"}
        if self.n_sources > 1:
            found["sources"] = "several"
        if self.kind == "none":
            return found | {"proportions": "kept", "overlap": "whole"}
        if self.kind == "label" and found["task"] == "class":
            return found | {"proportions": "alone"}
        if self.kind == "covariate":
            found["proportions"] = "kept"
        is_at_home = self.advice == "do not adapt" or (
            self.kind == "covariate" and found["task"] == "class"
        )
        return found | {"overlap": "enough" if is_at_home else "little"}

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the scores of single rows, as JSON can hold it.

        Returns
        -------
        content : dict of str
            Numbers, texts, lists and dicts.
        """
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        lines = [f"Diagnosis: {TITLES[self.kind]}. Answer: {self.advice}.", self.explanation]
        lines += [self._begin(), ""]
        lines += [f"  {title:<15} {text}" for title, text in self._rows()]
        lines += ["", *(f"- {reason}" for reason in self.reasons)]
        lines += [f"! {caution}" for caution in self.cautions]
        return "\n".join(lines)

    __repr__ = __str__

    def _begin(self):
        """Return a sentence on where to begin."""
        choice = choose_method(self)
        said = f"Begin with {choice.leaf.begin[0]}: docs/{choice.leaf.page}."
        if not choice.open:
            return said
        return (
            f"{said} choose_method(diagnosis) asks what rows cannot tell: {', '.join(choice.open)}."
        )

    def _rows(self):
        """Return titles and texts of the table."""
        told, apart = self.domain_classifier, self.separability
        moved = [c for c in self.moved_columns if c.p_fdr < self.significance]
        names = ", ".join(f"{c.name} ({c.mean_difference:+.2f} sd)" for c in moved[:MOST])
        shares = "; ".join(
            f"{c.name}: {c.source:.2f} to {c.em:.2f} ({c.em_interval[0]:.2f} to "
            f"{c.em_interval[1]:.2f})"
            for c in self.class_proportions[:MOST]
        )
        more = ", ..." if len(self.class_proportions) > MOST else ""
        return [
            (
                "sizes",
                f"{self.n_source} source rows, {self.n_target} target rows, "
                f"{self.n_features} columns",
            ),
            (
                "told apart",
                f"AUC {told.auc:.2f} ({told.interval[0]:.2f} to {told.interval[1]:.2f}), proxy "
                f"A-distance {told.proxy_a_distance:.2f}, MMD p = {self.mmd_p_value:.2g}",
            ),
            (
                "moved columns",
                f"{len(moved)} of {self.n_features}" + (f": {names}" if names else ""),
            ),
            (
                "overlap",
                f"{self.effective_share:.0%} of the source rows effective, "
                f"{self.outside_share:.0%} of the target rows beyond the source",
            ),
            ("proportions", shares + more),
            (
                "classes",
                f"held-out source accuracy {apart.source_accuracy:.2f}, confidence "
                f"{apart.source_confidence:.2f} on the source and {apart.target_confidence:.2f} "
                f"on the target, agreement with clusters {apart.agreement_with_clusters:.2f}",
            ),
            (
                "neighbours",
                f"labels of plain models differ in {self.roughness.found:.0%} of the pairs in "
                f"the target, true ones in {self.roughness.expected:.0%} in like source rows",
            ),
        ]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(title)}</th><td>{html.escape(text)}</td></tr>"
            for title, text in self._rows()
        )
        said = "".join(f"<li>{html.escape(text)}</li>" for text in self.reasons + self.cautions)
        title = html.escape(f"{TITLES[self.kind]}: {self.advice}")
        return (
            f"<div><h4>{title}</h4><p>{html.escape(self.explanation)}</p>"
            f"<p>{html.escape(self._begin())}</p>"
            f"<table>{rows}</table><ul>{said}</ul></div>"
        )


def _plain(value):
    """Return a value as JSON can hold it."""
    if isinstance(value, ToldApart):
        kept = {k: v for k, v in value.__dict__.items() if k not in ARRAYS}
        return _plain(kept | {"proxy_a_distance": value.proxy_a_distance})
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
