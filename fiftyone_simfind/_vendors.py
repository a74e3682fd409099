"""The vector databases that FiftyOne's Brain can keep an index in, and where one differs from the other.

Brain's own way of asking is used where it gives the nearest objects. Where it fails, or copies the whole index, or asks
for approximate neighbours though the database can do better, the question is put to the client that Brain has opened.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields

Vectors = NDArray[np.float32]


class Engine:
    """Any backend of Brain, asked in Brain's own way.

    Args:
        index: Brain's ``SimilarityIndex``

    Attributes:
        needs: packages
        address: the option that names the server or the folder, if it has one
        names: options that name the table of an index
        defaults: options of the index, unless others are given
        cure: of an approximate index that gives too few objects
    """

    needs: tuple[str, ...] = ()
    address = ""
    names: tuple[str, ...] = ("table_name", "collection_name", "index_name")
    defaults: dict[str, Any] = {}
    cure = "Ask for fewer, or search a smaller view"

    def __init__(self, index: Any):
        self.index = index

    @property
    def exact(self) -> bool:
        """Whether the objects that it gives are the nearest ones for sure."""
        return False

    @property
    def precision(self) -> float:
        """By how much the scores that it goes by may be off."""
        return 1e-5

    @property
    def most(self) -> int | None:
        """How many objects it gives at most, or None."""
        return self.index.config.max_k

    @property
    def size(self) -> int:
        """How many objects it holds."""
        return self.index.total_index_size

    def is_new(self) -> bool:
        """Whether there is no table of the index yet."""
        return self.size == 0

    def add(self, vectors: Vectors, sample_ids: Sequence[str], label_ids: Sequence[str]) -> None:
        """Put some objects into it."""
        self.index.add_to_index(vectors, np.array(sample_ids), label_ids=np.array(label_ids), reload=False)

    def finish(self) -> None:
        """Do what is to be done once all objects are there."""

    def drop(self) -> None:
        """Delete the table of the index."""
        self.index.cleanup()

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None) -> list[str]:
        """The ids of the objects nearest to a vector, nearest first; ``among`` names those that alone may be found."""
        view = self.index._samples
        if among is not None:
            view = _fields.all_slices(view).select_labels(ids=list(among), fields=self.index.config.patches_field)
        with self.index.use_view(view):
            return list(self.index._kneighbors(query=vector, k=k)[1])


class LanceDB(Engine):
    """Embedded; looks at every vector unless somebody makes an index of LanceDB's own on the table."""

    needs = ("lancedb", "pyarrow")
    address = "uri"

    @property
    def exact(self) -> bool:
        """It is."""
        return True

    def add(self, vectors: Vectors, sample_ids: Sequence[str], label_ids: Sequence[str]) -> None:
        """Put some objects into it; Brain would read and write the whole table each time."""
        if self.index.table is None:
            return super().add(vectors, sample_ids, label_ids)
        rows = zip(label_ids, sample_ids, vectors, strict=True)
        return self.index.table.add([dict(id=i, sample_id=s, vector=v) for i, s, v in rows])

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None) -> list[str]:
        """As of any engine; Brain would copy what a view holds into a second table."""
        query = self.index.table.search(vector).distance_type("cosine").select(["id", "_distance"]).limit(k)
        if among is not None:
            query = query.where("id IN ({})".format(", ".join(f"'{label_id}'" for label_id in among)), prefilter=True)
        return query.to_arrow()["id"].to_pylist()


class Milvus(Engine):
    """Embedded or a server; Brain's graph looks at 10 objects, and a server gives no more neighbours than that."""

    needs = ("pymilvus",)
    address = "uri"

    @property
    def exact(self) -> bool:
        """It is."""
        return True

    def add(self, vectors: Vectors, sample_ids: Sequence[str], label_ids: Sequence[str]) -> None:
        """Put some objects into it, where every one of them will be looked at."""
        if self.index.collection is None:
            self._create(vectors.shape[1])
        super().add(vectors, sample_ids, label_ids)

    def _create(self, dim: int) -> None:
        index = self.index
        index._create_collection(dim)
        index.collection.release()
        index.collection.drop_index()
        index.collection.create_index("vector", {"metric_type": "COSINE", "index_type": "FLAT", "params": {}})
        index.collection.load()

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None) -> list[str]:
        """As of any engine."""
        within = None if among is None else "pk in [{}]".format(", ".join(f'"{label_id}"' for label_id in among))
        options = dict(anns_field="vector", param={"metric_type": "COSINE", "params": {}}, limit=k, expr=within)
        return [hit.id for hit in self.index.collection.search(data=[vector.tolist()], **options)[0]]


class PgVector(Engine):
    """A PostgreSQL server; one list of all vectors is looked at as a whole, a graph or more lists in part."""

    needs = ("psycopg2",)
    address = "connection_string"
    defaults = {"index_type": "ivfflat", "ivfflat_lists": 1}
    cure = "Build it anew without index_type, which looks at all of them, or with a larger hnsw_ef_search"

    def __init__(self, index: Any):
        super().__init__(index)
        logging.getLogger(type(index).__module__).setLevel(
            logging.WARNING
        )  # Brain tells of each connection: each query

    @property
    def exact(self) -> bool:
        """Whether the objects that it gives are the nearest ones for sure."""
        config = self.index.config
        return config.index_type == "ivfflat" and config.ivfflat_lists == 1

    @property
    def precision(self) -> float:
        """By how much the scores that it goes by may be off."""
        return 1e-5 if self.index.config.vector_type == "vector" else 2e-3

    @property
    def size(self) -> int:
        """How many objects it holds."""
        with self._connection():
            return self.index.total_index_size

    def is_new(self) -> bool:
        """Whether there is no table of the index yet; counting the rows of none would break the connection."""
        with self._connection():
            return self.index.config.table_name not in self.index._get_table_names()

    def finish(self) -> None:
        """Find the lists anew, now that all vectors are there to find them by."""
        if self.index.config.index_type == "ivfflat" and not self.exact:
            with self._connection():
                self.index.create_index()

    @contextmanager
    def _connection(self) -> Iterator[None]:
        """An open connection; one that stayed open would keep others from deleting the table."""
        if self.index._conn.closed:
            self.index._initialize()
        try:
            yield
        finally:
            self.index.close_connections()

    def drop(self) -> None:
        """Delete the table of the index."""
        self.index.cleanup(drop_table=True)


class Qdrant(Engine):
    """A server that can be told to look at every vector."""

    needs = ("qdrant_client",)
    address = "url"

    @property
    def exact(self) -> bool:
        """It is."""
        return True

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None) -> list[str]:
        """As of any engine; Brain asks in a way that clients since 1.16 do not know."""
        from qdrant_client import models

        within = None
        if among is not None:
            within = models.Filter(must=[models.HasIdCondition(has_id=self.index._to_qdrant_ids(among))])
        points = self.index.client.query_points(
            self.index.config.collection_name,
            query=vector.tolist(),
            query_filter=within,
            search_params=models.SearchParams(exact=True),
            with_payload=False,
            limit=k,
        ).points
        return self.index._to_fiftyone_ids([str(point.id) for point in points])


class Elasticsearch(Engine):
    """A server that can be told to look at every vector; its graph is of rounded ones."""

    needs = ("elasticsearch",)
    address = "hosts"

    @property
    def exact(self) -> bool:
        """It is."""
        return True

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None) -> list[str]:
        """As of any engine."""
        within = {"match_all": {}} if among is None else {"ids": {"values": list(among)}}
        cosine = {"source": "cosineSimilarity(params.query, 'vector') + 1.0", "params": {"query": vector.tolist()}}
        found = self.index.client.search(
            index=self.index.config.index_name,
            query={"script_score": {"query": within, "script": cosine}},
            size=k,
            source=False,
        )
        return [hit["_id"] for hit in found["hits"]["hits"]]


VENDORS: dict[str, type[Engine]] = {
    "lancedb": LanceDB,
    "milvus": Milvus,
    "pgvector": PgVector,
    "qdrant": Qdrant,
    "elasticsearch": Elasticsearch,
}


def vendor(backend: str) -> type[Engine]:
    """What is known of a backend of Brain."""
    return VENDORS.get(backend, Engine)


def missing(backend: str) -> list[str]:
    """The packages that a backend needs and that are not installed."""
    return [name for name in vendor(backend).needs if importlib.util.find_spec(name) is None]


def where(backend: str) -> str:
    """The end of a sentence about a backend that was not found: how to say where it is."""
    option = vendor(backend).address
    if not option:
        return ""
    name = f"FIFTYONE_BRAIN_SIMILARITY_{backend}_{option}".upper()
    return f"; say where it is with build_index(..., {option}=...), and from then on in the environment as {name}"
