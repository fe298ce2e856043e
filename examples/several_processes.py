"""The same script in a notebook's one process and in several that train one model.

    python examples/several_processes.py
    torchrun --nproc-per-node=2 examples/several_processes.py

Both print the same accuracy, up to rounding: every process takes its share of each batch,
and features are gathered before the classifier and the criterion see them.
"""

import os

import torch
from sklearn.preprocessing import StandardScaler
from torch import distributed

from domadapt import DANNClassifier
from domadapt.datasets import load_camera_digits


def main():
    """Join the other processes, where there are any, train and print."""
    together = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if together:
        on_cuda = torch.cuda.is_available()
        if on_cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if on_cuda else "gloo")

    data = load_camera_digits(random_state=0)
    Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
    clf = DANNClassifier(max_epochs=20, random_state=0).fit(Xs, data.y_source, X_target=Xt)
    if not together or distributed.get_rank() == 0:
        print(f"target accuracy {100 * clf.score(Xt, data.y_target):.1f} %")

    if together:
        # One that leaves early would cut the others' connections.
        distributed.barrier()
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
