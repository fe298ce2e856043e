"""What is predicted, the choice in a file, and searches that resume from a folder."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge

import domadapt
from domadapt import AutoAdaptClassifier, AutoAdaptRegressor, DANNClassifier
from domadapt.model_selection.auto import _members, _training
from domadapt.model_selection.auto._estimators import BaseAutoAdapt

SMALL_DEEP = DANNClassifier(hidden_layer_sizes=(4,), max_epochs=1)
KINDS = pytest.mark.parametrize("learns", ["classes", "values"])


@pytest.fixture
def task(moved, moved_values):
    """Build an automatic choice of few candidates, with samples of its kind."""

    def build(learns, **parameters):
        parameters = {"random_state": 0} | parameters
        if learns == "classes":
            return AutoAdaptClassifier(["coral+lr", SMALL_DEEP], **parameters), moved
        return AutoAdaptRegressor(["per_domain_scaling+ridge"], **parameters), moved_values

    return build


@pytest.fixture
def counted(monkeypatch):
    """Note the names of candidates that are trained."""
    names, train = [], _training._fit_and_ask

    def counting(trained, data):
        names.append(trained.candidate.name)
        train(trained, data)

    monkeypatch.setattr(_training, "_fit_and_ask", counting)
    return names


@KINDS
def test_the_target_of_fit_is_predicted_as_in_fit_and_other_rows_in_any_order(learns, task):
    auto, (Xs, ys, Xt, _) = task(learns)
    auto.fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)
    order = np.random.default_rng(0).permutation(len(Xt))
    if learns == "values":
        np.testing.assert_allclose(auto.predict(Xt[order]), auto.transduction_[order])
    else:
        np.testing.assert_array_equal(auto.predict(Xt[order]), auto.transduction_[order])
        np.testing.assert_allclose(auto.predict_proba(Xt).sum(axis=1), 1.0)
        assert auto.predict_proba(Xs[:3]).shape == (3, 2)
    assert auto.predict(Xs[:1]).shape == (1,)


def test_probabilities_of_the_plain_vote_add_up_to_one_and_are_those_of_fit(moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    monkeypatch.setattr("domadapt.model_selection.auto._rule.SMOOTH", 2.0)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    assert not auto.adapts_
    np.testing.assert_allclose(auto.predict_proba(Xt).sum(axis=1), 1.0)
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)
    weights = auto.leaderboard_["weight"][auto.leaderboard_["kind"] == "adapted"]
    assert (weights == 0).all()


@KINDS
def test_before_fit_and_without_refit(learns, task):
    auto, (Xs, ys, Xt, _) = task(learns, refit=False)
    for call in (lambda: auto.predict(Xt), auto.explain, lambda: auto.save("auto")):
        with pytest.raises(NotFittedError):
            call()
    auto.fit(Xs, ys, X_target=Xt)
    kept = task(learns)[0].fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(auto.transduction_, kept.transduction_)
    assert auto.explain() == kept.explain()
    with pytest.raises(AttributeError, match="refit=False and has kept no model"):
        auto.predict(Xt)


@KINDS
@pytest.mark.parametrize("refit", [True, False])
def test_a_choice_goes_into_a_file_and_back(refit, learns, task, assert_same, tmp_path):
    auto, (Xs, ys, Xt, _) = task(learns, refit=refit)
    auto.fit(Xs, ys, X_target=Xt).save(tmp_path / "auto.safetensors")
    again = domadapt.load(tmp_path / "auto.safetensors", verbose=True)
    assert_same(auto, again)
    assert again.verbose is True
    if refit:
        method = "predict_proba" if learns == "classes" else "predict"
        first, second = (getattr(one, method)(Xs) for one in (auto, again))
        np.testing.assert_array_equal(first, second)
    else:
        with pytest.raises(AttributeError, match="refit=False"):
            again.predict(Xt)


def test_a_file_that_was_changed_is_refused(task, tmp_path):
    auto, (Xs, ys, Xt, _) = task("classes")
    path = tmp_path / "auto.safetensors"
    auto.fit(Xs, ys, X_target=Xt).save(path)
    whole = path.read_bytes()
    for at in (len(whole) // 3, len(whole) // 2, len(whole) - 9):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"auto\.safetensors"):
            domadapt.load(path)
    path.write_bytes(whole[:-50])
    with pytest.raises(ValueError, match=r"auto\.safetensors"):
        domadapt.load(path)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="no parameters"):
        domadapt.load(path, shape=3)


class Own(ClassifierMixin, BaseEstimator):
    """A classifier of a person's own, which no file can hold."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] < 2).astype(int)]


def test_a_model_of_ones_own_is_mixed_and_not_saved(moved, tmp_path, counted):
    Xs, ys, Xt, _ = moved
    auto = AutoAdaptClassifier([Own()], random_state=0, checkpoint=tmp_path)
    auto.fit(Xs, ys, X_target=Xt)
    assert not any(auto.leaderboard_["problem"])
    with pytest.raises(TypeError, match="Own"):
        auto.save(tmp_path / "auto.safetensors")
    assert not (tmp_path / "auto.safetensors").exists()
    del counted[:]
    auto.fit(Xs, ys, X_target=Xt)
    assert counted == ["Own"]


@KINDS
@pytest.mark.parametrize("n_done", [1, 3])
def test_a_search_that_was_stopped_resumes(
    n_done, learns, task, assert_same, tmp_path, counted, monkeypatch
):
    auto, (Xs, ys, Xt, _) = task(learns, checkpoint=tmp_path)
    whole = task(learns)[0].fit(Xs, ys, X_target=Xt)
    n_candidates = len(counted)
    del counted[:]

    def stop(self, one):
        if len(counted) == n_done:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BaseAutoAdapt, "_tell", stop)
        with pytest.raises(KeyboardInterrupt):
            auto.set_params(verbose=True).fit(Xs, ys, X_target=Xt)
    assert len(list(tmp_path.iterdir())) == n_done
    auto.set_params(verbose=False).fit(Xs, ys, X_target=Xt)
    assert len(counted) == n_candidates
    assert_same(auto, whole)
    np.testing.assert_array_equal(auto.predict(Xs), whole.predict(Xs))
    # All of it is there now.
    assert_same(auto.fit(Xs, ys, X_target=Xt), whole)
    assert len(counted) == n_candidates
    np.testing.assert_array_equal(auto.predict(Xs), whole.predict(Xs))


def test_what_was_fitted_on_a_machine_without_the_folder_is_written_here(
    moved, tmp_path, counted, monkeypatch
):
    Xs, ys, Xt, _ = moved
    monkeypatch.setattr(_members.Stored, "is_here", False)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0, checkpoint=tmp_path)
    auto.fit(Xs, ys, X_target=Xt)
    assert len(list(tmp_path.iterdir())) == len(counted) == 4
    auto.fit(Xs, ys, X_target=Xt)
    assert len(counted) == 4


def test_what_was_fitted_otherwise_is_not_taken(moved, tmp_path, counted):
    Xs, ys, Xt, _ = moved

    def search(Xs=Xs, ys=ys, Xt=Xt, C=1.0, random_state=0, **given):
        del counted[:]
        own = LogisticRegression(C=C)
        auto = AutoAdaptClassifier([own], random_state=random_state, checkpoint=tmp_path)
        auto.fit(Xs, ys, X_target=Xt, **given)
        return len(counted)

    assert search() == 4
    assert search() == 0
    assert search(C=2.0) == 1
    assert search(Xs=Xs + 1e-9) == 4
    assert search(Xt=Xt[:-1]) == 4
    assert search(ys=1 - ys) == 4
    assert search(sample_weight=np.full(len(ys), 2.0)) == 4
    assert search(random_state=1) == 4
    assert search() == 0


def test_a_file_of_a_search_that_was_changed_is_refused(moved, tmp_path):
    Xs, ys, Xt, _ = moved
    auto = AutoAdaptClassifier([], random_state=0, checkpoint=tmp_path).fit(Xs, ys, X_target=Xt)
    path = next(iter(tmp_path.iterdir()))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=path.name):
        auto.fit(Xs, ys, X_target=Xt)


def test_a_folder_has_to_be_there_and_a_seed_an_integer(moved_values, tmp_path, counted):
    Xs, ys, Xt, _ = moved_values
    auto = AutoAdaptRegressor([Ridge(2.0)], checkpoint=tmp_path / "none", random_state=0)
    with pytest.raises(OSError, match=r"checkpoint=.*none' is no folder .* Make one"):
        auto.fit(Xs, ys, X_target=Xt)
    auto.set_params(checkpoint=tmp_path, random_state=None)
    with pytest.raises(ValueError, match=r"random_state=None does not .*integer"):
        auto.fit(Xs, ys, X_target=Xt)
    assert counted == []
