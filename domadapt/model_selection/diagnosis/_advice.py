"""What a kind of shift and the errors of plain models advise."""

from domadapt.model_selection.auto._rule import ROUGH, SMOOTH
from domadapt.model_selection.auto._values import MOVED

FEW_ROWS, FEW_EFFECTIVE = 100, 50

METHODS = {
    "none": (),
    "label": ("em", "bbse", "rlls"),
    "covariate": ("domain_classifier", "kmm", "kliep", "rulsif"),
    "concept": ("per_domain_scaling", "coral", "linear_ot", "jda", "mcc"),
}
FAMILY = {
    "label": "Correct predictions for class proportions ('em', 'bbse', 'rlls'); what aligns the "
    "domains, and statistics of each domain, would mix the classes up.",
    "covariate": "Weigh source rows ('domain_classifier', 'kmm', 'kliep', 'rulsif'); a flexible "
    "model without weights may do as well.",
    "concept": "Map the columns ('per_domain_scaling', 'coral', 'linear_ot') or align features "
    "('jda', 'mcc' and other networks).",
}
PLAIN = "Plain models stand: compare extra trees, a linear model and a network, and let them vote."
NEXT = "{} compares plain and adapted models without target labels."


def advice_for(kind, evidence, roughness, n_fewest):
    """Return "adapt", "adapt with care" or "do not adapt", a sentence, and names of methods.

    Parameters
    ----------
    kind : str
        The kind of shift.
    evidence : Evidence
        What it was told from.
    roughness : Roughness
        Of the labels that plain models give to the target.
    n_fewest : int
        Rows of the smaller domain.
    """
    if kind == "none":
        return _without_shift()
    seen = (
        f"Labels of plain models differ between {roughness.found:.1%} of neighbouring target "
        f"rows, true labels between {roughness.expected:.1%} of like source rows"
    )
    next_step = NEXT.format("AutoAdaptClassifier")
    if kind == "label":
        return _with_care(kind, f"{seen}.", next_step)
    if roughness.excess < SMOOTH:
        said = f"{seen}: nothing tells of errors that adapting could mend."
        return "do not adapt", f"{said} {PLAIN} {next_step}", ()
    doubts = _doubts(kind, evidence, n_fewest)
    if roughness.excess <= ROUGH:
        doubts.insert(0, "so little more or less says little")
    if doubts:
        return _with_care(kind, f"{seen}; {' and '.join(doubts)}: compare.", next_step)
    said = f"{seen}: they err in places where adapting can help."
    return "adapt", f"{said} {FAMILY[kind]} {next_step}", METHODS[kind]


def advice_for_values(kind, displacement):
    """Return the same where labels are numbers, by how far columns moved apart from each other."""
    if kind == "none":
        return _without_shift()
    seen = (
        "The mean of the target lies outside of the space in which source rows vary by "
        f"{displacement:.2g} times what these do"
    )
    next_step = NEXT.format("AutoAdaptRegressor")
    if displacement > MOVED:
        said = f"{seen}: columns moved as by another instrument. {FAMILY['concept']} {next_step}"
        return "adapt", said, METHODS["concept"]
    said = f"{seen}, less than {MOVED:.0f}: nothing tells of errors that adapting could mend."
    return "do not adapt", f"{said} {PLAIN} {next_step}", ()


def _without_shift():
    return "do not adapt", "Train on the source as it is: there is no shift to be seen.", ()


def _with_care(kind, seen, next_step):
    return "adapt with care", f"{seen} {FAMILY[kind]} {next_step}", METHODS[kind]


def _doubts(kind, evidence, n_fewest):
    """Return what these rows leave in doubt, as ends of a sentence."""
    doubts = []
    if n_fewest < FEW_ROWS:
        doubts.append("there are few rows")
    if kind == "covariate" and evidence.effective_rows < FEW_EFFECTIVE:
        doubts.append("few source rows count after weighting")
    return doubts
