"""Calls that the docs show, for ``mypy --strict``: a person's own file has to pass as this one."""

from pathlib import Path

import numpy as np

import domadapt
from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    AutoAdaptClassifier,
    AutoAdaptRegressor,
    DANClassifier,
    DANNClassifier,
    ImageLoader,
    MeanTeacherClassifier,
    OSBPClassifier,
    SHOTClassifier,
    pack,
)
from domadapt.alignment import CORAL, MMD
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor, CORALMapping, PerDomainScaler

Xs, ys, Xt = np.zeros((4, 2)), np.array([0, 1, 0, 1]), np.ones((3, 2))

clf = DANNClassifier(class_weight="balanced", label_smoothing=0.1, random_state=0)
clf.fit(Xs, ys, X_target=Xt)
losses: list[float] = clf.history_["task_loss"]
X, y, sample_domain = pack(Xs, ys, Xt)
labels = DANClassifier(max_epochs=2).fit(X, y, sample_domain=sample_domain).predict(Xt)
AlignmentClassifier("mmd", alignment_weight=2.0).set_params(alignment__bandwidth=1.5)
AlignmentClassifier(MMD(n_kernels=3), loss_weights="fixed", batch_norm=None)
AlignmentClassifier([(1.0, CORAL()), (0.5, "mcc")], hidden_layer_sizes=(64, 32)).fit(Xs, ys)
AlignmentRegressor(alignment=None, optimizer="adamw").fit(Xs, ys, sample_weight=np.ones(4))
OSBPClassifier(threshold=0.5, unknown=-1).fit(Xs, ys, X_target=Xt).predict_proba(Xt)
SHOTClassifier(checkpoint=Path("fit")).fit(Xs, ys).adapt(Xt, alignment="shot").transform(Xt)
MeanTeacherClassifier(augmentation=lambda batch: batch).save("model.safetensors")
DANNClassifier(image_loader=ImageLoader(crop=128), freeze=True, feature_cache="features")
adapted = AdaptedClassifier(object(), CORALMapping(regularization=0.1)).fit(Xs, ys, X_target=Xt)
adapted.set_params(adapter__regularization=1.0).save("model.safetensors")
AdaptedRegressor(object(), "linear_ot", random_state=0).fit(X, y, sample_domain=sample_domain)
PerDomainScaler(with_std=False).fit_transform(X, sample_domain=sample_domain)
auto = AutoAdaptClassifier(["mcc", ("meda+lr", {"random_state": [0, 1]})], n_jobs=2)
probabilities = auto.fit(Xs, ys, X_target=Xt).predict_proba(Xt)
explanation: str = auto.explain()
AutoAdaptRegressor(checkpoint=Path("search"), refit=False, random_state=0).fit(Xs, ys, X_target=Xt)
again = domadapt.load("model.safetensors", device="cpu")
