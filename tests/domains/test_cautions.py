"""Warnings about data that is allowed and yet hardly meant."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, DANNClassifier, pack
from domadapt.domains.cautions import warn_of_scales
from domadapt.domains.samples import Samples


def make(**parameters):
    settings = {"alignment": None, "max_epochs": 7, "hidden_layer_sizes": 4, "random_state": 0}
    return AlignmentClassifier(**{**settings, **parameters})


@pytest.fixture
def quiet():
    """Fail where anything warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_ordinary_data_warns_of_nothing(blobs, quiet):
    X, y, X_target, _ = blobs
    make().fit(X, y, X_target=X_target)
    make(alignment="mmd").fit(X, y, X_target=X_target)
    make().fit(sparse.csr_array(X), y, X_target=sparse.csr_array(X_target))
    constant = np.column_stack([X, np.full(len(X), 5.0), np.zeros(len(X))])
    assert make().fit(constant, y).n_steps_ == 7 * 8


def test_rare_words_warn_of_nothing(quiet):
    rng = np.random.default_rng(0)
    X = sparse.random_array((300, 200), density=0.02, rng=rng, format="csr")
    target = sparse.random_array((300, 200), density=0.01, rng=rng, format="csr")
    assert make().fit(X, np.arange(300) % 2, X_target=target).transduction_.shape == (300,)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "factors", [{0: 1e4}, dict.fromkeys(range(10), 1e4), dict.fromkeys(range(10), 1e-6)]
)
def test_columns_of_wild_scale_are_told(blobs, kind, factors):
    X, y, X_target, _ = blobs
    X, X_target = X.astype(np.float64), X_target.astype(np.float64)
    for column, factor in factors.items():
        X[:, column] *= factor
        X_target[:, column] *= factor
    with pytest.warns(UserWarning, match="columns of X are of wild scale") as caught:
        make(batch_norm="per_domain").fit(kind(X), y, X_target=kind(X_target))
    assert caught[0].filename == __file__
    assert sum("wild scale" in str(warning.message) for warning in caught) == 1


def test_years_beside_shares_are_told(blobs):
    X, y, _, _ = blobs
    X[:, 3] = 2000 + np.arange(len(X)) % 7
    with pytest.warns(UserWarning, match="wild scale"):
        make().fit(X, y)


def test_a_pipeline_that_scales_the_source_alone_is_told(blobs):
    X, y, X_target, _ = blobs
    X[:, 4] *= 1000
    X_target[:, 4] *= 1000
    pipe = make_pipeline(StandardScaler(), make())
    with pytest.warns(UserWarning, match=r"Column 4 .* transform_input=\['X_target'\]"):
        pipe.fit(X, y, alignmentclassifier__X_target=X_target)
    both, labels, domain = pack(X, y, X_target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe.fit(both, labels, alignmentclassifier__sample_domain=domain)


def test_rows_of_a_target_without_sample_domain_are_told(blobs):
    X, y, X_target, _ = blobs
    both, by_hand = np.concatenate([X, X_target]), np.r_[y, np.full(len(X_target), -1)]
    with pytest.warns(UserWarning, match="-1 is learnt as a class"):
        make().fit(both, by_hand)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(X, np.where(y > 0, 1, -1))


@pytest.mark.parametrize("labels", [np.arange(3), np.array(["a", "b", "c"]), np.arange(3) + 0.0])
def test_the_filler_of_pack_is_never_learnt(blobs, labels, untrained):
    X, y, X_target, _ = blobs
    both, packed, domain = pack(X, labels[y], X_target)
    with pytest.raises(ValueError, match=r"no label at 75 samples\. Pass sample_domain"):
        DANNClassifier().fit(both, packed)
    with pytest.raises(ValueError, match="no label at 75 source samples"):
        DANNClassifier().fit(both, packed, sample_domain=-domain)


def test_of_many_rows_some_are_looked_at():
    seen = []

    class Counted(Samples):
        def take(self, rows):
            seen.append(len(rows))
            return super().take(rows)

    for shape in ((30_000, 2), (5_000, 3_000), (50, 3_000)):
        X = np.ones(shape, dtype=np.float32)
        X[:, 0] = np.arange(len(X)) % 3
        X[:, 1] = 1e6 * X[:, 0]
        with pytest.warns(UserWarning, match="wild scale"):
            warn_of_scales(SimpleNamespace(source=Counted(X), target=None))
    assert seen == [10_000, 2**22 // 3_000, 50]


def test_numbers_that_are_refused_are_not_warned_of_as_well(blobs):
    X, y, _, _ = blobs
    X = X.astype(np.float64)
    X[3, 2] = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="too large for float32"):
            make().fit(X, y)
