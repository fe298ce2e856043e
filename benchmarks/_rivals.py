"""The benchmark's workload in SKADA and in pytorch-adapt, where they are installed."""

import numpy as np
import torch
from torch import nn


def network(settings):
    """Return the feature extractor and the head that all contestants train."""
    features = nn.Sequential(nn.Linear(settings["n_columns"], settings["width"]), nn.ReLU())
    return features, nn.Linear(settings["width"], settings["n_classes"])


def skada_fit(method, X, y, X_target, device, settings):
    """Train with SKADA's deep estimators."""
    from skada.deep import DANN, DeepCoral

    torch.manual_seed(0)
    features, head = network(settings)
    module = nn.Sequential(*features, head)
    common = {
        "layer_name": "1",
        "batch_size": settings["batch_size"],
        "max_epochs": settings["epochs"],
        "train_split": None,
        "verbose": 0,
        "device": device,
        "optimizer": torch.optim.SGD,
        "optimizer__momentum": 0.9,
        "lr": settings["learning_rate"],
    }
    if method == "dann":
        net = DANN(module, reg=1.0, num_features=settings["width"], **common)
    else:
        net = DeepCoral(module, reg=1.0, **common)
    rows = np.concatenate([X, X_target])
    labels = np.concatenate([y, np.full(len(X_target), -1)])
    domain = np.repeat([1, -2], [len(X), len(X_target)])
    return net.fit(rows, labels, sample_domain=domain)


def pytorch_adapt_fit(method, X, y, X_target, device, settings):
    """Train with pytorch-adapt's hooks, on batches by index."""
    from pytorch_adapt.hooks import AlignerPlusCHook, DANNHook
    from pytorch_adapt.layers import CORALLoss, MMDLoss

    torch.manual_seed(0)
    X, y, X_target = (torch.from_numpy(a).to(device) for a in (X, y, X_target))
    features, head = network(settings)
    models = {"G": features.to(device), "C": head.to(device)}
    if method == "dann":
        width = settings["width"]
        discriminator = nn.Sequential(
            nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 1), nn.Flatten(0)
        )
        models["D"] = discriminator.to(device)
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=settings["learning_rate"], momentum=0.9)
        for model in models.values()
    ]
    if method == "dann":
        hook = DANNHook(optimizers)
    elif method == "coral":
        hook = AlignerPlusCHook(optimizers, loss_fn=CORALLoss())
    else:
        scales = 2.0 ** torch.arange(-2, 3)
        hook = AlignerPlusCHook(
            optimizers, loss_fn=MMDLoss(kernel_scales=scales, mmd_type="quadratic")
        )
    batch = settings["batch_size"]
    domain = {"src_domain": torch.zeros(batch), "target_domain": torch.ones(batch)}
    domain = {name: value.to(device) for name, value in domain.items()}
    for _ in range(settings["epochs"]):
        order = torch.randperm(len(X), device=device), torch.randperm(len(X), device=device)
        for i in range(len(X) // batch):
            source, target = (rows[i * batch : (i + 1) * batch] for rows in order)
            data = {"src_imgs": X[source], "src_labels": y[source], "target_imgs": X_target[target]}
            hook({**models, **data, **domain})
    return models


def _for_method(function, method):
    return lambda *data: function(method, *data)


RIVALS = {
    "skada": {method: _for_method(skada_fit, method) for method in ("dann", "coral")},
    "pytorch_adapt": {
        method: _for_method(pytorch_adapt_fit, method) for method in ("dann", "coral", "mmd")
    },
}
