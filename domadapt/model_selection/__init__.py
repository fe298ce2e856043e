"""Choosing without target labels, and noticing harm: scores, splitters, reports, callbacks."""

from domadapt.model_selection.splitters import DomainGroupKFold as DomainGroupKFold
from domadapt.model_selection.splitters import LeaveOneSourceOut as LeaveOneSourceOut
from domadapt.model_selection.splitters import StratifiedDomainKFold as StratifiedDomainKFold

__all__ = ["DomainGroupKFold", "LeaveOneSourceOut", "StratifiedDomainKFold"]
