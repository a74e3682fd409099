"""Operators of the App: each is a form and one call of the SDK."""

from .build_index import BuildIndex
from .detect_objects import DetectObjects
from .embed_objects import EmbedObjects
from .panel import PANEL
from .sort_by_similarity import SimilarToLabel, SortBySimilarity
from .visualize_objects import VisualizeObjects

OPERATORS = (DetectObjects, EmbedObjects, BuildIndex, SortBySimilarity, SimilarToLabel, VisualizeObjects)


def register(plugin):
    """Register every operator and the panel with FiftyOne."""
    for operator in (*OPERATORS, *PANEL):
        plugin.register(operator)
