"""Plain torch parts: gradient reversal, kernels, backbones, heads, split batch norm."""

from domadapt.nn.applied import ScaledModule, extract_features
from domadapt.nn.backbones import conv_backbone, mlp_backbone
from domadapt.nn.gradient_reversal import GradientReversal, scale_gradient
from domadapt.nn.heads import FeatureClassifier, mlp_head
from domadapt.nn.kernels import rbf_pair_sum
from domadapt.nn.pretrained import NamedBackbone, load_backbone
from domadapt.nn.split_batch_norm import SplitBatchNorm, split_batch_norm

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
