"""What every estimator holds to: bad input told before work, files, clones, the same seed."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

import domadapt
from domadapt import AlignmentClassifier
from domadapt.datasets import load_camera_digits
from domadapt.inductive import FineTuneClassifier, FineTuneRegressor, _comparison
from domadapt.nn import load_backbone
from domadapt.shallow import AdaptedClassifier

SHORT = {"max_epochs": 8, "random_state": 0}


class Flat(nn.Module):
    """A backbone of a person's own, which a file cannot hold."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        return self.layer(x).relu()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"source": None}, ValueError, "source=None leaves nothing to start from.*fitted"),
        ({"source": AlignmentClassifier()}, NotFittedError, "AlignmentClassifier is not fitted"),
        ({"source": LogisticRegression()}, TypeError, "source is a LogisticRegression"),
        ({"source": "no_such_file"}, FileNotFoundError, "no_such_file"),
        ({"source": nn.Linear(5, 4)}, ValueError, "the network of source failed on samples"),
        ({"regularisation": "ewc"}, ValueError, "needs source samples.*source_samples="),
        ({"regularisation": "ewc", "source": Flat()}, ValueError, "backbone predicts nothing"),
        (
            {"regularisation": "ewc", "source_samples": {"x": torch.ones(2)}},
            ValueError,
            r"not of this source: \['x'\]",
        ),
        ({"regularisation": "ewc", "source_samples": np.ones((4, 9))}, ValueError, "9 features"),
        (
            {"regularisation": "distillation", "new_first_layer": True},
            ValueError,
            "which it cannot take",
        ),
        ({"strategy": "some"}, ValueError, "The 'strategy' parameter"),
        ({"rate_decay": 0.5}, ValueError, "The 'rate_decay' parameter"),
    ],
)
def test_bad_input_is_told_before_training(rows, source, settings, error, message):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(**({"source": source} | settings))
    with pytest.raises(error, match=message):
        clf.fit(Xt, yt)
    assert not hasattr(clf, "module_")


def test_a_comparison_needs_two_rows_of_each_class(rows, source):
    _, _, Xt, _ = rows
    y = np.array([0] * 11 + [1])
    with pytest.raises(ValueError, match="class 1 has 1"):
        FineTuneClassifier(source, compare=True).fit(Xt, y)


def test_a_file_of_something_else_is_no_source(rows, tmp_path):
    Xs, ys, Xt, yt = rows
    AdaptedClassifier(LogisticRegression()).fit(Xs, ys, X_target=Xt).save(tmp_path / "shallow")
    with pytest.raises(ValueError, match=r"holds a AdaptedClassifier.*Pass a fitted estimator"):
        FineTuneClassifier(tmp_path / "shallow").fit(Xt, yt)


@pytest.mark.parametrize("kind", ["estimator", "path", "chain", "named", "values"])
def test_what_is_saved_predicts_the_same_and_can_be_fitted_again(
    rows, source, source_of_values, kind, tmp_path
):
    Xs, _, Xt, yt = rows
    settings = {**SHORT, "regularisation": "ewc", "source_samples": Xs}
    if kind == "path":
        source.save(tmp_path / "source")
        clf = FineTuneClassifier(tmp_path / "source", **settings)
    elif kind == "chain":
        first = FineTuneClassifier(source, n_reinitialised=1, **SHORT).fit(Xt, yt)
        clf = FineTuneClassifier(first, **settings)
    elif kind == "values":
        clf, yt = FineTuneRegressor(source_of_values, **settings), Xt.sum(1)
    elif kind == "named":
        Xt = np.random.default_rng(0).normal(size=(12, 3, 32, 32)).astype(np.float32)
        torch.manual_seed(0)
        backbone = load_backbone("mobilenet_v3_small")
        clf = FineTuneClassifier(backbone, strategy="head", **SHORT)
    else:
        clf = FineTuneClassifier(source, **settings)
    clf.fit(Xt, yt).save(tmp_path / "model")
    if kind == "path":
        (tmp_path / "source").unlink()
    again = domadapt.load(tmp_path / "model", **({} if kind == "named" else {"source_samples": Xs}))
    np.testing.assert_array_equal(again.predict(Xt), clf.predict(Xt))
    np.testing.assert_array_equal(again.transform(Xt), clf.transform(Xt))
    if kind in ("estimator", "chain", "values"):
        refitted = clone(again).fit(Xt, yt)
        np.testing.assert_array_equal(refitted.transform(Xt), clf.transform(Xt))
        assert again.fisher_.keys() == clf.fisher_.keys()
    copied = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copied.predict(Xt), clf.predict(Xt))


def test_a_backbone_of_ones_own_has_to_be_given_to_load(rows, tmp_path):
    _, _, Xt, yt = rows
    torch.manual_seed(0)
    clf = FineTuneClassifier(Flat(), **SHORT).fit(Xt, yt)
    clf.save(tmp_path / "model")
    with pytest.raises(ValueError, match="source=Flat"):
        domadapt.load(tmp_path / "model")
    again = domadapt.load(tmp_path / "model", source=Flat())
    np.testing.assert_array_equal(again.predict_proba(Xt), clf.predict_proba(Xt))


def test_a_fine_tuned_file_is_a_source_too(rows, source, tmp_path):
    _, _, Xt, yt = rows
    first = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    first.save(tmp_path / "first")
    of_file = FineTuneClassifier(tmp_path / "first", **SHORT).fit(Xt, yt)
    of_estimator = FineTuneClassifier(first, **SHORT).fit(Xt, yt)
    np.testing.assert_array_equal(of_file.predict_proba(Xt), of_estimator.predict_proba(Xt))


def test_a_fit_goes_on_from_a_checkpoint_to_the_same_weights(rows, source, tmp_path):
    _, _, Xt, yt = rows
    settings = {**SHORT, "regularisation": "l2_sp", "strategy": "gradual"}
    whole = FineTuneClassifier(source, **settings).fit(Xt, yt)
    stopped = FineTuneClassifier(source, **settings, checkpoint=tmp_path / "part")

    class Stop:
        n = 0

    def rate(progress):
        Stop.n += 1
        if Stop.n == 5 * 8:
            raise KeyboardInterrupt
        return 1.0

    constant = {"learning_rate_schedule": "constant"}
    whole.set_params(**constant).fit(Xt, yt)
    with pytest.raises(KeyboardInterrupt):
        stopped.set_params(learning_rate_schedule=rate).fit(Xt, yt)
    assert not hasattr(stopped, "_plan")
    assert all(p.requires_grad for p in stopped.module_.parameters())
    assert stopped.predict(Xt).shape == (12,)
    Stop.n = 100
    resumed = stopped.fit(Xt, yt)
    np.testing.assert_array_equal(resumed.predict_proba(Xt), whole.predict_proba(Xt))


def test_a_checkpoint_from_another_source_is_refused(rows, source, tmp_path):
    Xs, ys, Xt, yt = rows
    checkpoint = {"checkpoint": tmp_path / "part", **SHORT}
    FineTuneClassifier(source, **checkpoint).fit(Xt, yt)
    other = clone(source).fit(Xs + 1, ys)
    with pytest.raises(ValueError, match="part"):
        FineTuneClassifier(other, **checkpoint).fit(Xt, yt)


def test_unlabelled_rows_of_the_target_are_predicted(rows, source):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, **SHORT).fit(Xt[:9], yt[:9], X_target=Xt)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    alone = FineTuneClassifier(source, **SHORT).fit(Xt[:9], yt[:9])
    np.testing.assert_array_equal(alone.predict_proba(Xt), clf.predict_proba(Xt))


def test_it_is_searched_and_stands_in_pipelines(rows, source):
    _, _, Xt, yt = rows
    search = GridSearchCV(
        FineTuneClassifier(source, **SHORT), {"strategy": ["head", "full"]}, cv=2
    ).fit(Xt, yt)
    assert search.best_estimator_.source is source
    clf = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    features = FunctionTransformer(clf.transform, kw_args={"layer": "feature_extractor.1"})
    assert make_pipeline(features, LogisticRegression()).fit(Xt, yt).score(Xt, yt) > 0.9


def test_a_source_that_does_harm_is_told_with_both_figures():
    digits = load_camera_digits(random_state=0)
    X, y = digits.X_source[:200].reshape(200, -1), digits.y_source[:200]
    keep = np.flatnonzero(y < 4)
    X, y = X[keep][:60], y[keep][:60]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, X.shape[1])).astype(np.float32)
    harmful = AlignmentClassifier(alignment=None, max_epochs=2, random_state=0)
    harmful.fit(noise, rng.integers(0, 4, 200))
    # Of the first layer all is lost, and nothing but the head may learn.
    with torch.no_grad():
        harmful.module_.feature_extractor[0].weight.zero_()
    clf = FineTuneClassifier(harmful, strategy="head", compare=True, **SHORT)
    with pytest.warns(UserWarning, match=r"Training from scratch is better.*\d %.*\d %.*60 rows"):
        clf.fit(X, y)
    found = clf.comparison_
    assert found["from_scratch"] > found["fine_tuned"] + 0.2
    assert found["p_value"] < 0.05


def test_a_source_of_use_is_not_warned_of(rows, source, source_of_values, recwarn):
    _, _, Xt, yt = rows
    clf = FineTuneClassifier(source, compare=True, **SHORT).fit(Xt, yt)
    plain = FineTuneClassifier(source, **SHORT).fit(Xt, yt)
    np.testing.assert_array_equal(clf.predict_proba(Xt), plain.predict_proba(Xt))
    reg = FineTuneRegressor(source_of_values, compare=True, **SHORT)
    assert set(reg.fit(Xt, Xt @ [1.0, 2.0, -1.0]).comparison_) == set(clf.comparison_)
    assert reg.comparison_["fine_tuned"] < reg.comparison_["from_scratch"]
    assert not [w for w in recwarn if "from scratch" in str(w.message)]


def test_the_test_is_of_pairs_of_rows():
    losses = np.zeros((2, 20))
    losses[0, :6] = losses[1, 6] = 1.0
    # Six rows of the seven that differ, or more, by chance: 8 of 128.
    found = _comparison._judged(FineTuneClassifier(), losses, classifies=True)
    assert found == {"fine_tuned": 0.7, "from_scratch": 0.95, "p_value": pytest.approx(8 / 128)}
    losses[1, 6] = 0.0
    with pytest.warns(UserWarning, match=r"100.0 % against 70.0 %"):
        found = _comparison._judged(FineTuneClassifier(), losses, classifies=True)
    assert found["p_value"] == pytest.approx(1 / 64)


def float64_source():
    torch.manual_seed(0)
    return nn.Sequential(nn.LazyLinear(32, dtype=torch.float64), nn.ReLU())


CHECKED = {"max_epochs": 3, "optimizer": "sgd", "learning_rate": 0.03, "strategy": "full"}


def cases():
    """Pair an estimator around a backbone of any columns with scikit-learn's checks."""
    for kind in (FineTuneClassifier, FineTuneRegressor):
        estimator = kind(float64_source(), **CHECKED)
        for one, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            yield pytest.param(one, check, id=f"{kind.__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(cases()))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_from_scratch_all_layers_learn_freely(source):
    clf = FineTuneClassifier(source, strategy="head", regularisation="l2_sp", compare=True)
    fresh = _comparison._fresh(clf, 3, from_scratch=True)
    assert (fresh.strategy, fresh.regularisation, fresh.compare) == ("full", None, False)
    tuned = _comparison._fresh(clf, 3, from_scratch=False)
    assert (tuned.strategy, tuned.regularisation, tuned.random_state) == ("head", "l2_sp", 3)


def test_a_comparison_trains_with_the_weights_of_the_samples(rows, source, monkeypatch):
    _, _, Xt, yt = rows
    weight, seen = np.arange(1.0, 13.0), []
    clf = FineTuneClassifier(source, compare=True, **SHORT)
    train = FineTuneClassifier.fit

    def noting(self, X, y, *, sample_weight=None):
        seen.append(sample_weight)
        return train(self, X, y, sample_weight=sample_weight)

    monkeypatch.setattr(FineTuneClassifier, "fit", noting)
    clf.fit(Xt, yt, sample_weight=weight)
    assert len(seen) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([seen[1], seen[3]])), weight)
