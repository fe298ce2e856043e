"""Three tasks of one kind of samples: which digit, whether it is even, and how much ink it has.

Each task has rows of its own, as where different people have labelled different things. Few
digits are labelled, which is where sharing what is learnt from the other tasks is worth most.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import MultiTaskRegressor

X, y = load_digits(return_X_y=True)
ink = X.sum(axis=1)
X = StandardScaler().fit_transform(X).astype("float32")
labels = {"digit": y, "parity": y % 2, "ink": ink}

# Rows of the first task are few, and no row has labels of two tasks.
train, test = train_test_split(range(len(X)), test_size=700, random_state=0)
rows = {"digit": train[:60], "parity": train[60:360], "ink": train[360:660]}
tasks = {name: (X[rows[name]], labels[name][rows[name]]) for name in labels}
tested = {name: (X[test], labels[name][test]) for name in labels}

settings = {"learns": {"digit": "classes", "parity": "classes"}, "random_state": 0}
alone = {}
for name, task in tasks.items():
    only = {n: kind for n, kind in settings["learns"].items() if n == name}
    reg = MultiTaskRegressor(**settings | {"learns": only}).fit({name: task})
    alone |= reg.score({name: tested[name]})

ways = {"each alone": alone}
for sharing in ("hard", "cross_stitch", "hierarchical", "shared_private", "mean_regularised"):
    reg = MultiTaskRegressor(sharing=sharing, **settings).fit(tasks)
    ways[sharing] = reg.score(tested)
for way, scores in ways.items():
    print(
        f"{way:>16}: digit {100 * scores['digit']:.1f} %, parity {100 * scores['parity']:.1f} %, "
        f"ink R^2 {scores['ink']:.2f}"
    )
