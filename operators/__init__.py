"""Operators of the App: each is a form and one call of the SDK."""

from .build_index import BuildIndex
from .clear_scores import ClearScores
from .compute_neighbors import ComputeNeighbors
from .delete_index import DeleteIndex
from .detect_objects import DetectObjects
from .embed_objects import EmbedObjects
from .evaluate_retrieval import EvaluateRetrieval
from .find_in_photo import FindInPhoto
from .jobs import CancelJob, JobStatus
from .panel import PANEL
from .refresh_index import RefreshIndex
from .search_by_photo import SearchByPhoto
from .sort_by_similarity import SimilarToLabel, SortBySimilarity
from .visualize_objects import VisualizeObjects

OPERATORS = (
    DetectObjects,
    EmbedObjects,
    BuildIndex,
    RefreshIndex,
    DeleteIndex,
    SortBySimilarity,
    SimilarToLabel,
    SearchByPhoto,
    FindInPhoto,
    VisualizeObjects,
    ComputeNeighbors,
    EvaluateRetrieval,
    ClearScores,
    JobStatus,
    CancelJob,
)


def register(plugin):
    """Register every operator and the panel with FiftyOne."""
    for operator in (*OPERATORS, *PANEL):
        plugin.register(operator)
