"""Reviews of one kind of product told apart by the words of another: TF-IDF, then adaptation.

The reviews are drawn here. Both kinds share some words of feeling, and each has words of its own.
Sparse TF-IDF columns go into any estimator: what is learnt from books is moved to kitchens
without any label, or with five of each feeling.
"""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from domadapt import AlignmentClassifier

WORDS = {
    "shared": ("bad poor dull awful", "good great fine lovely"),
    "books": ("boring shallow predictable clumsy", "gripping moving witty deep"),
    "kitchen": ("leaks rusty brittle blunt", "sturdy sharp handy spotless"),
}
TOPICS = {"books": "plot page author chapter story", "kitchen": "pan lid blade handle oven"}


def reviews(product, n, rng):
    """Draw reviews of a product and whether they are kind."""
    kind = rng.integers(2, size=n)
    texts = []
    for k in kind:
        words = [*rng.choice(TOPICS[product].split(), 5), rng.choice(WORDS["shared"][k].split())]
        # Now and then a word is meant otherwise.
        words.append(rng.choice(WORDS["shared"][rng.choice([k, 1 - k], p=[0.6, 0.4])].split()))
        words += [*rng.choice(WORDS[product][k].split(), 2)]
        texts.append(" ".join(words))
    return texts, kind


rng = np.random.default_rng(0)
books, y_books = reviews("books", 400, rng)
kitchen, y_kitchen = reviews("kitchen", 400, rng)
vectors = TfidfVectorizer().fit(books + kitchen)
Xs, Xt = vectors.transform(books), vectors.transform(kitchen)
shown = np.concatenate([np.flatnonzero(y_kitchen == k)[:5] for k in (0, 1)])
y_target = np.full(400, np.nan)
y_target[shown] = y_kitchen[shown]
others = np.setdiff1d(np.arange(400), shown)

settings = {"max_epochs": 10, "random_state": 0}
few = LogisticRegression().fit(Xt[shown], y_kitchen[shown])
plain = AlignmentClassifier(alignment=None, **settings).fit(Xs, y_books)
moved = AlignmentClassifier("coral", **settings).fit(Xs, y_books, X_target=Xt)
both = AlignmentClassifier("coral", **settings).fit(Xs, y_books, X_target=Xt, y_target=y_target)
for name, clf in (
    ("ten reviews of kitchens", few),
    ("books alone", plain),
    ("books, aligned", moved),
    ("books, aligned, and the ten", both),
):
    # Labels of the target are for this figure alone.
    print(f"{name:>27}: {clf.score(Xt[others], y_kitchen[others]):.2f}")
