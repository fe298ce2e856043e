"""Criteria that measure how far apart two domains are, for training or on their own."""

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.central_moments import CentralMoments
from domadapt.alignment.class_confusion import MCC
from domadapt.alignment.classifier_discrepancy import ClassifierDiscrepancy
from domadapt.alignment.conditional_adversarial import ConditionalAdversarial
from domadapt.alignment.coral import CORAL, DeepCORAL
from domadapt.alignment.criteria import WeightedCriteria, declared_names
from domadapt.alignment.domain_confusion import DomainConfusion
from domadapt.alignment.entropy import EntropyMinimization
from domadapt.alignment.feature_norm import AFN
from domadapt.alignment.joint_mmd import JointMMD
from domadapt.alignment.local_mmd import LocalMMD
from domadapt.alignment.margin_disparity import MarginDisparity
from domadapt.alignment.mean_embedding import KernelMMD, LinearTimeMMD
from domadapt.alignment.mmd import MMD
from domadapt.alignment.nuclear_norm import BNM
from domadapt.alignment.optimal_transport import DeepJDOT
from domadapt.alignment.pseudo_labels import PseudoLabels
from domadapt.alignment.sliced_wasserstein import SlicedWasserstein
from domadapt.alignment.spectral_penalty import BSP
from domadapt.alignment.wasserstein_critic import WassersteinCritic

__all__ = [
    "AFN",
    "BNM",
    "BSP",
    "CORAL",
    "MCC",
    "MMD",
    "CentralMoments",
    "ClassifierDiscrepancy",
    "ConditionalAdversarial",
    "DeepCORAL",
    "DeepJDOT",
    "DomainAdversarial",
    "DomainConfusion",
    "EntropyMinimization",
    "JointMMD",
    "KernelMMD",
    "LinearTimeMMD",
    "LocalMMD",
    "MarginDisparity",
    "PseudoLabels",
    "SlicedWasserstein",
    "WassersteinCritic",
    "WeightedCriteria",
    "declared_names",
]
