"""What each library does with two domains, as its own documentation says, in a process of its own.

    PYTHON _peer_fits.py PEER rows.npz predictions.json METHOD...

PYTHON is an interpreter that has the library; only ``domadapt`` itself needs domadapt. The rows
hold no target label. Predictions and CPU seconds come back.
"""

import importlib.metadata
import json
import math
import sys
import time
import traceback
import warnings
from types import SimpleNamespace

import numpy as np
from sklearn.linear_model import LogisticRegression

NETWORKS = ("dann", "cdan", "deepcoral", "dan")
SHALLOW = ("coral", "subspace_alignment", "ot", "kmm", "kliep")
# Of the hidden layer, for all that have no network of their own.
WIDTH = 256
PACKAGES = {
    "domadapt": ("domadapt", "torch"),
    "SKADA": ("skada", "skorch", "POT", "torch"),
    "pytorch-adapt": (
        "pytorch-adapt",
        "pytorch-metric-learning",
        "torchmetrics",
        "setuptools",
        "torch",
    ),
    "ADAPT": ("adapt", "tensorflow", "keras", "cvxopt"),
}


def plain():
    """Return the estimator that all methods without a network have."""
    return LogisticRegression(max_iter=1000)


def domadapt(method, rows, seed, training, weight):
    """Return what fits, and what predicts the target: the defaults are this library's."""
    from domadapt import CDANClassifier, DANClassifier, DANNClassifier, DeepCORALClassifier
    from domadapt.shallow import AdaptedClassifier

    if method in SHALLOW:
        model = AdaptedClassifier(plain(), method, random_state=seed)
    else:
        named = (DANNClassifier, CDANClassifier, DeepCORALClassifier, DANClassifier)
        model = dict(zip(NETWORKS, named, strict=True))[method](random_state=seed)
        if weight is not None:
            model.set_params(alignment_weight=weight)
        if training is not None:
            model.set_params(max_epochs=1, steps_per_epoch=training["updates"])
    Xs, Xt = rows.Xs, rows.Xt
    return lambda: model.fit(Xs, rows.ys, X_target=Xt), lambda: model.predict(Xt)


def skada(method, rows, seed, training, weight):
    """Follow SKADA's README, and its examples "plot_divergence" and "plot_adversarial".

    It has no network of its own. Batches of 128, SGD at 0.01 and 10 epochs are skorch's defaults;
    ``train_split=None`` stands in all of its examples.
    """
    import skada as library

    X, target = np.concatenate([rows.Xs, rows.Xt]), rows.Xt
    y = np.concatenate([rows.ys, np.full(len(rows.Xt), -1)])
    domain = np.repeat([1, -2], [len(rows.Xs), len(rows.Xt)])
    if method in SHALLOW:
        from shallow_speed import SKADA

        pipeline = getattr(library, SKADA[method].removesuffix("Adapter"))
        estimator = plain().set_fit_request(sample_weight=True)
        model = pipeline(estimator if method in ("kmm", "kliep") else plain())
    else:
        model = _skada_network(method, rows, seed, training, weight)
        X, target = X.astype(np.float32), rows.Xt.astype(np.float32)
    is_target = domain[domain < 0]
    return (
        lambda: model.fit(X, y, sample_domain=domain),
        lambda: model.predict(target, sample_domain=is_target),
    )


def _skada_network(method, rows, seed, training, weight):
    import torch
    from _rivals import network
    from skada import deep
    from torch import nn

    class Network(nn.Sequential):
        # SKADA passes weights to the module, None too.
        def forward(self, X, sample_weight=None):
            return super().forward(X)

    torch.manual_seed(seed)
    features, head = network(_settings(rows))
    sizes = {"num_features": WIDTH}
    own = {"dann": sizes, "cdan": sizes | {"n_classes": rows.n_classes}}
    kinds = (deep.DANN, deep.CDAN, deep.DeepCoral, deep.DAN)
    changed = {"batch_size": 128, "max_epochs": 10}
    if training is not None:
        batch = training["batch_size"]
        changed = {"batch_size": batch, "max_epochs": _epochs(training, rows.largest // batch)}
        changed |= {"lr": training["learning_rate"], "optimizer": torch.optim.Adam}
        if training["optimizer"] == "sgd":
            changed |= {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}
            changed["optimizer__nesterov"] = True
    return dict(zip(NETWORKS, kinds, strict=True))[method](
        Network(*features, head),
        layer_name="1",
        reg=1 if weight is None else weight,
        train_split=None,
        verbose=0,
        **changed,
        **own.get(method, {}),
    )


def pytorch_adapt(method, rows, seed, training, weight):
    """Follow its notebooks "DANNVanilla" and "PaperImplementationsAsHooks".

    It has no network and no length of training of its own: two epochs are those of the notebook.
    Batches of 32 and Adam at 0.0001 are its defaults.
    """
    import torch
    from _rivals import network
    from pytorch_adapt import hooks, layers
    from pytorch_adapt.containers import Models, Optimizers
    from pytorch_adapt.datasets import (
        CombinedSourceAndTargetDataset,
        DataloaderCreator,
        SourceDataset,
        TargetDataset,
    )
    from pytorch_adapt.layers.utils import get_kernel_scales
    from pytorch_adapt.models import Discriminator
    from pytorch_adapt.weighters import MeanWeighter

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002, its datasets draw from there
    Xs, Xt = (torch.from_numpy(X.astype(np.float32)) for X in (rows.Xs, rows.Xt))
    source = torch.utils.data.TensorDataset(Xs, torch.from_numpy(rows.ys))
    pairs = CombinedSourceAndTargetDataset(SourceDataset(source), TargetDataset(Xt))
    epochs, batch, chosen = 2, 32, (torch.optim.Adam, {"lr": 0.0001})
    if training is not None:
        batch = training["batch_size"]
        epochs = _epochs(training, len(rows.Xt) // batch)
        chosen = (torch.optim.Adam, {"lr": training["learning_rate"]})
        if training["optimizer"] == "sgd":
            chosen = (torch.optim.SGD, chosen[1] | {"momentum": 0.9, "nesterov": True})
    loader = DataloaderCreator(batch_size=batch)(train=pairs)["train"]
    features, head = network(_settings(rows))
    models = {"G": features, "C": head}
    if method in ("dann", "cdan"):
        models["D"] = Discriminator(in_size=WIDTH, h=256)
    models = Models(models)
    optimizers = Optimizers(chosen)
    optimizers.create_with(models)
    given = list(optimizers.values())
    # None stands for its own weights.
    losses = {"dann": ("src_domain_loss", "target_domain_loss")}
    losses["cdan"] = tuple(f"g_{name}" for name in losses["dann"])
    confusion = ("features_confusion_loss", "logits_confusion_loss")
    weighter = weight
    if weight is not None:
        weighter = MeanWeighter(weights=dict.fromkeys(losses.get(method, confusion), weight))
    misc = {}
    if method == "dann":
        hook = hooks.DANNHook(given, weighter=weighter)
    elif method == "cdan":
        misc["feature_combiner"] = layers.RandomizedDotProduct([WIDTH, rows.n_classes], WIDTH)
        hook = hooks.CDANHook(g_opts=given[:2], d_opts=given[2:], g_weighter=weighter)
    elif method == "deepcoral":
        coral = layers.CORALLoss()
        hook = hooks.AlignerPlusCHook(given, loss_fn=coral, softmax=False, weighter=weighter)
    else:
        mmd = layers.MMDLoss(kernel_scales=get_kernel_scales(low=-3, high=3, num_kernels=10))
        hook = hooks.AlignerPlusCHook(given, loss_fn=mmd, weighter=weighter)

    def fit():
        models.train()
        for _ in range(epochs):
            for batch in loader:
                hook({**models, **misc, **batch})

    def predict():
        models.eval()
        with torch.no_grad():
            return head(features(Xt)).argmax(1).numpy()

    return fit, predict


def adapt(method, rows, seed, training, weight):
    """Follow the examples in ADAPT's docstrings: 100 epochs, and its own small networks.

    Its task network has one output; for classes it is given as many, a softmax and their loss.
    """
    from adapt import feature_based, instance_based

    if method in SHALLOW:
        from shallow_speed import ADAPT

        modules = (feature_based, instance_based)
        kind = next(getattr(m, ADAPT[method]) for m in modules if hasattr(m, ADAPT[method]))
        model = kind(plain(), Xt=rows.Xt, verbose=0, random_state=seed)
        return lambda: model.fit(rows.Xs, rows.ys), lambda: model.predict(rows.Xt)
    import tensorflow as tf

    dense = tf.keras.layers.Dense
    hidden = [dense(10, activation="relu"), dense(10, activation="relu")]
    given, length = {}, {"epochs": 100}
    if training is not None:
        hidden, batch = [], training["batch_size"]
        kind = {"adam": tf.keras.optimizers.Adam, "sgd": tf.keras.optimizers.SGD}
        momentum = {"momentum": 0.9, "nesterov": True} if training["optimizer"] == "sgd" else {}
        given["optimizer"] = kind[training["optimizer"]](training["learning_rate"], **momentum)
        given["encoder"] = tf.keras.Sequential([dense(WIDTH, activation="relu")])
        epochs = _epochs(training, math.ceil(rows.largest / batch))
        length = {"epochs": epochs, "batch_size": batch}
    given["task"] = tf.keras.Sequential([*hidden, dense(rows.n_classes, activation="softmax")])
    if weight is not None:
        given["lambda_"] = weight
    kinds = {"dann": "DANN", "cdan": "CDAN", "deepcoral": "DeepCORAL"}
    tf.keras.utils.set_random_seed(seed)
    model = getattr(feature_based, kinds[method])(
        Xt=rows.Xt.astype(np.float32),
        loss="categorical_crossentropy",
        verbose=0,
        random_state=seed,
        **given,
    )
    labels = np.eye(rows.n_classes, dtype=np.float32)[rows.ys]
    return (
        lambda: model.fit(rows.Xs.astype(np.float32), labels, verbose=0, **length),
        lambda: model.predict(rows.Xt.astype(np.float32)).argmax(1),
    )


def _settings(rows):
    return {"n_columns": rows.Xs.shape[1], "width": WIDTH, "n_classes": rows.n_classes}


def _epochs(training, steps):
    """Return how many epochs have at least so many updates."""
    return math.ceil(training["updates"] / max(steps, 1))


PEERS = {"domadapt": domadapt, "SKADA": skada, "pytorch-adapt": pytorch_adapt, "ADAPT": adapt}
OFFERED = {
    "domadapt": NETWORKS + SHALLOW,
    "SKADA": NETWORKS + SHALLOW,
    "pytorch-adapt": NETWORKS,
    "ADAPT": ("dann", "cdan", "deepcoral", "coral", "subspace_alignment", "kmm", "kliep"),
}


DOCUMENTED, AS_OURS = "as documented", "with our settings"


def run(peer, rows, seeds, settings, methods):
    """Fit methods of one library on one pair.

    Parameters
    ----------
    peer : str
        A key of ``PEERS``.
    rows : namespace
        ``Xs``, ``ys``, ``Xt``, ``n_classes`` and ``largest``, the rows of the larger domain.
    seeds : int
        How often.
    settings : dict of str to dict
        Of each method with a network what domadapt takes by default: ``batch_size``,
        ``optimizer``, ``learning_rate`` and the number of ``updates``.
    methods : list of str
        Names out of ``OFFERED``.

    Returns
    -------
    fits : list of dict
        With predictions and CPU seconds, or the last line of the exception.
    """
    fits = []
    for method in methods:
        ways = {DOCUMENTED: None}
        if method in NETWORKS:
            # What is loaded and traced at first use is nobody's fit.
            _fit(peer, method, rows, 0, settings[method] | {"updates": 1}, None)
            ways |= {AS_OURS: settings[method]} if peer != "domadapt" else {}
        else:
            _fit(peer, method, rows, 0, None, None)
        for name, training in ways.items():
            for seed in range(seeds):
                found = _fit(peer, method, rows, seed, training, None)
                fits.append({"method": method, "training": name, "seed": seed} | found)
        if method in NETWORKS and "failed" not in found:
            # Of the last training and seed: has the weight any effect?
            idle = _fit(peer, method, rows, seeds - 1, training, 0.0)
            fits[-1]["same at weight 0"] = found["predictions"] == idle.get("predictions")
    return fits


def _fit(peer, method, rows, seed, training, weight):
    try:
        fit, predict = PEERS[peer](method, rows, seed, training, weight)
        start = time.process_time()
        fit()
        seconds = time.process_time() - start
        predictions = np.asarray(predict()).astype(int).tolist()
    except Exception as error:
        lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
        return {"failed": lines[-1][:160]}
    return {"seconds": round(seconds, 4), "predictions": predictions}


def versions_of(peer):
    """Return the versions that this interpreter has of what a library needs."""
    found = {}
    for name in (*PACKAGES[peer], "scikit-learn", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(peer, path, output, *methods):
    """Read rows, fit, and write what was predicted."""
    warnings.simplefilter("ignore")
    with np.load(path) as content:
        rows = SimpleNamespace(**{name: content[name] for name in ("Xs", "ys", "Xt")})
        seeds, settings = int(content["seeds"]), json.loads(str(content["settings"]))
    rows.n_classes, rows.largest = int(rows.ys.max()) + 1, max(len(rows.Xs), len(rows.Xt))
    fits = run(peer, rows, seeds, settings, methods)
    with open(output, "w") as file:
        json.dump({"versions": versions_of(peer), "fits": fits}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
