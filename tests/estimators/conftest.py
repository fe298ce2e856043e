"""Every estimator, small and quick."""

import pytest

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, DeepCORALClassifier

ESTIMATORS = [AlignmentClassifier, DANNClassifier, DANClassifier, DeepCORALClassifier]

SMALL = {
    "hidden_layer_sizes": (16,),
    "optimizer": "sgd",
    "learning_rate": 0.03,
    "max_epochs": 3,
    "batch_size": 32,
    "random_state": 0,
}


@pytest.fixture(params=ESTIMATORS, ids=lambda estimator: estimator.__name__)
def make(request):
    """Build the estimator with few epochs, small layers and a seed."""

    def build(**parameters):
        return request.param(**{**SMALL, **parameters})

    return build


@pytest.fixture
def weights():
    """Read all weights and statistics of a fitted estimator."""

    def read(estimator):
        return {name: value.clone() for name, value in estimator.module_.state_dict().items()}

    return read


@pytest.fixture
def same():
    """Say whether two estimators have the same weights to the last bit."""

    def compare(a, b):
        first, second = a.module_.state_dict(), b.module_.state_dict()
        return first.keys() == second.keys() and all(
            bool((first[name] == second[name]).all()) for name in first
        )

    return compare
