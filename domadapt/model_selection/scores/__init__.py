"""Scores without target labels, each a function of arrays."""

from domadapt.model_selection.scores.accuracy import *
from domadapt.model_selection.scores.aggregation import *
from domadapt.model_selection.scores.agreement import *
from domadapt.model_selection.scores.bounds import *
from domadapt.model_selection.scores.clusters import *
from domadapt.model_selection.scores.confidence import *
from domadapt.model_selection.scores.weighted import *
