"""Ten questions that lead to a method: the rules as data, and a walk through them."""

from domadapt.model_selection.chooser._choice import MethodChoice as MethodChoice
from domadapt.model_selection.chooser._choice import choose_method as choose_method

__all__ = ["MethodChoice", "choose_method"]
