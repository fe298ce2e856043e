"""A criterion of one's own, in an estimator and in a loop of one's own.

A criterion is a function, or an ``nn.Module``, whose parameters are named after what it
needs. The same object serves an estimator and a plain torch loop.
"""

import torch
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier
from domadapt.alignment import MMD
from domadapt.datasets import load_camera_digits


def mean_distance(source_features, target_features):
    """Squared distance between the means of both domains."""
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))

# In an estimator: alone, or with weights next to others.
settings = {"hidden_layer_sizes": (128,), "max_epochs": 10, "random_state": 0}
for alignment in (mean_distance, [(1.0, mean_distance), (3.0, MMD())]):
    clf = AlignmentClassifier(alignment, **settings)
    clf.fit(Xs, data.y_source, X_target=Xt)
    print(f"target accuracy {100 * clf.score(Xt, data.y_target):.1f} %")

# In a loop of one's own, a criterion is a loss like any other.
network = torch.nn.Linear(64, 16)
criterion = MMD()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
source, target = torch.from_numpy(Xs), torch.from_numpy(Xt)
for _ in range(20):
    loss = criterion(network(source), network(target))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"MMD between the features after 20 steps: {loss.item():.4f}")
