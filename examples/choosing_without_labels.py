"""Which model to trust when the target has no labels: two cases, one where adapting helps.

    python examples/choosing_without_labels.py

Digits by a poor camera, and a table of two clinics with other patients. Labels of the target
are used for the last line of each case and nothing else.
"""

import numpy as np

from domadapt import AutoAdaptClassifier
from domadapt.datasets import load_camera_digits


def draw_patients(rng, n_samples, age):
    """Return six measurements that depend on age, and who is ill, by two of them."""
    ages = rng.normal(age, 10, size=n_samples)
    X = rng.normal(size=(n_samples, 6)) + 0.02 * ages[:, None]
    risk = X[:, 0] + X[:, 1] * X[:, 2] - 1.5 + rng.normal(scale=0.5, size=n_samples)
    return X, np.where(risk > 0, "ill", "well")


def choose(name, Xs, ys, Xt, yt):
    """Fit the automatic choice, and tell what it did and how right it is."""
    candidates = ["mcc", "jda+lr", "coral+lr"]
    auto = AutoAdaptClassifier(candidates, random_state=0).fit(Xs, ys, X_target=Xt)
    print(f"{name}\n")
    print(auto.explain())
    low, high = auto.accuracy_interval_
    print(
        f"\nestimated {100 * auto.estimated_accuracy_:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    )
    print(f"adapts: {auto.adapts_}, right: {100 * auto.score(Xt, yt):.1f} %\n")


def main():
    """Run both cases."""
    digits = load_camera_digits(random_state=0)
    choose("Digits by a poor camera", *(digits[name] for name in digits_names()))
    rng = np.random.default_rng(0)
    young, old = draw_patients(rng, 300, 30), draw_patients(rng, 300, 60)
    choose("Older patients", *young, *old)


def digits_names():
    """Return the names of what the loader returns, in order."""
    return "X_source", "y_source", "X_target", "y_target"


if __name__ == "__main__":
    main()
