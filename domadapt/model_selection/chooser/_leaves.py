"""Where the ten questions end: what to begin with, why, what to beware of, and its page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """One end of the map.

    Parameters
    ----------
    name : str
        In the map.
    title : str
        A few words.
    known : str
        What one knows who ends here.
    reason : str
        Why this, in a sentence.
    begin : tuple of str
        Calls to begin with, the first one first. ``source`` is a fitted model of the source,
        ``backbone`` a network with its weights, ``Xt`` target rows.
    page : str
        Its page in ``docs``, with a heading.
    beware : str
        When it fails or harms.
    """

    name: str
    title: str
    known: str
    reason: str
    begin: tuple[str, ...]
    page: str
    beware: str


# What was measured stands on the pages; tests hold these sentences against the results.
_ENDS = (
    Leaf(
        "target_alone",
        "Learn from the target itself",
        "The target has labels enough to learn from",
        "Rows of the domain that counts are better than rows of another one.",
        (
            "ExtraTreesClassifier()",
            "ExtraTreesRegressor()",
            "FineTuneClassifier(source, compare=True)",
        ),
        "fine_tuning.md#whether-the-source-is-of-use",
        "Keep some labels for the test. compare=True tells whether the source adds anything.",
    ),
    Leaf(
        "fine_tuning",
        "Fine-tune the source's model",
        "A few target labels, and of the source a network alone",
        "A network that has learnt elsewhere is a better start than random weights.",
        ("FineTuneClassifier(source)", "FineTuneRegressor(source)"),
        "fine_tuning.md#keeping-what-was-learnt",
        "On tables every way lost against the source's model as it is: compare with its predict.",
    ),
    Leaf(
        "few_values",
        "Numbers, with a few known ones",
        "A few target labels, and they are numbers",
        "What both domains share is learnt from the source, what differs from the few.",
        ("ExtraTreesRegressor()", 'AdaptedRegressor(Ridge(), "source_prior")'),
        "methods/few_labels.md#source-prior",
        "Fit the trees on both domains stacked; compare both by cross-validation on the few.",
    ),
    Leaf(
        "few_shots",
        "New classes from a few samples",
        "A few target labels, of classes that the source does not have",
        "It learns from the many classes of the source how to learn one from few rows.",
        ("FewShotClassifier()",),
        "few_shots.md#new-classes-from-a-few-samples",
        "The source needs many classes. A nearest mean of the columns is what it has to beat.",
    ),
    Leaf(
        "few_trees",
        "Trees on both domains together",
        "A few target labels, and a table or series",
        "On tables, trees on the source and the few rows stacked were better than what adapts.",
        ("ExtraTreesClassifier()",),
        "fine_tuning.md#measured",
        "Few labels are a poor test too: differences of a few points among few rows are chance.",
    ),
    Leaf(
        "few_network",
        "Align, with y_target",
        "A few target labels, and vectors or images",
        "Unlabelled and labelled target rows together gained most where classes are clusters.",
        ("MCCClassifier()", "FineTuneClassifier(source)"),
        "methods/other_settings.md#a-few-labelled-target-samples",
        "Pass them as y_target. Where classes are no clusters there, fine-tuning is better.",
    ),
    Leaf(
        "stream",
        "No method here: adapt batch by batch",
        "Target rows come one after the other",
        "Nothing in domadapt learns row by row. Nearest is a fitted classifier whose batch "
        "statistics are renewed from time to time by adapt.",
        ('AlignmentClassifier(alignment=None, batch_norm="joint")',),
        "methods/source_free.md#adabn",
        "Collect rows of all classes first: a batch of mostly one class spoils the statistics.",
    ),
    Leaf(
        "as_it_is",
        "Keep the model as it is",
        "Of the source a model alone, and a table, a series or numbers to predict",
        "On tables SHOT, which needs no source, lost more than any other method; for numbers there "
        "is none.",
        ("source.predict(Xt)",),
        "methods/source_free.md#measured",
        "Ask the owner of the source for trees rather than a network, and for a few target labels.",
    ),
    Leaf(
        "source_free",
        "Source-free: SHOT",
        "Of the source a model alone, and vectors or images",
        "The last layer stays, and target rows move to where it expects them.",
        ("SHOTClassifier()",),
        "methods/source_free.md#shot",
        "It wants classes about equally frequent, and a model that is right on most rows already.",
    ),
    Leaf(
        "values_network",
        "A network for numbers from images",
        "Numbers from images",
        "The one family that takes photographs. CORAL never lost on the set of numbers measured.",
        ("CORALRegressor()", "AlignmentRegressor(alignment=None)"),
        "methods/regression.md#alignmentregressor",
        "Never measured on images: compare with alignment=None, on labels that you hold back.",
    ),
    Leaf(
        "values_plain",
        "Plain regressors",
        "Numbers, and the domains overlap",
        "Where columns did not move apart, hardly any map gained and most maps lost.",
        ("AutoAdaptRegressor()", "ExtraTreesRegressor()"),
        "choosing_without_labels.md#numbers",
        "A relation that changed, such as prices over the years, cannot be seen without labels.",
    ),
    Leaf(
        "values_moved",
        "Take the move of the columns away",
        "Numbers, and columns moved as by another instrument",
        "Models that do not depend on what columns are shifted by stand such a move.",
        ("AutoAdaptRegressor()", 'AdaptedRegressor(Ridge(), "per_domain_scaling")'),
        "methods/mapping.md#per-domain-scaling",
        "Where the values themselves are higher in the target, scaling by domain hides that.",
    ),
    Leaf(
        "partial",
        "Partial: PADA, beside source only",
        "The target lacks some of the classes",
        "What aligns whole domains does much harm here; PADA leaves absent classes out.",
        ("AlignmentClassifier(alignment=None)", "PADAClassifier()"),
        "methods/other_settings.md#partial-some-of-the-classes",
        "At its best it was level with source only, which comes first for that reason.",
    ),
    Leaf(
        "open_set",
        "Open set: OSBP",
        "The target has samples of classes that the source does not know",
        "It has a column for unknown, and finds most of the unknown samples.",
        ("OSBPClassifier()",),
        "methods/other_settings.md#open-set-unknown-classes",
        "Some known samples are called unknown, even where none is. Look at both sides.",
    ),
    Leaf(
        "label_shift",
        "Label shift: correct the proportions",
        "Only the proportions of the classes moved",
        "Plain models are right but for how frequent classes are, which can be estimated.",
        (
            'AdaptedClassifier(ExtraTreesClassifier(), "em")',
            'AdaptedClassifier(LogisticRegression(), "bbse")',
        ),
        "methods/label_shift.md#em",
        "No alignment, and no statistics of each domain. Where columns moved too it may harm.",
    ),
    Leaf(
        "moved_both",
        "The automatic choice, or joint statistics",
        "Proportions of the classes moved, and columns too",
        "Of the methods measured these two held best where proportions moved as well.",
        ("AutoAdaptClassifier()", 'MCCClassifier(batch_norm="joint")'),
        "choosing_without_labels.md#class-proportions-moved",
        "Statistics of each domain (batch_norm='per_domain') erase what moved, and harm most.",
    ),
    Leaf(
        "plain",
        "Do not adapt",
        "No test tells the domains apart",
        "There is nothing to adapt to, and adapting adds noise.",
        ("ExtraTreesClassifier()", "LogisticRegression()"),
        "methods/index.md#before-any-of-them",
        "Labels that depend on the columns in another way are seen by no test without labels.",
    ),
    Leaf(
        "weights",
        "Plain trees, at most weights",
        "The target lies within the source",
        "A flexible model needs no weights where the source has rows of that kind; what weights "
        "added was little.",
        (
            "ExtraTreesClassifier()",
            'AdaptedClassifier(HistGradientBoostingClassifier(), "domain_classifier")',
        ),
        "methods/reweighting.md#domain-classifier",
        "Weights rest on few rows where the overlap is small: look at effective_sample_size_.",
    ),
    Leaf(
        "several",
        "The sources as one, then weights",
        "There are several sources",
        "No method for several sources beat the sources put together; one of no use can be weighed "
        "down.",
        (
            "AlignmentClassifier(alignment=None)",
            'AlignmentClassifier("mmd", source_weights="proxy_distance")',
            "M3SDAClassifier()",
        ),
        "methods/other_settings.md#several-sources",
        "Leave one source out at a time (LeaveOneSourceOut): that is a test with true labels.",
    ),
    Leaf(
        "tables",
        "Trees alone, then the automatic choice",
        "A table of measurements",
        "On tables no adapted model beat the best plain one on average; the automatic choice is "
        "about level with the vote of plain ones.",
        ("ExtraTreesClassifier()", "AutoAdaptClassifier()"),
        "without_a_network.md#trees-missing-values-categories",
        "If you know that columns moved, as by another instrument, map them whatever is said here.",
    ),
    Leaf(
        "series",
        "No method here: windows as columns",
        "Series",
        "Nothing in domadapt is made for series. Means, deviations and peaks of windows are a "
        "table; a network of your own may stand before any deep estimator.",
        ("ExtraTreesClassifier()", "AutoAdaptClassifier()"),
        "choosing_a_method.md#what-are-the-rows",
        "Windows of one person or day belong together: keep them in one fold (DomainGroupKFold).",
    ),
    Leaf(
        "automatic",
        "The automatic choice",
        "Vectors, or features of images, and harm would cost much",
        "It compares plain and adapted models without target labels and stays plain where nothing "
        "tells of errors.",
        ("AutoAdaptClassifier()",),
        "choosing_without_labels.md#the-short-answer",
        "It takes vectors: of photographs, the features of a frozen network.",
    ),
    Leaf(
        "vectors",
        "MCC",
        "Vectors of words, pixels or features, and a gain is worth a risk",
        "It gained most on words, pixels and features of photographs, and lost on few pairs.",
        ('MCCClassifier(batch_norm="joint")', "VADAClassifier()"),
        "methods/target_regularisation.md#mcc",
        "It strengthens what the model believes. Look at adaptation_report afterwards.",
    ),
    Leaf(
        "images",
        "A pretrained network and MCC",
        "Images, and a gain is worth a risk",
        "A pretrained network takes most of the shift away; a criterion adds some points.",
        (
            "MCCClassifier(backbone=backbone, freeze=True)",
            "AlignmentClassifier(None, backbone=backbone, freeze=True)",
        ),
        "your_own_images.md#frozen-or-end-to-end",
        "Pass a backbone with its weights (load_backbone), and compare with alignment=None.",
    ),
)
LEAVES = {leaf.name: leaf for leaf in _ENDS}
