"""
Text: reviews of books teach to read reviews of kitchens
========================================================

The reviews are drawn here. Both kinds of product share a few words of feeling, and each has words
of its own, which are learnt from labelled books for nothing. Where reviews of kitchens hold a
shared word beside an own one, unlabelled reviews show what the own words mean. Sparse TF-IDF
columns go into any estimator as they are.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from domadapt import AlignmentClassifier

SHARED = "bad poor dull awful", "good great fine lovely"
OWN = {
    "books": (
        "boring shallow predictable clumsy slow trite confused bland wordy flat",
        "gripping moving witty deep vivid clever honest tender wise elegant",
    ),
    "kitchen": (
        "leaks rusty brittle blunt wobbly sticky flimsy noisy scratched bent",
        "sturdy sharp handy spotless solid silent light compact safe durable",
    ),
}
TOPICS = {"books": "plot page author chapter story", "kitchen": "pan lid blade handle oven"}


def reviews(product, n, rng):
    """Draw reviews of a product and whether they are kind."""
    kind = rng.integers(2, size=n)
    texts = []
    for k in kind:
        words = [*rng.choice(TOPICS[product].split(), 2), *rng.choice(OWN[product][k].split(), 2)]
        # Some reviews have no word that both products share.
        if rng.random() < 0.7:
            words.append(rng.choice(SHARED[k].split()))
        texts.append(" ".join(words))
    return texts, kind


# %%
# Six reviews of kitchens have a label; the other labels are for the figures alone.

rng = np.random.default_rng(0)
books, y_books = reviews("books", 600, rng)
kitchen, y_kitchen = reviews("kitchen", 600, rng)
vectors = TfidfVectorizer().fit(books + kitchen)
Xs, Xt = vectors.transform(books), vectors.transform(kitchen)
shown = np.concatenate([np.flatnonzero(y_kitchen == k)[:3] for k in (0, 1)])
y_target = np.full(len(kitchen), np.nan)
y_target[shown] = y_kitchen[shown]
others = np.setdiff1d(np.arange(len(kitchen)), shown)

# %%
# Four ways to read reviews of kitchens.

settings = {"max_epochs": 10, "random_state": 0}
few = LogisticRegression().fit(Xt[shown], y_kitchen[shown])
plain = AlignmentClassifier(alignment=None, **settings).fit(Xs, y_books)
moved = AlignmentClassifier("mcc", **settings).fit(Xs, y_books, X_target=Xt)
both = AlignmentClassifier("mcc", **settings).fit(Xs, y_books, X_target=Xt, y_target=y_target)
right = {}
for name, clf in (
    ("six reviews of kitchens", few),
    ("books alone", plain),
    ("books, adapted", moved),
    ("books, adapted, and the six", both),
):
    right[name] = clf.score(Xt[others], y_kitchen[others])
    print(f"{name:>27}: {right[name]:.2f}")

figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
bars = axis.barh(list(right), list(right.values()), color=["0.7", "0.7", "#3f8fe0", "#3f8fe0"])
axis.bar_label(bars, fmt="%.2f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="accuracy on reviews of kitchens", xlim=(0, 1.1))
