"""What all deep estimators say of their parameters and attributes, in one place."""

import re
from dataclasses import field, fields
from typing import TypeVar, dataclass_transform

from sklearn.base import ClassifierMixin

from domadapt.domains.base import estimator

ALIGNMENT = """alignment : str, nn.Module or list
        The criterion of the method: its name, or objects of its kind with parameters of
        your own. ``alignment__NAME`` is a parameter of it in ``set_params`` and searches.
    """

PARAMETERS = """hidden_layer_sizes : tuple of int, int or None, default=None
        Units in each hidden layer before the classifier; the last is the number of
        features that are aligned. The layers come after the columns of ``X``, after two
        convolutions for image stacks, or after ``backbone``. None stands for one layer
        of 256 units, and for no layer after a backbone that is trained too.
    dropout : float, default=0.0
        Share of the units of each hidden layer that are set to zero in training.
    backbone : nn.Module, default=None
        A feature extractor, of your own or from
        :func:`~domadapt.nn.load_backbone`: it maps a mini-batch to features of shape
        (n_samples, n_features). It is copied, never trained itself; the copy is trained in
        float64 if it has float64 weights, else in float32. What takes no gradient in it
        stays as it is, statistics of batch normalisation included.
    backbone_rate : float, default=None
        What the learning rate of the backbone is multiplied by. None stands for 0.1 for
        one that :func:`~domadapt.nn.load_backbone` gave weights, else for 1.
    freeze : bool, default=False
        Do not train the backbone: its features are computed once and trained on as
        vectors.
    feature_cache : str or path, default=None
        A folder in which features of images by a frozen backbone are kept for the next
        time. They are known again by the contents of the images, the transform and
        the weights.
    image_loader : ImageLoader, default=None
        How images become batches, where ``X`` holds paths of images. None stands for
        ``ImageLoader()``.
    batch_norm : {"auto", "per_domain", "joint"} or None, default="auto"
        Statistics of batch normalisation layers, in a backbone of your own too:
        ``"per_domain"`` normalises source and target samples each by their own and predicts
        with those of the target; ``"joint"`` by those of both together. With None the
        default backbone has no batch normalisation. ``"auto"`` stands for ``"per_domain"``
        where a criterion aligns the domains (SHOT in ``adapt``, too), and for None where
        there is no criterion or no target: plain layers learn more from a source alone.
        Where the proportions of the classes differ between the domains, statistics by
        domain take away what should stay, and ``"joint"`` or None lose less.
    alignment_weight : float, default=None
        Multiplies the gradient that flows from the alignment criterion into the network,
        on top of the schedule. None takes the criterion's own ``default_weight``, such
        as 2.5 for MMD, 6 for CORAL and 0.3 for DomainAdversarial; 1 for one that has
        none, and for a list, which has its own weights.
    alignment_schedule : {"dann", "linear", "constant"} or callable, default="dann"
        Factor on the alignment weight as training proceeds: ``"dann"`` rises as
        2 / (1 + exp(-10 p)) - 1 with progress p from 0 to 1. A callable maps p to the
        factor.
    optimizer : {"sgd", "adam", "adamw"}, default="sgd"
        ``"sgd"`` has Nesterov momentum 0.9.
    learning_rate : float, default=0.03
        Step size at the start.
    learning_rate_schedule : {"dann", "constant"} or callable, default="dann"
        Factor on the learning rate as training proceeds: ``"dann"`` falls as
        (1 + 10 p) to the power of -0.75. A callable maps p to the factor.
    weight_decay : float, default=5e-4
        L2 penalty, decoupled in ``"adamw"``.
    batch_size : int, default=64
        Samples per domain in a mini-batch. A smaller domain gives all it has.
    accumulate : int, default=1
        In how many parts the features of a mini-batch are computed, where its activations do
        not fit into memory at once. The criterion sees the whole mini-batch all the same, and
        the gradient is that of the whole; each part runs through the network twice. It has to
        divide ``batch_size``. Statistics of batch normalisation are those of each part.
    max_epochs : int, default=30
        Passes over the larger domain; the smaller comes round as often as it must. With
        ``steps_per_epoch``, rounds of so many updates.
    steps_per_epoch : int, default=None
        Updates in an epoch. None stands for a pass over the larger domain, and for
        eight at least: an epoch of a few hundred samples goes over them several times.
    precision : {"float32", "bfloat16"}, default="float32"
        What the feature extractor computes in. With ``"bfloat16"`` weights, losses and
        features stay in float32 in between, as torch's autocast has it.
    checkpoint : str or path, default=None
        A file that is written after every epoch, with weights in safetensors and no
        pickle. Where it is there already, ``fit`` resumes from it, to the weights that it
        would have had without a stop; a file of other parameters or data is refused.
        It needs an integer ``random_state``.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to train. ``"auto"`` takes CUDA where there is any.
    random_state : int, RandomState instance or None, default=None
        Draws initial weights and the order of samples. An integer gives the same weights
        on every fit with the same data and device.
    verbose : bool, default=False
        Print a line for each epoch, and how many images a frozen backbone has gone through
        before the first. For a progress bar, register
        ``sklearn.callback.ProgressBar`` with ``set_callbacks``."""

OF_CLASSIFIERS = """
    label_smoothing : float, default=0.1
        Share of each source label that is spread evenly over all classes.
    focal_gamma : float, default=0.0
        Focal loss: the cross-entropy of a sample times (1 - p) to the power of
        ``focal_gamma``, with p the probability of its label, so that samples which are
        right already count less. With 0 they all count alike. ``label_smoothing`` changes the
        cross-entropy and not p; weights of samples and classes multiply the product.
    class_weight : dict, "balanced" or None, default=None
        Weights of the source classes in the task loss."""

CLASSES = """classes_ : ndarray of shape (n_classes,)
        The labels, sorted."""

VALUES = """y_mean_, y_scale_ : ndarray of shape (n_outputs,), float64
        Mean and standard deviation of the source values, in whose units the network
        learns."""

ATTRIBUTES = """
    batch_norm_ : str or None
        What ``batch_norm`` stood for in ``fit``.
    module_ : FeatureClassifier
        The trained network: ``module_(x)`` gives logits, or values in standard units,
        ``module_.feature_extractor(x)`` features.
    history_ : dict of str to list of float
        For each epoch the means of ``task_loss`` and ``alignment_loss``, and the
        ``alignment_weight`` and ``learning_rate`` of its last step; and the mean loss of each
        criterion by its name.
    criterion_ : nn.Module, callable or list
        The criterion as training has left it, such as its discriminator; a list of
        several. Not there after a fit without alignment, nor in a loaded estimator.
    n_steps_ : int
        Updates made.
    transduction_ : ndarray of shape (n_target,)
        What is predicted for the target samples given to ``fit``, in their order. Not there
        after a fit without a target.
    n_skipped_images_ : int
        Images left out of ``fit`` since they could not be read.
    n_features_in_ : int
        Columns seen in ``fit``; not there where ``X`` held paths.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names."""

# Attributes that only a fit with a target has.
OF_ALIGNMENT = ("criterion_", "transduction_")

OF_REGRESSORS = """>>> import numpy as np
    >>> from domadapt import {name}
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(150, 5)), rng.normal(size=(150, 5)) + [0, 0, 2, 2, 2]
    >>> ys, yt = Xs[:, 0] + Xs[:, 1], Xt[:, 0] + Xt[:, 1]
    >>> reg = {name}(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> reg.transduction_.shape, bool(reg.score(Xt, yt) > 0.9)
    ((150,), True)"""

EXAMPLE = """>>> from sklearn.datasets import make_blobs
    >>> from domadapt import {name}
    >>> Xs, ys = make_blobs(100, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(100, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = {name}(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((100,), True)"""


# The sections that are completed, and those that come after them.
AFTER = {
    "Parameters": ("Attributes", "References", "Examples"),
    "Attributes": ("References", "Examples"),
}

Kind = TypeVar("Kind", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
def deep_estimator(kind: Kind) -> Kind:
    """Declare a deep estimator: its annotated attributes are the keywords of its constructor.

    Its docstring gets what all of them share: the parameters and attributes beside those of
    its own, each with the default of this class, and an example. Those that the docstring of a
    base has, for a family of estimators, come first.
    """
    declared = estimator(kind)
    declared.__doc__ = _complete(declared)
    return declared


def _complete(kind):
    classifies = issubclass(kind, ClassifierMixin)
    names = {f.name for f in fields(kind)}
    text = kind.__doc__.rstrip()
    for base in kind.__mro__[1:]:
        text = _with_sections_of(base, text)
    shared = _missing(ALIGNMENT + PARAMETERS + OF_CLASSIFIERS, text, names.__contains__)
    text = _extended(text, "Parameters", shared, before=AFTER["Parameters"])
    aligns = "alignment_weight" in names
    attributes = _missing(
        (CLASSES if classifies else VALUES) + ATTRIBUTES,
        text,
        lambda name: aligns or name not in OF_ALIGNMENT,
    )
    text = _extended(text, "Attributes", attributes, before=AFTER["Attributes"])
    example = EXAMPLE if classifies else OF_REGRESSORS
    if "\n    Examples\n" not in text:
        text = _extended(text, "Examples", example.format(name=kind.__name__), before=())
    for name in names:
        # The text has the defaults of AlignmentClassifier.
        note = rf"(\n    {name} : .*?)(, default=\S+)?(?=\n)"
        text = re.sub(note, rf"\g<1>, default={getattr(kind, name)!r}", text, count=1)
    return text + "\n    "


def _with_sections_of(base, text):
    """Return a docstring with the parameters and attributes that a base's docstring has."""
    of_base = base.__doc__ or ""
    if not base.__module__.startswith("domadapt."):
        return text
    for section, later in AFTER.items():
        _, title, content = of_base.partition(f"\n    {section}\n    {'-' * len(section)}\n    ")
        if title:
            content = re.split(rf"\n    (?:{'|'.join(later)})\n    ---", content)[0].rstrip()
            missing = _missing(content, text, bool)
            text = _extended(text, section, missing, before=later)
    return text


def _missing(texts, docstring, wanted):
    """Return those of the shared texts that are wanted and not in a docstring already."""
    texts = re.split(r"\n    (?=\w+(?:, \w+)* : )", texts)
    names = [one.partition(" : ")[0] for one in texts]
    return "\n    ".join(
        one
        for name, one in zip(names, texts, strict=True)
        if wanted(name) and f"\n    {name} : " not in docstring
    )


def _extended(text, section, content, *, before):
    """Return a docstring with lines at the end of a section, which is made where it is not."""
    found = [at for name in before if (at := text.find(f"\n    {name}\n    ---")) >= 0]
    place = min(found, default=len(text))
    start, end = text[:place].rstrip(), text[place:]
    title = "" if f"\n    {section}\n" in start else f"\n\n    {section}\n    {'-' * len(section)}"
    return f"{start}{title}\n    {content}" + (f"\n{end}" if end else "")
