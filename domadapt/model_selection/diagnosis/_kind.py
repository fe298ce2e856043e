"""Which kind of shift the evidence speaks for."""

from dataclasses import dataclass

# What remains told apart counts as explained where it may be chance. Between these, class
# proportions explain a shift only where weights of rows do not explain it better.
CHANCE, DOUBTFUL = 0.01, 0.08
# Of predictions, the largest difference of distribution functions that does not matter, and how
# many times that of chance: weights are estimated too, which adds to it.
SMALL, SLACK = 0.05, 1.1
# Source rows that count after weighting, as a share, and target rows beyond the source.
EFFECTIVE, OUTSIDE = 0.2, 0.1

KINDS = ("none", "covariate", "label", "concept")


@dataclass(frozen=True)
class Evidence:
    """What kinds are told from: tests before and after each explanation.

    ``differences`` are those of the source model's predictions after weighting, each with what
    chance makes of it.
    """

    significance: float
    p_value: float
    as_they_are: object
    explanations: dict
    differences: dict
    effective_share: float
    effective_rows: float
    outside: float

    def is_explained_by(self, name):
        """Return whether the domains are alike once this explanation is taken away."""
        difference, by_chance = self.differences.get(name, (0.0, 0.0))
        is_small = difference <= max(SMALL, SLACK * by_chance)
        return is_small and self.explanations[name].p_value > CHANCE

    def is_covered(self):
        """Return whether the target is within the source, and enough of that is like it."""
        return self.effective_share >= EFFECTIVE and self.outside <= OUTSIDE


def kind_of(evidence):
    """Return the kind of shift."""
    if evidence.p_value > evidence.significance:
        return "none"
    after = evidence.explanations
    by_weights = evidence.is_covered() and evidence.is_explained_by("weights")
    if evidence.is_explained_by("proportions"):
        is_doubtful = after["proportions"].p_value < DOUBTFUL and after["weights"].auc <= 0.5
        return "covariate" if by_weights and is_doubtful else "label"
    return "covariate" if by_weights else "concept"


def reasons_for(kind, evidence):
    """Return sentences that say what speaks for a kind and against the others."""
    told, after = evidence.as_they_are, evidence.explanations
    if kind == "none":
        return [
            f"No test tells the domains apart (corrected p = {evidence.p_value:.2g}).",
            "Labels that depend on the columns in another way cannot be seen without target "
            "labels.",
        ]
    said = [
        f"A classifier tells the domains apart with AUC {told.auc:.2f} "
        f"({told.interval[0]:.2f} to {told.interval[1]:.2f}); corrected p = "
        f"{evidence.p_value:.2g}."
    ]
    names = {
        "proportions": "moved class proportions",
        "weights": "weights of source rows",
        "location_and_scale": "every column moved and stretched",
    }
    for name, words in names.items():
        verdict = "explains it" if evidence.is_explained_by(name) else "does not explain it"
        if name == "weights" and evidence.is_explained_by(name) and not evidence.is_covered():
            verdict = f"would explain it, but {_too_little(evidence)}"
        said.append(f"With {words} the AUC is {after[name].auc:.2f}, which {verdict}.")
    said.append(
        f"{evidence.effective_share:.0%} of the source rows are effective after weighting, and "
        f"{evidence.outside:.0%} of the target rows lie beyond the source."
    )
    said.append(
        {
            "label": "The rows of each class look as they did, as far as these columns show.",
            "covariate": "Whether labels depend on the columns as they did cannot be seen "
            "without target labels; weights are right only if they do.",
            "concept": "Neither weights of source rows that could be relied on nor class "
            "proportions explain the shift, so the columns themselves probably moved. Whether "
            "labels moved along cannot be seen without target labels.",
        }[kind]
    )
    return said


def _too_little(evidence):
    """Return why weights are not to be relied on, though they make the domains alike."""
    why = []
    if evidence.effective_share < EFFECTIVE:
        why.append("too few source rows count after it")
    if evidence.outside > OUTSIDE:
        why.append("too much of the target lies beyond the source")
    return " and ".join(why)
