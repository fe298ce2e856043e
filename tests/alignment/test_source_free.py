"""Criteria that know the target alone: against loops in float64, and their edges."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment import CentroidLabels, EntropyMinimization

SHAPES = [(5, 3), (9, 4), (1, 3), (7, 2), (1, 1)]
every_shape = pytest.mark.parametrize(("n", "n_classes"), SHAPES)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
EDGES = ["identical", "zero", "one row", "extreme", "opposed"]


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def edge(kind, dtype):
    """Return logits at an edge."""
    logits = batch(1 if kind == "one row" else 6, 3, 0, dtype)
    if kind == "identical":
        logits = logits[:1].repeat(6, 1)
    if kind == "zero":
        logits = torch.zeros_like(logits)
    if kind == "extreme":
        logits = 1e4 * logits.sign()
    if kind == "opposed":
        # Sure of one class, and another is right.
        logits = torch.tensor([[1e4, -1e4, -1e4]], dtype=dtype).repeat(6, 1)
    return logits.requires_grad_()


def mean(values):
    return sum(values) / len(values)


def naive_softmax(row):
    exps = [math.exp(value - max(row)) for value in row]
    return [value / sum(exps) for value in exps]


def naive_entropy(distribution):
    return -sum(p * math.log(p) for p in distribution)


# Information.


@every_shape
def test_information_matches_the_sums(n, n_classes):
    logits = batch(n, n_classes, 0)
    p = [naive_softmax(row) for row in logits.tolist()]
    of_mean = naive_entropy([mean(column) for column in zip(*p, strict=True)])
    expected = mean([naive_entropy(row) for row in p]) - of_mean
    loss = EntropyMinimization(diversity=1.0)(logits)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-14)
    same = EntropyMinimization(diversity=1.0)(logits)
    torch.testing.assert_close(loss, same)


@every_shape
def test_information_gradient_is_the_derivative(n, n_classes):
    logits = batch(n, n_classes, 0).requires_grad_()
    assert torch.autograd.gradcheck(EntropyMinimization(diversity=1.0), logits)


@every_dtype
@pytest.mark.parametrize("kind", EDGES)
def test_information_is_finite_at_the_edges(kind, dtype):
    logits = edge(kind, dtype)
    loss = EntropyMinimization(diversity=1.0)(logits)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert logits.grad.isfinite().all()
    if kind != "extreme":
        assert loss.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_information_is_most_where_samples_are_sure_and_classes_alike(n_classes):
    sure = 1e3 * torch.eye(n_classes, dtype=torch.float64)
    least = EntropyMinimization(diversity=1.0)(sure.repeat(3, 1)).item()
    assert least == pytest.approx(-math.log(n_classes), rel=1e-12)
    assert EntropyMinimization(diversity=1.0)(sure[:1].repeat(3, 1)).item() == pytest.approx(
        0.0, abs=1e-12
    )


def test_descending_makes_samples_sure_and_leaves_no_class_out():
    logits = (0.1 * batch(12, 3, 0)).requires_grad_()
    optimizer = torch.optim.SGD([logits], lr=5.0)
    for _ in range(300):
        optimizer.zero_grad()
        EntropyMinimization(diversity=1.0)(logits).backward()
        optimizer.step()
    p = logits.softmax(1)
    assert p.amax(1).min() > 0.9
    assert p.argmax(1).bincount(minlength=3).min() > 2


# Labels of centroids.


def naive_unit(row):
    length = math.sqrt(sum(v * v for v in row))
    return [v / length for v in row]


def naive_nearest(rows, weights):
    """Return the labels of centroids; each row of weights is of one sample, 0 for no part."""
    centroids = {}
    for k in range(len(weights[0])):
        mass = sum(w[k] for w in weights)
        if mass > 0:
            pairs = list(zip(rows, weights, strict=True))
            sums = [sum(w[k] * row[c] for row, w in pairs) for c in range(len(rows[0]))]
            centroids[k] = naive_unit([s / mass for s in sums])
    cosines = [
        {k: sum(a * b for a, b in zip(row, c, strict=True)) for k, c in centroids.items()}
        for row in rows
    ]
    return [max(of_row, key=of_row.get) for of_row in cosines]


def naive_labels(features, logits):
    rows = [naive_unit([*row, 1.0]) for row in features]
    labels = naive_nearest(rows, [naive_softmax(row) for row in logits])
    one_hot = [[float(label == k) for k in range(len(logits[0]))] for label in labels]
    return naive_nearest(rows, one_hot)


def labelled(features, logits):
    criterion = CentroidLabels()
    criterion.begin_epoch(features, logits)
    return criterion


# Not one sample in several classes: then all centroids are that sample, and rounding decides.
@pytest.mark.parametrize(("n", "n_classes"), [(5, 3), (9, 4), (2, 2), (7, 2), (1, 1)])
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("seed", [0, 2, 4, 6])
def test_labels_match_the_sums(seed, d, n, n_classes):
    features, logits = batch(n, d, seed) + 0.5, batch(n, n_classes, seed + 1)
    expected = naive_labels(features.tolist(), logits.tolist())
    labels = labelled(features, logits).labels
    assert labels.dtype == torch.int64
    assert labels.tolist() == expected


def test_the_second_round_matters_and_is_the_one_that_counts():
    changed = 0
    for seed in range(10):
        features, logits = batch(20, 2, seed), batch(20, 3, seed + 50)
        rows = [naive_unit([*row, 1.0]) for row in features.tolist()]
        first = naive_nearest(rows, [naive_softmax(row) for row in logits.tolist()])
        second = naive_labels(features.tolist(), logits.tolist())
        changed += first != second
        assert labelled(features, logits).labels.tolist() == second
    assert changed > 0


def test_a_class_without_a_sample_is_nobodys_label():
    features, logits = 3.0 * batch(6, 3, 36), batch(6, 4, 536)
    labels = labelled(features, logits).labels
    assert labels.tolist() == naive_labels(features.tolist(), logits.tolist())
    assert labels.min() == 1
    # Class 0 has no sample after the first round. A centroid at zero would be nearer to the 4th
    # than all the others.
    rows = [naive_unit([*row, 1.0]) for row in features.tolist()]
    first = naive_nearest(rows, [naive_softmax(row) for row in logits.tolist()])
    assert set(first) == {1, 2, 3}
    for k in (1, 2, 3):
        members = [row for row, label in zip(rows, first, strict=True) if label == k]
        assert sum(a * b for member in members for a, b in zip(member, rows[4], strict=True)) < 0


def test_a_class_that_has_next_to_no_mass_still_has_a_centroid():
    features = torch.tensor([[5.0, 0.0], [4.0, 0.0], [0.0, 5.0], [0.0, 4.0]])
    logits = torch.tensor([[0.0, -200.0], [0.0, -200.0], [0.0, -150.0], [0.0, -150.0]])
    # In float32 the second column of the softmax is all zeros.
    assert labelled(features, logits).labels.tolist() == [0, 0, 1, 1]


def test_labels_follow_the_clusters_and_not_single_predictions():
    truth = torch.arange(60) % 3
    features = batch(60, 4, 0) * 0.2 + 4.0 * torch.eye(4, dtype=torch.float64)[truth]
    logits = 3.0 * F.one_hot(truth, 3).double()
    logits[:12] = logits[:12].roll(1, dims=1)
    assert (logits.argmax(1) == truth).double().mean() == 0.8
    assert torch.equal(labelled(features, logits).labels, truth)


def test_the_loss_is_the_cross_entropy_with_the_labels_of_the_samples():
    features, all_logits = batch(9, 3, 0), batch(9, 4, 1)
    criterion = labelled(features, all_logits)
    labels = naive_labels(features.tolist(), all_logits.tolist())
    for indices in ([4, 0, 8], [2], [7, 7, 1, 3]):
        logits = batch(len(indices), 4, 2)
        pairs = zip(logits.tolist(), indices, strict=True)
        expected = mean([-math.log(naive_softmax(row)[labels[i]]) for row, i in pairs])
        loss = criterion(logits, torch.tensor(indices))
        assert loss.item() == pytest.approx(expected, rel=1e-9)
        logits.requires_grad_()
        index = torch.tensor(indices)
        assert torch.autograd.gradcheck(lambda z, index=index: criterion(z, index), logits)


@every_dtype
def test_before_the_first_epoch_there_is_nothing_to_learn(dtype):
    logits = batch(4, 3, 0, dtype).requires_grad_()
    loss = CentroidLabels()(logits, torch.arange(4))
    loss.backward()
    assert loss.item() == 0.0
    assert loss.dtype == dtype
    assert logits.grad.abs().max() == 0


@every_dtype
@pytest.mark.parametrize("rows", ["plain", "constant", "zero", "huge"])
@pytest.mark.parametrize("kind", EDGES)
def test_labels_are_finite_at_the_edges(kind, rows, dtype):
    logits = edge(kind, dtype)
    features = batch(len(logits), 5, 3, dtype)
    if rows in ("constant", "zero"):
        features = torch.full_like(features, 0.1 if rows == "constant" else 0.0)
    if rows == "huge":
        features = features * 1e6
    criterion = labelled(features, logits)
    loss = criterion(logits, torch.arange(len(logits)))
    loss.backward()
    assert criterion.labels.min() >= 0
    assert criterion.labels.max() < 3
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert logits.grad.isfinite().all()


def test_descending_brings_the_predictions_to_the_labels():
    features, logits = batch(12, 3, 0), batch(12, 3, 1).requires_grad_()
    criterion, indices = labelled(features, logits), torch.arange(12)
    assert (logits.argmax(1) != criterion.labels).any()
    optimizer = torch.optim.SGD([logits], lr=5.0)
    for _ in range(50):
        optimizer.zero_grad()
        criterion(logits, indices).backward()
        optimizer.step()
    assert torch.equal(logits.argmax(1), criterion.labels)


def test_later_epochs_write_the_labels_in_place():
    criterion = labelled(batch(9, 3, 0), batch(9, 4, 1))
    before = criterion.labels
    features, logits = batch(9, 3, 2).requires_grad_(), batch(9, 4, 3).requires_grad_()
    criterion.begin_epoch(features, logits)
    assert criterion.labels is before
    assert criterion.labels.tolist() == naive_labels(features.tolist(), logits.tolist())
    criterion.begin_epoch(batch(5, 3, 2), batch(5, 4, 3))
    assert criterion.labels.shape == (5,)


def test_copies_have_the_labels_and_a_saved_state_has_not():
    criterion, given = labelled(batch(9, 3, 0), batch(9, 4, 1)), (batch(9, 4, 2), torch.arange(9))
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(other(*given), criterion(*given))
        assert other(*given) > 0
    assert criterion.state_dict() == {}


def test_labels_made_in_inference_mode_are_of_use_in_training():
    criterion = CentroidLabels()
    with torch.inference_mode():
        criterion.begin_epoch(batch(6, 3, 0), batch(6, 3, 1))
    logits = batch(6, 3, 2).requires_grad_()
    criterion(logits, torch.arange(6)).backward()
    assert logits.grad.abs().max() > 0
    criterion.begin_epoch(batch(6, 3, 3), batch(6, 3, 4))
    assert criterion.labels.tolist() == naive_labels(
        batch(6, 3, 3).tolist(), batch(6, 3, 4).tolist()
    )
