"""Pick any object in a FiftyOne dataset and see every object that looks like it.

Every public name lives in a private module and is imported when it is first used, so that ``import fiftyone_simfind``
costs next to nothing::

    import fiftyone_simfind as simfind

    simfind.detect(dataset)                          # objects and their vectors, one forward pass
    simfind.build_index(dataset, "objects")          # an ordinary FiftyOne Brain run
    view = simfind.sort_by_similarity(dataset, label_id)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fiftyone_simfind import _announce

__version__ = "0.1.0"

_HOMES = {
    "detect": "_detect",
    "embed": "_embed",
    "images": "_fields",
    "whole_images": "_whole_images",
    "build_index": "_index",
    "status": "_refresh",
    "refresh": "_refresh",
    "fit_metric": "_fit",
    "search": "_search",
    "sort_by_similarity": "_search",
    "detect_query": "_detect_query",
    "read_image": "_photos",
    "fetch_image": "_fetch",
    "download_images": "_download",
    "thumbnails": "_thumbnails",
    "crop": "_thumbnails",
    "overview": "_overview",
    "delete_index": "_delete",
    "clear_scores": "_delete",
    "compute_neighbors": "_neighbors",
    "load_neighbors": "_neighbors",
    "visualize": "_visualize",
    "map_points": "_map",
    "evaluate": "_evaluate",
    "compare": "_compare",
    "robustness": "_robustness",
    "location_influence": "_location",
    "plot_matches": "_plots",
    "plot_correspondence": "_report_plots",
    "plot_features": "_features",
    "EmbedReport": "_types",
    "DownloadReport": "_download",
    "IndexStatus": "_types",
    "Match": "_types",
    "Objects": "_types",
    "Candidate": "_candidates",
    "Embedder": "_types",
    "Detector": "_types",
    "SearchResults": "_results",
    "Explanation": "_explain",
    "FeatureSlice": "_features",
    "NeighborTable": "_neighbor_table",
    "ObjectMap": "_map",
    "RetrievalReport": "_reports",
    "LocationReport": "_location_report",
    "Overview": "_overview",
    "ComparisonReport": "_tables",
    "RobustnessReport": "_tables",
    "SimfindError": "errors",
    "BrainRunError": "errors",
    "ClusterError": "errors",
    "CollectionError": "errors",
    "FetchError": "errors",
    "FieldError": "errors",
    "ImageError": "errors",
    "ManifestError": "errors",
    "ModelError": "errors",
    "OptionError": "errors",
    "PackageError": "errors",
    "QueryError": "errors",
}

__all__ = ["__version__", *_HOMES]

_announce.when_they_are_imported()

if TYPE_CHECKING:
    from fiftyone_simfind._candidates import Candidate
    from fiftyone_simfind._compare import compare
    from fiftyone_simfind._delete import clear_scores, delete_index
    from fiftyone_simfind._detect import detect
    from fiftyone_simfind._detect_query import detect_query
    from fiftyone_simfind._download import DownloadReport, download_images
    from fiftyone_simfind._embed import embed
    from fiftyone_simfind._evaluate import evaluate
    from fiftyone_simfind._explain import Explanation
    from fiftyone_simfind._features import FeatureSlice, plot_features
    from fiftyone_simfind._fetch import fetch_image
    from fiftyone_simfind._fields import images
    from fiftyone_simfind._fit import fit_metric
    from fiftyone_simfind._index import build_index
    from fiftyone_simfind._location import location_influence
    from fiftyone_simfind._location_report import LocationReport
    from fiftyone_simfind._map import ObjectMap, map_points
    from fiftyone_simfind._neighbor_table import NeighborTable
    from fiftyone_simfind._neighbors import compute_neighbors, load_neighbors
    from fiftyone_simfind._overview import Overview, overview
    from fiftyone_simfind._photos import read_image
    from fiftyone_simfind._plots import plot_matches
    from fiftyone_simfind._refresh import refresh, status
    from fiftyone_simfind._report_plots import plot_correspondence
    from fiftyone_simfind._reports import RetrievalReport
    from fiftyone_simfind._results import SearchResults
    from fiftyone_simfind._robustness import robustness
    from fiftyone_simfind._search import search, sort_by_similarity
    from fiftyone_simfind._tables import ComparisonReport, RobustnessReport
    from fiftyone_simfind._thumbnails import crop, thumbnails
    from fiftyone_simfind._types import Detector, Embedder, EmbedReport, IndexStatus, Match, Objects
    from fiftyone_simfind._visualize import visualize
    from fiftyone_simfind._whole_images import whole_images
    from fiftyone_simfind.errors import (
        BrainRunError,
        ClusterError,
        CollectionError,
        FetchError,
        FieldError,
        ImageError,
        ManifestError,
        ModelError,
        OptionError,
        PackageError,
        QueryError,
        SimfindError,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
