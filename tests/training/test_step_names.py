"""What a criterion asks for by name is what the step has: inputs, extractor, epochs, domains."""

import numpy as np
import pytest
import torch

from domadapt import AlignmentClassifier, pack

SMALL = {"hidden_layer_sizes": (8,), "batch_size": 16, "max_epochs": 2, "random_state": 0}


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(50, 6)).astype(np.float32)
    return X, np.arange(50) % 2, 1 + generator.normal(size=(41, 6)).astype(np.float32)


def images():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(50, 3, 7, 5)).astype(np.float32)
    return X, np.arange(50) % 2, 1 + generator.normal(size=(41, 3, 7, 5)).astype(np.float32)


def noted(*tensors):
    """Copy what a step passes: it writes the next mini-batch where this one was."""
    return [given.detach().clone().numpy() for given in tensors]


def same(first, second):
    """Return whether two estimators have the same weights to the last bit."""
    one, other = first.module_.state_dict(), second.module_.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.items())


def nothing(features):
    """Return a loss that pulls at nothing."""
    return 0.0 * features.sum()


@pytest.mark.parametrize("make_data", [vectors, images])
def test_inputs_are_the_very_samples_of_the_batch(make_data):
    X, y, X_target = make_data()
    seen = []

    def look(
        source_inputs, target_inputs, source_indices, target_indices, source_labels, target_features
    ):
        rows = (source_inputs, target_inputs, source_indices, target_indices, source_labels)
        seen.append(noted(*rows))
        return nothing(target_features)

    clf = AlignmentClassifier(look, **SMALL).fit(X, y, X_target=X_target)
    # The first call is the rehearsal.
    assert len(seen) == 1 + clf.n_steps_
    for source, target, of_source, of_target, labels in seen:
        assert len(source) == len(target) == 16
        np.testing.assert_array_equal(source, X[of_source])
        np.testing.assert_array_equal(target, X_target[of_target])
        np.testing.assert_array_equal(labels, y[of_source])
    assert any((of_source != np.arange(16)).any() for _, _, of_source, _, _ in seen)


def test_indices_count_within_a_domain_where_samples_are_stacked():
    X, y, sample_domain = pack(*vectors())
    order = np.random.default_rng(1).permutation(len(X))
    X, y, sample_domain = X[order], y[order], sample_domain[order]
    weight = np.where(np.arange(len(X)) % 4 == 0, 0.0, 1.0 + np.arange(len(X)))
    kept = (sample_domain > 0) & (weight > 0)
    seen = []

    def look(
        source_inputs, target_inputs, source_indices, target_indices, source_weight, source_features
    ):
        rows = (source_inputs, target_inputs, source_indices, target_indices, source_weight)
        seen.append(noted(*rows))
        return nothing(source_features)

    clf = AlignmentClassifier(look, **SMALL)
    clf.fit(X, y, sample_domain=sample_domain, sample_weight=weight)
    for source, target, of_source, of_target, of_rows in seen:
        np.testing.assert_array_equal(source, X[kept][of_source])
        np.testing.assert_array_equal(target, X[sample_domain < 0][of_target])
        expected = weight[kept][of_source] / weight[kept].mean()
        np.testing.assert_allclose(of_rows, expected, rtol=1e-5)


@pytest.mark.parametrize(("names", "n_sources"), [([1, 2, 5], 3), ([4], 1)])
def test_domains_of_the_source_come_as_ones_in_their_columns(names, n_sources):
    X, y, X_target = vectors()
    domain = np.asarray(names)[np.arange(50) % len(names)]
    X, y, _ = pack(X, y, X_target)
    seen = []

    def look(source_domains, source_indices, source_features):
        seen.append(noted(source_domains, source_indices))
        return nothing(source_features)

    sample_domain = np.concatenate([domain, np.full(41, -1)])
    AlignmentClassifier(look, **SMALL).fit(X, y, sample_domain=sample_domain)
    for given, index in seen:
        expected = (domain[index][:, None] == np.unique(names)).astype(np.float32)
        assert given.shape == (16, n_sources)
        np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("make_data", [vectors, images])
def test_the_feature_extractor_returns_the_features_of_the_step(make_data):
    X, y, X_target = make_data()
    # Fewer than there are target samples in a mini-batch: where it is cut shows.
    X, y = X[:10], y[:10]
    differences, modes = [], []

    def look(target_inputs, target_features, feature_extractor):
        again = feature_extractor(target_inputs)
        differences.append((again - target_features).abs().max().item())
        modes.append(feature_extractor.module.training)
        assert target_features.detach().abs().max() > 0.1
        return nothing(again)

    AlignmentClassifier(look, **SMALL, batch_norm="per_domain").fit(X, y, X_target=X_target)
    # But for the rehearsal it is training mode, with the target's own statistics.
    assert modes == [False] + [True] * (len(modes) - 1)
    assert len(modes) > 3
    assert max(differences) < 1e-5


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint"])
def test_calling_the_feature_extractor_notes_nothing_in_batch_norm(batch_norm):
    X, y, X_target = vectors()
    states = []

    def call(source_inputs, target_inputs, feature_extractor):
        buffers = dict(feature_extractor.module.named_buffers())
        before = {name: value.clone() for name, value in buffers.items()}
        losses = [nothing(feature_extractor(100.0 + x)) for x in (source_inputs, target_inputs)]
        states.append(all(torch.equal(before[name], value) for name, value in buffers.items()))
        assert any(name.endswith("running_mean") for name in buffers)
        return sum(losses)

    called = AlignmentClassifier(call, **SMALL, batch_norm=batch_norm)
    none = AlignmentClassifier(None, **SMALL, batch_norm=batch_norm)
    assert same(called.fit(X, y, X_target=X_target), none.fit(X, y, X_target=X_target))
    assert len(states) > 3
    assert all(states)


class BeforeEachEpoch:
    """Notes features and logits of the target when an epoch begins, as a callback sees them."""

    def __init__(self, X_target, events):
        self.X_target, self.events = X_target, events

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            features = estimator.transform(self.X_target)
            with torch.no_grad():
                logits = estimator.module_.classifier(torch.from_numpy(features)).numpy()
            self.events.append(("epoch", features, logits))

    def on_fit_task_end(self, estimator, context):
        return False


def test_begin_epoch_sees_the_whole_target_once_before_each_epoch():
    X, y, sample_domain = pack(*vectors())
    order = np.random.default_rng(1).permutation(len(X))
    X, y, sample_domain = X[order], y[order], sample_domain[order]
    X_target = X[sample_domain < 0]
    events = []

    class Listener:
        def begin_epoch(self, target_features, target_logits):
            assert not target_features.requires_grad
            events.append(("begin", *noted(target_features, target_logits)))

        def __call__(self, target_features, target_inputs, target_indices):
            events.append(("step", *noted(target_inputs, target_indices)))
            return target_features.square().mean()

    clf = AlignmentClassifier(Listener(), **{**SMALL, "max_epochs": 3}, dropout=0.3)
    clf.set_callbacks(BeforeEachEpoch(X_target, events))
    clf.fit(X, y, sample_domain=sample_domain)
    kinds = [event[0] for event in events]
    n_steps = clf.n_steps_ // 3
    # First comes the rehearsal.
    assert kinds == ["step", *["epoch", "begin", *["step"] * n_steps] * 3]
    begun = [event for event in events if event[0] == "begin"]
    then = [event for event in events if event[0] == "epoch"]
    for (_, features, logits), (_, of_transform, of_network) in zip(begun, then, strict=True):
        np.testing.assert_allclose(features, of_transform, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(logits, of_network, rtol=1e-4, atol=1e-5)
    assert np.abs(begun[0][1] - begun[2][1]).max() > 1e-3
    for _, inputs, index in (event for event in events if event[0] == "step"):
        np.testing.assert_array_equal(inputs, X_target[index])


def test_the_labelled_samples_of_a_batch_are_passed_to_no_criterion():
    X, y, X_target = vectors()
    y_target = np.full(41, None, dtype=object)
    y_target[[3, 30]] = [0, 1]
    seen = []

    def look(
        source_features,
        source_logits,
        target_features,
        target_logits,
        source_inputs,
        target_inputs,
        source_indices,
        target_indices,
    ):
        given = (source_inputs, target_inputs, source_indices, target_indices)
        seen.append(noted(*given))
        sizes = {len(rows) for rows in (source_features, source_logits)}
        sizes |= {len(rows) for rows in (target_features, target_logits)}
        assert sizes == {16}
        return nothing(target_features)

    AlignmentClassifier(look, **SMALL).fit(X, y, X_target=X_target, y_target=y_target)
    for source, target, of_source, of_target in seen[1:]:
        np.testing.assert_array_equal(source, X[of_source])
        np.testing.assert_array_equal(target, X_target[of_target])
    # As unlabelled samples, they come round like the others.
    assert {3, 30} <= set(np.concatenate([of_target for *_, of_target in seen[1:]]).tolist())


def test_features_of_target_samples_are_theirs_where_others_are_labelled():
    X, y, X_target = vectors()
    y_target = np.full(41, np.nan)
    y_target[[3, 30]] = [0, 1]
    differences = []

    def look(source_inputs, source_features, target_inputs, target_features, feature_extractor):
        with torch.no_grad():
            for inputs, features in (
                (source_inputs, source_features),
                (target_inputs, target_features),
            ):
                differences.append((feature_extractor(inputs) - features).abs().max().item())
        return nothing(target_features)

    clf = AlignmentClassifier(look, **SMALL, batch_norm=None)
    clf.fit(X, y, X_target=X_target, y_target=y_target)
    assert max(differences) < 1e-5
