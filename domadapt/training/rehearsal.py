"""One step before training, which trains nothing and shows what does not go together."""

import torch

from domadapt.domains.cautions import warn


@torch.enable_grad()  # As in training: a criterion may take gradients itself.
def rehearse(step, inputs, index, scalars):
    """Run a training step once, warn of criteria without a gradient, and return the alignment loss.

    Layers that take their sizes from the first mini-batch do so here.
    """
    if step.loss_weights is not None:
        step.loss_weights.eval()
    _, loss, *losses = step(inputs, index, scalars)
    if step.loss_weights is not None:
        step.loss_weights.train()
    step.zero_grad()  # Where a criterion has called backward.
    constant = [n for n, own in zip(step.names, losses, strict=True) if not own.requires_grad]
    # Features of which nothing is trained give no criterion a gradient.
    if constant and any(p.requires_grad for p in step.network.feature_extractor.parameters()):
        warn(
            f"The loss of {', '.join(constant)} takes no gradient from the network, so it trains "
            "nothing. It is constant, or computed from tensors that were detached: look for "
            ".detach(), .item(), NumPy or torch.no_grad() in the criterion."
        )
    return None if loss is None else loss.detach()
