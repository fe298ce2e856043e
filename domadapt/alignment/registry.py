"""The criteria that can be called by a name."""

from collections.abc import Callable
from functools import partial

from torch import nn

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.central_moments import CentralMoments
from domadapt.alignment.centroid_labels import CentroidLabels
from domadapt.alignment.class_confusion import MCC
from domadapt.alignment.classifier_discrepancy import ClassifierDiscrepancy
from domadapt.alignment.conditional_adversarial import ConditionalAdversarial
from domadapt.alignment.coral import CORAL, DeepCORAL
from domadapt.alignment.domain_confusion import DomainConfusion
from domadapt.alignment.domain_separation import DomainSeparation
from domadapt.alignment.entropy import EntropyMinimization
from domadapt.alignment.feature_norm import AFN
from domadapt.alignment.joint_mmd import JointMMD
from domadapt.alignment.local_mmd import LocalMMD
from domadapt.alignment.margin_disparity import MarginDisparity
from domadapt.alignment.mean_teacher import MeanTeacher
from domadapt.alignment.mmd import MMD
from domadapt.alignment.moment_matching import MomentMatching
from domadapt.alignment.nuclear_norm import BNM
from domadapt.alignment.open_set import OpenSetBackpropagation
from domadapt.alignment.optimal_transport import DeepJDOT, DeepJDOTRegression
from domadapt.alignment.partial_adversarial import PartialAdversarial
from domadapt.alignment.pseudo_labels import PseudoLabels
from domadapt.alignment.sliced_wasserstein import SlicedWasserstein
from domadapt.alignment.spectral_penalty import BSP
from domadapt.alignment.subspace_distance import RSD
from domadapt.alignment.untied_adversarial import UntiedAdversarial
from domadapt.alignment.virtual_adversarial import VirtualAdversarial
from domadapt.alignment.wasserstein_critic import WassersteinCritic

CRITERIA: dict[str, Callable[[], nn.Module]] = {
    # Batches are small: the biased estimate would also pull rows of one batch together.
    "mmd": partial(MMD, unbiased=True),
    "jan": partial(JointMMD, unbiased=True, softmax_bandwidth=0.3),
    "dsan": LocalMMD,
    "cmd": CentralMoments,
    "coral": DeepCORAL,
    "dann": DomainAdversarial,
    "cdan": partial(ConditionalAdversarial, entropy=True),
    "wdgrl": WassersteinCritic,
    "confusion": DomainConfusion,
    "mcd": ClassifierDiscrepancy,
    "mdd": MarginDisparity,
    "mcc": MCC,
    "bnm": BNM,
    "entropy": EntropyMinimization,
    "afn": AFN,
    "bsp": BSP,
    "deepjdot": DeepJDOT,
    "swd": SlicedWasserstein,
    "pseudo_labels": PseudoLabels,
    "mean_teacher": MeanTeacher,
    "vat": VirtualAdversarial,
    "adda": UntiedAdversarial,
    "dsn": DomainSeparation,
    "m3sda": MomentMatching,
    "pada": PartialAdversarial,
    "osbp": OpenSetBackpropagation,
    "centroids": CentroidLabels,
}

# For regression. "coral" works on features here, and on logits above.
REGRESSION_CRITERIA: dict[str, Callable[[], nn.Module]] = {
    "coral": CORAL,
    "deepjdot": DeepJDOTRegression,
    "rsd": RSD,
    **{name: CRITERIA[name] for name in ("mmd", "cmd", "dann", "wdgrl", "confusion", "swd")},
}
