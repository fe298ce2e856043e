"""Plain torch parts: gradient reversal, kernels, backbones, heads, split batch norm."""

from domadapt.nn.kernels import rbf_pair_sum
from domadapt.nn.layers import (
    GradientReversal,
    ScaledModule,
    SplitBatchNorm,
    extract_features,
    scale_gradient,
    split_batch_norm,
)
from domadapt.nn.networks import FeatureClassifier, conv_backbone, mlp_backbone, mlp_head
from domadapt.nn.pretrained import NamedBackbone, load_backbone

__all__ = [
    "FeatureClassifier",
    "GradientReversal",
    "NamedBackbone",
    "ScaledModule",
    "SplitBatchNorm",
    "conv_backbone",
    "extract_features",
    "load_backbone",
    "mlp_backbone",
    "mlp_head",
    "rbf_pair_sum",
    "scale_gradient",
    "split_batch_norm",
]
