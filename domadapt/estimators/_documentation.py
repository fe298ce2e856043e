"""The docstring parts that all deep estimators share."""

PARAMETERS = """hidden_layer_sizes : tuple of int or int, default=(256,)
        Units in each hidden layer of the default backbone; the last is the number of
        features that are aligned. For image stacks the layers come after two
        convolutions.
    backbone : nn.Module, default=None
        A feature extractor of your own: it maps a batch to features of shape
        (n_rows, n_features). It is copied, never trained itself; the copy is trained in
        float64 if it has float64 weights, else in float32.
    batch_norm : {"per_domain", "joint"} or None, default="per_domain"
        Statistics of batch normalisation layers, in a backbone of your own too:
        ``"per_domain"`` normalises source and target rows each by their own and predicts
        with those of the target; ``"joint"`` by those of both together. With None the
        default backbone has no batch normalisation.
    alignment_weight : float, default=None
        Multiplies the gradient that flows from the alignment criterion into the network,
        on top of the schedule. None takes the criterion's own ``default_weight``: 2.5
        for MMD, 6 for CORAL, 0.3 for the adversarial criterion, 1 for one that has none.
    alignment_schedule : {"dann", "linear", "constant"} or callable, default="dann"
        Factor on the alignment weight as training goes on: ``"dann"`` rises as
        2 / (1 + exp(-10 p)) - 1 with progress p from 0 to 1. A callable maps p to the
        factor.
    optimizer : {"sgd", "adam", "adamw"}, default="sgd"
        ``"sgd"`` has Nesterov momentum 0.9.
    learning_rate : float, default=0.03
        Step size at the start.
    learning_rate_schedule : {"dann", "constant"} or callable, default="dann"
        Factor on the learning rate as training goes on: ``"dann"`` falls as
        (1 + 10 p) to the power of -0.75. A callable maps p to the factor.
    weight_decay : float, default=5e-4
        L2 penalty, decoupled in ``"adamw"``.
    label_smoothing : float, default=0.1
        Share of each source label that is spread evenly over all classes.
    batch_size : int, default=64
        Rows per domain in a batch. A smaller domain gives all its rows.
    max_epochs : int, default=30
        Passes over the larger domain; the smaller comes round as often as it must.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to train. ``"auto"`` takes CUDA where there is any.
    class_weight : dict, "balanced" or None, default=None
        Weights of the source classes in the task loss.
    random_state : int, RandomState instance or None, default=None
        Draws initial weights and the order of rows. An integer gives the same weights
        on every fit with the same data and device.
    verbose : bool, default=False
        Print a line for each epoch. For a progress bar, register
        ``sklearn.callback.ProgressBar`` with ``set_callbacks``."""

ATTRIBUTES = """classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    module_ : FeatureClassifier
        The trained network: ``module_(x)`` gives logits, ``module_.feature_extractor(x)``
        features.
    history_ : dict of str to list of float
        For each epoch the means of ``task_loss`` and ``alignment_loss``, and the
        ``alignment_weight`` and ``learning_rate`` of its last step.
    n_steps_ : int
        Updates made.
    transduction_ : ndarray of shape (n_target,)
        Labels inferred for the target rows given to ``fit``, in their order. Not there
        after a fit without a target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` was a DataFrame with string names."""


def shares_documentation(estimator):
    """Fill in what all deep estimators say of their parameters and attributes.

    Parameters
    ----------
    estimator : type
        A class whose docstring holds ``{parameters}`` and ``{attributes}``.

    Returns
    -------
    estimator : type
        The same class.
    """
    estimator.__doc__ = estimator.__doc__.replace("{parameters}", PARAMETERS).replace(
        "{attributes}", ATTRIBUTES
    )
    return estimator
