"""Parameters of criteria by ``alignment__NAME``: shown, set, copied and searched."""

import copy
import inspect

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    BSPClassifier,
    CDANClassifier,
    DANClassifier,
    DANNClassifier,
    OSBPClassifier,
    RSDRegressor,
    SHOTClassifier,
    estimators,
    pack,
)
from domadapt.alignment import BSP, CORAL, MCC, MMD, DomainAdversarial
from domadapt.methods import BY_NAME, METHODS

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 2, "batch_size": 32, "random_state": 0}
# Those whose criterion is a parameter, and which take no other.
WITH_A_CRITERION = [
    kind
    for kind in (getattr(estimators, name) for name in estimators.__all__)
    if "alignment" in inspect.signature(kind).parameters and not kind._takes_any_alignment
]


def nested(estimator):
    """Return the parameters of the criteria of an estimator."""
    shown = estimator.get_params(deep=True).items()
    return {name: value for name, value in shown if name.startswith("alignment__")}


@pytest.mark.parametrize("kind", WITH_A_CRITERION)
def test_every_parameter_of_every_criterion_is_shown(kind):
    criteria = getattr(BY_NAME[kind.alignment], kind._learns)()
    if isinstance(criteria, list):
        expected = {
            f"alignment__{type(criterion).__name__}__{name}": value
            for _, criterion in criteria
            for name, value in criterion.get_params().items()
        }
    else:
        expected = {f"alignment__{n}": v for n, v in criteria.get_params().items()}
    assert nested(kind()) == expected
    assert nested(kind()).keys().isdisjoint(kind().get_params(deep=False))


@pytest.mark.parametrize("kind", WITH_A_CRITERION)
def test_every_parameter_that_is_shown_can_be_set(kind):
    shown = nested(kind())
    for name, value in shown.items():
        estimator = kind().set_params(**{name: value})
        assert nested(estimator) == shown
        assert not isinstance(estimator.alignment, str)
        assert kind.alignment == kind().alignment


def test_what_is_set_is_what_fit_uses(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**QUICK).set_params(alignment__bandwidth=0.1, alignment__n_kernels=1)
    clf.fit(Xs, ys, X_target=Xt)
    assert (clf.criterion_.bandwidth, clf.criterion_.n_kernels) == (0.1, 1)
    by_hand = AlignmentClassifier(MMD(bandwidth=0.1, n_kernels=1), **QUICK)
    assert same(clf, by_hand.fit(Xs, ys, X_target=Xt))
    assert not same(clf, DANClassifier(**QUICK).fit(Xs, ys, X_target=Xt))


def test_parameters_of_one_of_several_criteria_are_set_by_the_name_of_its_class(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = BSPClassifier(**QUICK).set_params(alignment__DomainAdversarial__hidden_layer_sizes=(5,))
    clf.fit(Xs, ys, X_target=Xt)
    adversarial, penalty = clf.criterion_
    assert adversarial.hidden_layer_sizes == (5,)
    assert isinstance(penalty, BSP)
    assert not same(clf, BSPClassifier(**QUICK).fit(Xs, ys, X_target=Xt))
    with pytest.raises(ValueError, match=r"no parameters \['alignment__hidden_layer_sizes'\]"):
        clf.set_params(alignment__hidden_layer_sizes=(5,))


def test_of_two_stages_those_of_the_second_are_set(blobs, same):
    Xs, ys, Xt, _ = blobs
    plain = SHOTClassifier(**QUICK).fit(Xs, ys, X_target=Xt)
    clf = SHOTClassifier(**QUICK).set_params(alignment__EntropyMinimization__diversity=0.25)
    clf.fit(Xs, ys, X_target=Xt)
    assert [c.get_params().get("diversity") for c in clf.criterion_] == [0.25, None]
    assert not same(clf, plain)
    assert clf.history_ == plain.history_


def falling(progress):
    return 1.0 - progress


def test_a_criterion_that_was_given_stays_as_it_was():
    mmd, mcc = MMD(bandwidth=1.0), MCC()
    clf = AlignmentClassifier(mmd).set_params(alignment__bandwidth=5.0)
    assert (mmd.bandwidth, clf.alignment.bandwidth) == (1.0, 5.0)
    given = [(falling, mmd), (0.5, mcc), (0.1, "coral")]
    clf = AlignmentClassifier(given)
    twin = copy.copy(clf).set_params(alignment__MCC__temperature=9.0)
    assert mcc.temperature == MCC().temperature
    assert clf.alignment is given
    assert [weight for weight, _ in twin.alignment] == [falling, 0.5, 0.1]
    assert [type(criterion) for _, criterion in twin.alignment] == [MMD, MCC, CORAL]
    assert nested(twin)["alignment__MCC__temperature"] == 9.0


def test_a_criterion_and_its_parameters_may_be_set_at_once_and_in_any_order():
    first = AlignmentClassifier().set_params(alignment="dann", alignment__hidden_layer_sizes=(3,))
    other = AlignmentClassifier().set_params(alignment__hidden_layer_sizes=(3,), alignment="dann")
    for clf in (first, other):
        assert isinstance(clf.alignment, DomainAdversarial)
        assert clf.alignment.hidden_layer_sizes == (3,)


def test_clone_and_copies_keep_what_was_set(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**QUICK).set_params(alignment__bandwidth=0.1).fit(Xs, ys, X_target=Xt)
    for twin in (clone(clf), copy.deepcopy(clf)):
        assert nested(twin) == nested(clf)
        assert twin.alignment is not clf.alignment
        assert same(twin.fit(Xs, ys, X_target=Xt), clf)
    assert nested(DANClassifier())["alignment__bandwidth"] is None


@pytest.mark.parametrize(
    ("estimator", "name", "match"),
    [
        (DANClassifier(), "temperature", r"DANClassifier has no .*'alignment__temperature'.*has: "),
        (DANClassifier(), "bandwidht", r"\['alignment__bandwidth', 'alignment__n_kernels', "),
        (BSPClassifier(), "MMD__bandwidth", r"BSPClassifier has no .*__MMD__bandwidth.*__BSP__"),
        (AlignmentClassifier(None), "bandwidth", "has: none that could be set"),
        (AlignmentClassifier(abs), "x", "has: none that could be set"),
        (OSBPClassifier(), "threshold", "Invalid parameter 'alignment' for estimator OSBPClass"),
        (DANClassifier(), "bandwidth__x", r"no parameters \['alignment__bandwidth__x'\]"),
    ],
)
def test_unknown_names_are_refused(estimator, name, match):
    before = estimator.get_params(deep=False)
    with pytest.raises(ValueError, match=match):
        estimator.set_params(**{f"alignment__{name}": 1.0})
    assert estimator.get_params(deep=False) == before


def test_a_value_that_the_criterion_does_not_take_is_refused_and_changes_nothing():
    clf = DANClassifier()
    with pytest.raises(ValueError, match="bandwidth"):
        clf.set_params(alignment__bandwidth=-1.0)
    assert clf.alignment == "dan"


@pytest.mark.parametrize("alignment", ["magic", 3, [3], ["ab"], [(1.0, "magic")], [(1, 2, 3)]])
def test_what_is_no_criterion_can_be_seen_and_set_to_one(alignment):
    clf = AlignmentClassifier(alignment)
    assert nested(clf) == {}
    assert clf.get_params()["alignment"] is alignment
    clf.set_params(alignment="mmd", alignment__bandwidth=2.0)
    assert clf.alignment.bandwidth == 2.0


# Searches.


@pytest.fixture
def stacked(blobs):
    """Source and target samples, mixed."""
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=yt)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order], sample_domain[order]


@pytest.mark.parametrize(
    ("kind", "grid"),
    [
        (DANClassifier, {"alignment__bandwidth": [1e-3, 10.0]}),
        # Above it, products of features and predictions are drawn at random.
        (CDANClassifier, {"alignment__max_product": [4, 4096]}),
    ],
)
def test_a_search_goes_over_parameters_of_the_criterion(stacked, kind, grid):
    X, y, sample_domain = stacked
    ((name, values),) = grid.items()
    short = name.removeprefix("alignment__")
    with config_context(enable_metadata_routing=True):
        clf = kind(**{**QUICK, "max_epochs": 5}, alignment_weight=3.0)
        clf.set_fit_request(sample_domain=True).set_score_request(sample_domain=True)
        search = GridSearchCV(clf, grid, cv=2, error_score="raise")
        search.fit(X, y, sample_domain=sample_domain)
    assert [params[name] for params in search.cv_results_["params"]] == values
    best = search.best_estimator_
    assert getattr(best.criterion_, short) == search.best_params_[name]
    assert best.transduction_.shape == (75,)
    # What was searched over is what the fits have been made with.
    refits = [clone(clf).set_params(**{name: value}) for value in values]
    features = [r.fit(X, y, sample_domain=sample_domain).transform(X) for r in refits]
    assert np.abs(features[0] - features[1]).max() > 0
    chosen = values.index(search.best_params_[name])
    np.testing.assert_array_equal(best.transform(X), features[chosen])
    assert clf.alignment == kind.alignment


def test_a_pipeline_reaches_the_criterion(stacked):
    X, y, sample_domain = stacked
    pipe = make_pipeline(StandardScaler(), DANNClassifier(**QUICK))
    pipe.set_params(dannclassifier__alignment__hidden_layer_sizes=(6,))
    pipe.fit(X, y, dannclassifier__sample_domain=sample_domain)
    assert pipe[-1].criterion_.hidden_layer_sizes == (6,)


# Another criterion than the method's.


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("kind", WITH_A_CRITERION)
def test_another_kind_of_criterion_is_refused(kind, blobs):
    Xs, ys, Xt, _ = blobs
    other = "mmd" if not kind.__name__.startswith("DAN") or "DANN" in kind.__name__ else "dann"
    instance = BY_NAME[other].classes()
    for alignment in (other, instance, [(1.0, other)], lambda target_features: 0.0):
        general = "AlignmentClassifier" if kind._learns == "classes" else "AlignmentRegressor"
        match = rf"is not the method of {kind.__name__}, .* Use {general} for another"
        with pytest.raises(ValueError, match=match):
            kind(alignment=alignment).fit(Xs, ys, X_target=Xt)


def test_its_own_kind_of_criterion_may_be_given_in_any_form(blobs, same):
    Xs, ys, Xt, _ = blobs
    by_name, by_other_name, by_object, in_list = (
        # A list has no weight of its own.
        DANClassifier(alignment=alignment, alignment_weight=1.0, **QUICK).fit(Xs, ys, X_target=Xt)
        for alignment in ("dan", "mmd", MMD(), [(1.0, MMD())])
    )
    assert same(by_name, by_other_name)
    assert same(by_name, by_object)
    assert same(by_name, in_list)
    reg = RSDRegressor(alignment="rsd", **QUICK).fit(Xs, ys, X_target=Xt)
    assert same(reg, AlignmentRegressor("rsd", **QUICK).fit(Xs, ys, X_target=Xt))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if method.stages == 2])
def test_names_of_methods_of_two_stages_are_refused_where_there_is_one(name, blobs):
    Xs, ys, Xt, _ = blobs
    match = f"alignment='{name}' is trained in 2 stages, which AlignmentClassifier does not have"
    for alignment in (name, [(1.0, "mmd"), (0.5, name)]):
        with pytest.raises(ValueError, match=f"{match}. Use {METHODS[name].classifier}"):
            AlignmentClassifier(alignment).fit(Xs, ys, X_target=Xt)
