"""A captured step trains what single operations train, by a graph that stands for CUDA's."""

import warnings

import numpy as np
import pytest
import torch
from recorded_graph import RecordedGraph
from sklearn.base import clone
from torch import nn

from domadapt import AlignmentClassifier, DANNClassifier, estimators, fit_together, pack
from domadapt.alignment import CORAL
from domadapt.training import captured
from domadapt.training.captured import WARM_UP, reason_against_capture
from domadapt.training.trainer import Trainer

SETTINGS = {
    "hidden_layer_sizes": (16,),
    "max_epochs": 3,
    "steps_per_epoch": 4,
    "batch_size": 32,
    "dropout": 0.2,
    "random_state": 0,
}
N_REPLAYS = 3 * 4 - WARM_UP
# What no graph holds: it runs on the CPU, or waits for a value.
UNABLE = {"BNMClassifier", "DeepJDOTClassifier", "DeepJDOTRegressor", "RSDRegressor"}
# One that learns nothing of its own, one that does, one that draws, one that runs the network
# itself, one that looks at the whole target before an epoch, and one with a second stage.
OFTEN = {"DANClassifier", "DANNClassifier", "SWDClassifier", "VADAClassifier", "PADAClassifier"}
OFTEN |= {"ADDAClassifier", "BNMClassifier"}
EVERY = [
    pytest.param(getattr(estimators, name), marks=[] if name in OFTEN else pytest.mark.many)
    for name in estimators.__all__
]


@pytest.fixture
def graphs(monkeypatch):
    """Let the steps of all fits be captured as on a GPU; the graphs that hold them."""
    made = []

    def make_graph(device, random_numbers):
        made.append(RecordedGraph(random_numbers))
        return made[-1]

    monkeypatch.setattr(captured, "CudaGraph", make_graph)
    monkeypatch.setattr(captured, "DEVICES", ("cpu",))
    return made


def small(estimator):
    known = estimator().get_params()
    return estimator(**{name: value for name, value in SETTINGS.items() if name in known})


def fit_both(estimator, request, *data, **given):
    """Fit a clone without and one with a captured step; return both, and the graphs."""
    eager = clone(estimator).fit(*data, **given)
    graphs = request.getfixturevalue("graphs")
    return eager, clone(estimator).fit(*data, **given), graphs


def alike(eager, replayed):
    """Return whether the networks are the same up to the rounding of products."""
    first, second = (clf.module_.state_dict() for clf in (eager, replayed))
    return first.keys() == second.keys() and all(
        bool(((second[name] - value).abs() <= 1e-6 * value.abs().max()).all())
        for name, value in first.items()
    )


@pytest.mark.parametrize("estimator", EVERY, ids=lambda estimator: estimator.__name__)
def test_a_captured_fit_is_the_same(estimator, blobs, request):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    # Two sources, for the method that needs them.
    sample_domain[:45] = 2
    eager, replayed, graphs = fit_both(small(estimator), request, X, y, sample_domain=sample_domain)
    assert alike(eager, replayed)
    for name, values in eager.history_.items():
        np.testing.assert_allclose(replayed.history_[name], values, rtol=1e-5, atol=1e-7)
    assert bool(graphs) == (estimator.__name__ not in UNABLE)
    assert all(graph.n_replays == N_REPLAYS for graph in graphs)


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "sgd", "learning_rate": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"precision": "bfloat16", "batch_norm": "joint"},
        {"focal_gamma": 2.0, "label_smoothing": 0.0},
        {"alignment": [(1.0, "coral"), (1.0, "mcc")], "loss_weights": "uncertainty"},
        {"alignment": [(1.0, "coral"), (1.0, "mcc")], "loss_weights": "gradnorm"},
        {"alignment": None},
        {"backbone": nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Dropout(0.5))},
    ],
    ids=str,
)
def test_with_all_that_a_step_may_do(parameters, blobs, request):
    Xs, ys, Xt, yt = blobs
    known = np.where(np.arange(len(yt)) < 10, yt, None)
    eager, replayed, (graph,) = fit_both(
        AlignmentClassifier(**SETTINGS).set_params(**parameters),
        request,
        Xs,
        ys,
        X_target=Xt,
        y_target=known,
        sample_weight=np.linspace(0.5, 1.5, len(ys)),
    )
    assert alike(eager, replayed)
    assert graph.n_replays == N_REPLAYS


def test_images(request):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3, 8, 8)).astype(np.float32), np.arange(40) % 2
    clf = DANNClassifier(max_epochs=1, batch_size=16, random_state=0)
    eager, replayed, (graph,) = fit_both(clf, request, X, y, X_target=X + 0.5)
    assert alike(eager, replayed)
    assert graph.n_replays == 8 - WARM_UP


def test_fits_at_once_are_captured_as_one_and_anew_when_one_has_ended(blobs, request):
    Xs, ys, Xt, _ = blobs
    ways = [
        DANNClassifier(**SETTINGS).set_params(random_state=seed, max_epochs=2 + seed)
        for seed in range(3)
    ]
    eager = fit_together([clone(clf) for clf in ways], Xs, ys, X_target=Xt)
    graphs = request.getfixturevalue("graphs")
    replayed = fit_together(ways, Xs, ys, X_target=Xt)
    assert all(map(alike, eager, replayed))
    # Two epochs of three networks, one of two, and one of the last alone.
    assert sorted(graph.n_replays for graph in graphs if graph.n_warm) == [1, 1, 5]


def test_a_layer_that_stops_learning_is_captured_anew(blobs, request, monkeypatch):
    Xs, ys, Xt, _ = blobs
    begin_epoch = Trainer.begin_epoch

    def freezing(trainer):
        trainer.network.classifier.requires_grad_(trainer.n_epochs < 2)
        return begin_epoch(trainer)

    monkeypatch.setattr(Trainer, "begin_epoch", freezing)
    eager, replayed, (graph,) = fit_both(small(DANNClassifier), request, Xs, ys, X_target=Xt)
    assert alike(eager, replayed)
    assert (graph.n_captures, graph.n_replays) == (2, N_REPLAYS)


def test_new_tensors_of_a_criterion_are_found_by_the_next_capture(blobs, request):
    Xs, ys, Xt, _ = blobs
    eager, replayed, (graph,) = fit_both(
        small(estimators.PADAClassifier), request, Xs, ys, X_target=Xt
    )
    assert alike(eager, replayed)
    assert graph.n_captures == 3


class Waits(nn.Module):
    """Doubles its features where their sum is positive, which a graph cannot know."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 8)

    def forward(self, x):
        features = self.linear(x)
        return 2 * features if features.sum() > 0 else features


def test_what_cannot_be_captured_is_told_once_and_trained_all_the_same(blobs, request):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(backbone=Waits(), **SETTINGS)
    eager = clone(clf).fit(Xs, ys, X_target=Xt)
    (graphs,) = (request.getfixturevalue("graphs"),)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        replayed = clf.fit(Xs, ys, X_target=Xt)
    told = [str(w.message) for w in caught if "CUDA graph" in str(w.message)]
    assert len(told) == 1
    assert "_local_scalar_dense cannot stand in a graph" in told[0]
    assert "capturable = False" in told[0]
    assert alike(eager, replayed)
    assert graphs[0].n_replays == 0


@pytest.mark.parametrize("part", ["layer", "criterion"])
def test_what_says_that_it_cannot_be_captured_is_not_tried(part, blobs, graphs):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(CORAL(), backbone=nn.Linear(10, 8), **SETTINGS)
    marked = clf.backbone if part == "layer" else clf.alignment
    marked.capturable = False
    clf.fit(Xs, ys, X_target=Xt)
    assert graphs == []


def test_the_reason_is_named():
    step = nn.Module()
    step.network = nn.Linear(2, 2)
    step.network.device, step.accumulate = torch.device("cpu"), 1
    assert reason_against_capture(step) == "it does not run on CUDA"
    step.network.device = torch.device("cuda")
    step.criteria = None
    assert reason_against_capture(step) is None
    step.accumulate = 2
    assert reason_against_capture(step) == "its mini-batches are run in parts"
    step.accumulate, step.network.capturable = 1, False
    assert reason_against_capture(step) == "Linear says that no graph can hold it"
