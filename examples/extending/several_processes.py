"""
Several processes that train one model
======================================

One process fills one core or one GPU. Several can train the same model together: each takes its
share of every mini-batch, and the results are put together before each update. The script is the
same for one process and for several; what is different is how it is started. One process::

    python examples/extending/several_processes.py

Two, on one machine, by the launcher that comes with torch::

    torchrun --nproc-per-node=2 examples/extending/several_processes.py
"""

# sphinx_gallery_thumbnail_path = 'stored/several_processes.png'
import os

import matplotlib.pyplot as plt
import torch
from sklearn.preprocessing import StandardScaler
from torch import distributed

from domadapt import DANNClassifier
from domadapt.datasets import load_camera_digits

# %%
# The launcher tells each process in variables how many there are and which one it is. They find
# each other by ``init_process_group``: "nccl" joins GPUs, "gloo" everything else.

together = int(os.environ.get("WORLD_SIZE", 1)) > 1
if together:
    on_cuda = torch.cuda.is_available()
    if on_cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if on_cuda else "gloo")

# %%
# Nothing else changes. Every process has the same samples and calls ``fit``. One of them prints
# and draws; the target's labels are for the figure that it prints.

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
clf = DANNClassifier(max_epochs=20, random_state=0).fit(Xs, data.y_source, X_target=Xt)

if not together or distributed.get_rank() == 0:
    print(f"target accuracy {100 * clf.score(Xt, data.y_target):.1f} %")
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    epochs = range(1, len(clf.history_["task_loss"]) + 1)
    axis.plot(epochs, clf.history_["task_loss"], label="of the source labels")
    axis.plot(epochs, clf.history_["alignment_loss"], "--", label="of the domains (DANN)")
    axis.set(xlabel="epoch", ylabel="loss", xticks=epochs[::4])
    axis.legend()

if together:
    # One that leaves early would cut the others' connections.
    distributed.barrier()
    distributed.destroy_process_group()

# %%
# What it printed
# ---------------
# This page is not run when the site is built, which has one process. What follows was stored by
# ``python docs/store_examples.py several_processes``, one process first, then two.
#
# .. literalinclude:: /stored/several_processes.txt
#    :language: text
#
# .. image:: /stored/several_processes_1.svg
#    :alt: Two losses over twenty epochs of two processes.
#
# Both print the same accuracy up to rounding: sums of the same numbers in another order differ in
# the last digits, and hundreds of updates make that larger. It is meant for photographs and a
# backbone that is trained, not for digits as small as these. What is shared and what is not:
# :doc:`from notebook to several GPUs </several_gpus>`.
