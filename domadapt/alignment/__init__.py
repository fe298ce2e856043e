"""Criteria that measure how far apart two domains are, for training or on their own."""

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.central_moments import CentralMoments
from domadapt.alignment.centroid_labels import CentroidLabels
from domadapt.alignment.class_confusion import MCC
from domadapt.alignment.classifier_discrepancy import ClassifierDiscrepancy
from domadapt.alignment.conditional_adversarial import ConditionalAdversarial
from domadapt.alignment.coral import CORAL, DeepCORAL
from domadapt.alignment.domain_confusion import DomainConfusion
from domadapt.alignment.domain_separation import DomainSeparation
from domadapt.alignment.energy_distance import EnergyDistance
from domadapt.alignment.entropy import EntropyMinimization
from domadapt.alignment.feature_norm import AFN
from domadapt.alignment.joint_mmd import JointMMD
from domadapt.alignment.local_mmd import LocalMMD
from domadapt.alignment.margin_disparity import MarginDisparity
from domadapt.alignment.mean_embedding import KernelMMD, LinearTimeMMD
from domadapt.alignment.mean_teacher import MeanTeacher
from domadapt.alignment.mmd import MMD
from domadapt.alignment.moment_matching import MomentMatching
from domadapt.alignment.nuclear_norm import BNM
from domadapt.alignment.open_set import OpenSetBackpropagation
from domadapt.alignment.optimal_transport import DeepJDOT, DeepJDOTRegression
from domadapt.alignment.partial_adversarial import PartialAdversarial
from domadapt.alignment.protocol import Criterion, declared_names
from domadapt.alignment.pseudo_labels import PseudoLabels
from domadapt.alignment.self_supervised import SelfSupervised
from domadapt.alignment.sliced_wasserstein import SlicedWasserstein
from domadapt.alignment.spectral_penalty import BSP
from domadapt.alignment.subspace_distance import RSD
from domadapt.alignment.untied_adversarial import UntiedAdversarial
from domadapt.alignment.virtual_adversarial import VirtualAdversarial
from domadapt.alignment.wasserstein_critic import WassersteinCritic

__all__ = [
    "AFN",
    "BNM",
    "BSP",
    "CORAL",
    "MCC",
    "MMD",
    "RSD",
    "CentralMoments",
    "CentroidLabels",
    "ClassifierDiscrepancy",
    "ConditionalAdversarial",
    "Criterion",
    "DeepCORAL",
    "DeepJDOT",
    "DeepJDOTRegression",
    "DomainAdversarial",
    "DomainConfusion",
    "DomainSeparation",
    "EnergyDistance",
    "EntropyMinimization",
    "JointMMD",
    "KernelMMD",
    "LinearTimeMMD",
    "LocalMMD",
    "MarginDisparity",
    "MeanTeacher",
    "MomentMatching",
    "OpenSetBackpropagation",
    "PartialAdversarial",
    "PseudoLabels",
    "SelfSupervised",
    "SlicedWasserstein",
    "UntiedAdversarial",
    "VirtualAdversarial",
    "WassersteinCritic",
    "declared_names",
]
