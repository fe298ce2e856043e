"""The rule for classes against naive loops, and that each of its ingredients matters."""

import numpy as np
import pytest

from domadapt.model_selection import information_maximization_score
from domadapt.model_selection._smoothness import (
    Neighborhood,
    class_roughness,
    compare_roughness,
    roughness,
)
from domadapt.model_selection.auto import _rule
from domadapt.model_selection.auto._accuracy import WIDTH, estimate_accuracy, mean_agreement
from domadapt.model_selection.auto._rule import (
    anchor_exponent,
    mix,
    smoothed,
    vote_weights,
)

N, C = 60, 3


def drawn(n_models, seed=0, sharpness=3.0):
    """Draw what models say that share a good part of their beliefs, with places of neighbours."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(N, C))
    logits = sharpness * (shared + 0.7 * rng.normal(size=(n_models, N, C)))
    proba = np.exp(logits)
    neighbors = np.array([rng.permutation(np.delete(np.arange(N), i))[:5] for i in range(N)])
    return proba / proba.sum(axis=2, keepdims=True), neighbors


def naive_roughness(codes, neighbors):
    pairs = [codes[i] != codes[j] for i in range(len(codes)) for j in neighbors[i]]
    return sum(pairs) / len(pairs)


def naive_class_roughness(codes, neighbors, n_classes):
    by_class = []
    for k in range(n_classes):
        rows = [i for i in range(len(codes)) if codes[i] == k]
        if len(rows) < 2:
            by_class.append(1.0)
            continue
        each = [np.mean([codes[j] != k for j in neighbors[i]]) for i in rows]
        by_class.append(sum(each) / len(each))
    return sum(by_class) / n_classes


def naive_information(proba):
    """Return the score of information maximisation: H(mean) - mean H, over log C."""
    mean = proba.mean(axis=0)
    of_mean = -sum(p * np.log(p) for p in mean if p > 0)
    each = [-sum(p * np.log(p) for p in row if p > 0) for row in proba]
    return (of_mean - sum(each) / len(each)) / np.log(proba.shape[1])


def naive_vote_weights(plain):
    weights = [1 / len(plain)] * len(plain)
    for _ in range(3):
        agreement = []
        for model in plain:
            same = 0
            for i in range(N):
                vote = sum(w * other[i] for w, other in zip(weights, plain, strict=True))
                same += int(np.argmax(vote) == np.argmax(model[i]))
            agreement.append((same / N) ** 4)
        weights = [a / sum(agreement) for a in agreement]
    return weights


def naive_mix(proba, is_plain, anchor, exponent, neighbors, vote):
    """Return weights, agreement, erased and rating, candidate by candidate."""
    n_models = len(proba)
    labels = [[int(np.argmax(row)) for row in model] for model in proba]
    plain = [model for model, told in zip(proba, is_plain, strict=True) if told]
    voted = [
        int(np.argmax(sum(w * model[i] for w, model in zip(vote, plain, strict=True))))
        for i in range(N)
    ]
    erased, rough, sure = [], [], []
    for model, codes in zip(proba, labels, strict=True):
        lost = 0.0
        for k in range(C):
            share, expected = codes.count(k) / N, voted.count(k) / N
            lost += expected - share if share < 0.1 * expected else 0.0
        erased.append(lost)
        rough.append(naive_class_roughness(codes, neighbors, C))
        sure.append(naive_information(model))
    strength = 4.0 if np.isinf(exponent) else exponent
    weights = [1 / n_models] * n_models
    for _ in range(3):
        agreement = []
        consensus = []
        for i in range(N):
            mean = sum(w * model[i] for w, model in zip(weights, proba, strict=True))
            log_anchor = np.log(np.maximum(anchor[i], 1e-4)) / np.log2(C)
            consensus.append(int(np.argmax(np.log(mean + 1e-9) + strength * log_anchor)))
        for codes in labels:
            agreement.append(np.mean([a == b for a, b in zip(codes, consensus, strict=True)]))
        new, ratings = np.zeros(n_models), np.zeros(n_models)
        for w in (0.25, 0.5, 0.75):
            rating = [
                w * sure[m] + agreement[m] - erased[m] - 2 * rough[m] for m in range(n_models)
            ]
            ratings += np.array(rating) / 3
            order = sorted(range(n_models), key=lambda m: -rating[m])
            for share in (0.25, 0.35, 0.45):
                n_best = max(1, round(share * n_models))
                for m in order[:n_best]:
                    new[m] += 1 / n_best / 9
        weights = new
    return weights, agreement, erased, rough, ratings


def arguments(n_models=7, n_plain=3, seed=0):
    """Return what mix takes."""
    proba, neighbors = drawn(n_models, seed)
    is_plain = np.arange(n_models) < n_plain
    vote = vote_weights(proba[is_plain])
    voted = np.tensordot(vote, proba[is_plain], axes=1)
    return [proba, is_plain, smoothed(voted, voted[neighbors]), 2.0, neighbors, vote]


@pytest.mark.parametrize("seed", range(3))
def test_roughness_is_that_of_pairs(seed):
    proba, neighbors = drawn(1, seed)
    codes = proba[0].argmax(axis=1)
    assert roughness(codes, neighbors) == pytest.approx(naive_roughness(codes, neighbors))
    for n_classes in (C, C + 2):
        expected = naive_class_roughness(codes, neighbors, n_classes)
        assert class_roughness(codes, neighbors, n_classes) == pytest.approx(expected)


@pytest.mark.parametrize("n_models", [1, 2, 5])
def test_votes_weigh_by_agreement_with_their_vote(n_models):
    proba, _ = drawn(n_models, 3)
    np.testing.assert_allclose(vote_weights(proba), naive_vote_weights(list(proba)))
    assert vote_weights(proba).sum() == pytest.approx(1.0)


def test_a_plain_model_that_contradicts_the_others_hardly_votes():
    proba, _ = drawn(4, 0)
    proba[3] = np.roll(proba[3], 1, axis=1)
    weights = vote_weights(proba)
    assert weights[3] < 0.05
    assert weights[:3].min() > 0.2


@pytest.mark.parametrize("exponent", [0.5, 2.0, np.inf])
@pytest.mark.parametrize("seed", range(2))
def test_the_mixture_is_that_of_the_formulas(seed, exponent):
    given = arguments(seed=seed)
    given[3] = exponent
    found = mix(*given)
    weights, agreement, erased, rough, rating = naive_mix(*given)
    np.testing.assert_allclose(found.weights, weights)
    np.testing.assert_allclose(found.agreement, agreement)
    np.testing.assert_allclose(found.erased, erased)
    np.testing.assert_allclose(found.roughness, rough)
    np.testing.assert_allclose(found.rating, rating)
    assert found.weights.sum() == pytest.approx(1.0)
    combined = found.combine(given[0], given[2])
    if np.isinf(exponent):
        np.testing.assert_array_equal(combined, given[2])
        assert found.is_plain
        return
    for i in range(N):
        mean = sum(w * model[i] for w, model in zip(weights, given[0], strict=True))
        product = (mean + 1e-9) * np.maximum(given[2][i], 1e-4) ** (exponent / np.log2(C))
        np.testing.assert_allclose(combined[i], product / product.sum())


def test_a_candidate_without_one_of_the_classes_is_rated_lower():
    given = arguments()
    before = mix(*given)
    best = int(before.rating.argmax())
    given[0] = given[0].copy()
    lost = np.bincount(given[2].argmax(axis=1)).argmax()
    given[0][best][:, lost] = 1e-6
    given[0][best] /= given[0][best].sum(axis=1, keepdims=True)
    after = mix(*given)
    assert after.erased[best] > 0.2 > before.erased[best]
    assert after.rating[best] < before.rating[best] - 0.2


def test_a_candidate_that_predicts_one_class_gets_no_weight_however_sure_it_is():
    given = arguments()
    given[0] = np.concatenate([given[0], np.tile([1.0, 0.0, 0.0], (2, N, 1))])
    given[1] = np.append(given[1], [False, False])
    found = mix(*given)
    assert (found.weights[-2:] == 0).all()
    assert (found.rating[-2:] < found.rating[:-2].min()).all()


def test_a_rough_candidate_is_rated_lower():
    given = arguments()
    codes = given[0][6].argmax(axis=1)
    # Neighbours by the labels of the last candidate, so that it is smooth.
    same = [[j for j in range(N) if codes[j] == codes[i] and j != i][:5] for i in range(N)]
    smooth = mix(*given[:4], np.array(same), given[5])
    assert smooth.roughness[6] == 0
    assert smooth.rating[6] > mix(*given).rating[6] + 0.5
    assert smooth.weights[6] > 0.2


def test_agreement_with_the_consensus_counts():
    given = arguments()
    given[0] = given[0].copy()
    before = mix(*given)
    given[0][5] = np.roll(given[0][5], 1, axis=1)
    after = mix(*given)
    assert after.agreement[5] < 0.4 < before.agreement[5]
    assert after.rating[5] < before.rating[5]
    assert after.weights[5] == 0


def test_the_vote_of_plain_models_holds_where_nothing_tells_of_errors():
    assert np.isinf(anchor_exponent(_rule.SMOOTH - 1e-9, 0.1))
    assert anchor_exponent(_rule.SMOOTH, 0.1) == _rule.MOST
    assert anchor_exponent(0.3, 1.0) == _rule.MOST
    assert anchor_exponent(0.3, 0.1) == pytest.approx(_rule.LEAST)
    # The less plain models agree, and the rougher labels are, the less the vote holds.
    by_agreement = [anchor_exponent(0.1, a) for a in (0.84, 0.8, 0.75, 0.71)]
    by_excess = [anchor_exponent(e, 0.72) for e in (-0.04, -0.03, -0.01, 0.0)]
    for falling in (by_agreement, by_excess):
        assert (np.diff(falling) < 0).all()
    doubt = (0.85 - 0.8) / (0.85 - 0.7)
    assert anchor_exponent(-0.02, 0.8) == pytest.approx(4.0 * (1 / 8) ** (0.6 * doubt))


def test_the_anchor_is_half_that_of_neighbours():
    vote, of_neighbors = np.array([[0.8, 0.2]]), np.array([[[0.5, 0.5], [0.1, 0.9]]])
    np.testing.assert_allclose(smoothed(vote, of_neighbors), [[0.55, 0.45]])


def pairwise_agreement(models):
    """Return how often two of three models have the same largest probability."""
    n_samples = len(models[0])
    same = [
        np.argmax(models[a][i]) == np.argmax(models[b][i])
        for a, b in ((0, 1), (0, 2), (1, 2))
        for i in range(n_samples)
    ]
    return np.mean(same)


def logit(p):
    return np.log(p / (1 - p))


def test_the_estimate_of_the_accuracy_is_what_candidates_say_mended_by_plain_models():
    proba, is_plain, anchor, *_ = given = arguments()
    mixed, held_out = mix(*given).combine(proba, anchor), drawn(3, seed=3)[0]
    said = np.mean([np.mean([model[i][np.argmax(mixed[i])] for model in proba]) for i in range(N)])
    mended = logit(said) + 0.5 * logit(pairwise_agreement(held_out)) - 1.1
    accuracy, (low, high) = estimate_accuracy(proba, mixed, is_plain, held_out)
    assert accuracy == pytest.approx(1 / (1 + np.exp(-mended)))
    half = WIDTH * np.sqrt(1.02 - pairwise_agreement(proba[is_plain]))
    assert (low, high) == (max(accuracy - half, 0), min(accuracy + half, 1))


def test_one_plain_model_alone_mends_no_estimate():
    proba, _, anchor, *_ = arguments()
    alone = np.arange(len(proba)) == 0
    said = np.mean([np.mean([model[i][np.argmax(anchor[i])] for model in proba]) for i in range(N)])
    assert estimate_accuracy(proba, anchor, alone, proba[:1])[0] == pytest.approx(said)
    assert mean_agreement(proba[:1].argmax(axis=2)) == 1.0


def test_where_proportions_moved_the_corrected_vote_is_as_right_as_it_is_sure():
    proba, is_plain, anchor, *_ = arguments()
    found, _ = estimate_accuracy(proba, anchor, is_plain, proba[is_plain], is_corrected=True)
    assert found == pytest.approx(np.mean([max(row) for row in anchor]))


def test_plain_models_that_disagree_on_the_target_widen_the_interval():
    proba, is_plain, anchor, *_ = arguments()
    held_out = drawn(3, seed=3)[0]
    narrow = estimate_accuracy(proba, anchor, is_plain, held_out)
    turned = proba.copy()
    turned[0] = np.roll(turned[0], 1, axis=1)
    wide = estimate_accuracy(turned, anchor, is_plain, held_out)
    assert wide[0] < narrow[0]
    assert wide[1][1] - wide[0] > narrow[1][1] - narrow[0]


def test_plain_models_that_disagree_on_the_source_lower_the_estimate():
    proba, is_plain, anchor, *_ = arguments()
    held_out = drawn(3, seed=3)[0]
    turned = held_out.copy()
    turned[0] = np.roll(turned[0], 1, axis=1)
    found = [estimate_accuracy(proba, anchor, is_plain, one)[0] for one in (held_out, turned)]
    assert found[1] < found[0] - 0.02


def clusters(seed, n_samples=80):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % 2
    return rng.normal(size=(n_samples, 4)) + 5.0 * codes[:, None], codes


def test_roughness_is_compared_among_like_samples():
    generator = np.random.RandomState(0)
    (X, codes), (X_target, target_codes) = clusters(0), clusters(1, 50)
    source, target = (Neighborhood(part, generator) for part in (X, X_target))
    found, expected = compare_roughness(source, codes, target, target_codes, 2, generator)
    assert found == expected == 0
    # Labels without any relation to where samples lie differ in half of the pairs.
    wrong = np.arange(50) // 2 % 2
    found, _ = compare_roughness(source, codes, target, wrong, 2, generator)
    assert found == pytest.approx(0.5, abs=0.1)
    swapped = np.random.default_rng(0).permutation(codes)
    _, expected = compare_roughness(source, swapped, target, target_codes, 2, generator)
    assert expected == pytest.approx(0.5, abs=0.1)


def test_as_many_source_samples_are_drawn_of_each_class_as_the_target_is_said_to_have():
    generator = np.random.RandomState(0)
    X, codes = clusters(0, 200)
    mixed_codes = np.random.default_rng(0).permutation(codes)
    source, target = Neighborhood(X, generator), Neighborhood(X[:100], generator)
    few = np.arange(100) % 10 == 0
    _, expected = compare_roughness(source, mixed_codes, target, few.astype(int), 2, generator)
    # By chance labels of which one in ten is the rare one differ in 2 * .1 * .9 of the pairs.
    assert expected == pytest.approx(0.18, abs=0.05)


def test_neighbours_are_the_nearest_others():
    generator = np.random.RandomState(0)
    X, _ = clusters(2, 30)
    neighborhood = Neighborhood(X, generator)
    distance = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    for i, found in enumerate(neighborhood.among_themselves()):
        nearest = [j for j in np.argsort(distance[i]) if j != i][:10]
        assert sorted(found) == sorted(nearest)
    assert (neighborhood.of(X)[:, 0] == np.arange(30)).all()


def test_the_rating_is_the_sum_of_all_that_is_looked_at():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=(5, 40))
    # The last candidate never says the third class, which the plain ones do.
    proba[4, :, 2] = 1e-3
    proba[4] /= proba[4].sum(axis=1, keepdims=True)
    is_plain, vote = np.arange(5) < 2, np.array([0.5, 0.5])
    neighbors = np.array([rng.choice(40, 4, replace=False) for _ in range(40)])
    mixture = mix(proba, is_plain, proba[:2].mean(axis=0), 1.0, neighbors, vote)
    labels = proba.argmax(axis=2)
    voted = proba[:2].mean(axis=0).argmax(axis=1)
    for place in range(5):
        erased = 0.0
        for code in range(3):
            share, of_vote = (labels[place] == code).mean(), (voted == code).mean()
            erased += of_vote - share if share < 0.1 * of_vote else 0.0
        assert mixture.erased[place] == pytest.approx(erased)
        rough = [
            np.mean(
                [
                    labels[place][n] != code
                    for i in np.flatnonzero(labels[place] == code)
                    for n in neighbors[i]
                ]
            )
            if (labels[place] == code).sum() >= 2
            else 1.0
            for code in range(3)
        ]
        sure = information_maximization_score(proba[place])
        expected = 0.5 * sure + mixture.agreement[place] - erased - 2.0 * np.mean(rough)
        assert mixture.rating[place] == pytest.approx(expected)
    assert mixture.erased[4] > 0.1
