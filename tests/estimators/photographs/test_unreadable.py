"""Photographs that cannot be read: they end a fit by their name, or are left out."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from domadapt import pack
from domadapt.inputs import UnreadableImageError

pytest.importorskip("torchvision")


@pytest.mark.parametrize("n_workers", [0, 2])
def test_images_that_cannot_be_read_are_left_out_where_that_was_asked_for(
    copied, small, loader, cut_off, same, n_workers
):
    Xs, ys, Xt, _ = copied
    weight = np.linspace(0.5, 1.5, len(Xs))
    bad_source, bad_target = [0, 7, 29], [1, 23]
    domains = ((Xs, bad_source), (Xt, bad_target))
    readable = [np.delete(np.arange(len(X)), bad) for X, bad in domains]
    good = {"X": Xs[readable[0]], "y": ys[readable[0]], "X_target": Xt[readable[1]]}
    reference = small().fit(**good, sample_weight=weight[readable[0]])
    assert reference.n_skipped_images_ == 0
    for path in (*Xs[bad_source], *Xt[bad_target]):
        cut_off(path)
    clf = small(image_loader=loader(unreadable="skip", n_workers=n_workers))
    with pytest.warns(UserWarning, match="^5 images cannot be read and are left out of fit"):
        clf.fit(Xs, ys, X_target=Xt, sample_weight=weight)
    assert clf.n_skipped_images_ == 5
    assert same(clf, reference)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt[readable[1]]))
    X, y, sample_domain = pack(Xs, ys, Xt)
    stacked = clone(clf)
    with pytest.warns(UserWarning, match="^5 images"):
        stacked.fit(X, y, sample_domain=sample_domain, sample_weight=np.r_[weight, np.ones(24)])
    assert same(stacked, reference)
    with pytest.raises(UnreadableImageError, match=re.escape(repr(str(Xt[1])))):
        clf.predict(Xt)


def test_one_class_that_can_be_read_is_too_few(copied, small, loader, exchange_content, untrained):
    Xs, ys, Xt, _ = copied
    exchange_content(Xs[ys != ys[0]])
    with pytest.raises(ValueError, match="fewer than 2 classes can be read"):
        small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)


def test_nothing_is_said_where_all_images_can_be_read(photographs, small, loader, same, recwarn):
    Xs, ys, Xt, _ = photographs
    clf = small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)
    assert clf.n_skipped_images_ == 0
    assert same(clf, small().fit(Xs, ys, X_target=Xt))
    assert not [str(w.message) for w in recwarn if "images" in str(w.message)]


def test_a_domain_without_any_image_that_can_be_read_is_refused(
    copied, small, loader, exchange_content, untrained
):
    Xs, ys, Xt, _ = copied
    exchange_content(Xt)
    with pytest.raises(ValueError, match="None of the 24 images of a domain can be read"):
        small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("row", [0, 29])
def test_an_image_that_cannot_be_read_ends_the_fit_by_its_name(
    copied, small, loader, cut_off, same, row, freeze, n_workers
):
    Xs, ys, Xt, _ = copied
    whole = Path(Xs[row]).read_bytes()
    cut_off(Xs[row])
    clf = small(image_loader=loader(n_workers=n_workers), freeze=freeze)
    message = f"^The image {str(Xs[row])!r} cannot be read: .*unreadable='skip'"
    with pytest.raises(UnreadableImageError, match=message):
        clf.fit(Xs, ys, X_target=Xt)
    Path(Xs[row]).write_bytes(whole)
    assert same(clf.fit(Xs, ys, X_target=Xt), small(freeze=freeze).fit(Xs, ys, X_target=Xt))
