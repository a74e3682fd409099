"""What a search found, and what can be made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from fiftyone_simfind import _fields, _rules
from fiftyone_simfind._types import Match
from fiftyone_simfind.errors import OptionError, QueryError

if TYPE_CHECKING:
    import pandas as pd

    from fiftyone_simfind._candidates import Candidate
    from fiftyone_simfind._explain import Compared, Explanation
    from fiftyone_simfind._features import FeatureSlice


class SearchResults(Sequence[Match]):
    """The matches of a search, nearest first, each object beside its own score.

    Attributes:
        query: the objects searched for; empty when the query was a vector
        candidates: likewise, those of an image from outside
        matches: the objects found
        patches_field: the field that they lie in
    """

    def __init__(
        self,
        samples: Any,
        patches_field: str,
        *,
        query: list[Match],
        matches: list[Match],
        candidates: Sequence[Candidate] = (),
        compared: Compared | None = None,
    ):
        self._samples = samples
        self.patches_field = patches_field
        self.query = query
        self.matches = matches
        self.candidates = list(candidates)
        self._compared = compared

    def __len__(self) -> int:
        return len(self.matches)

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> list[Match]: ...
    def __getitem__(self, index: int | slice) -> Match | list[Match]:
        return self.matches[index]

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __repr__(self) -> str:
        best = f", best {self.matches[0].score:.3f}" if self.matches else ""
        return f'<SearchResults: {len(self)} objects in "{self.patches_field}"{best}>'

    @property
    def ids(self) -> list[str]:
        """The label ids, nearest first."""
        return [match.label_id for match in self.matches]

    @property
    def scores(self) -> list[float]:
        """The cosine similarities, in the order of :attr:`ids`."""
        return [match.score for match in self.matches]

    def vote(self) -> str | None:
        """The class that most matches have, of equally frequent ones that of the nearest; None where none has one."""
        return _rules.commonest(match.label for match in self)

    def view(self) -> Any:
        """A ``PatchesView`` of the matches in order, for the App."""
        return _fields.patches_in_order(
            self._samples, self.patches_field, self.ids, [match.sample_id for match in self.matches]
        )

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each match and the columns of :class:`Match`."""
        import pandas as pd

        return pd.DataFrame([match.to_dict() for match in self.matches], columns=list(Match.__dataclass_fields__))

    def to_json(self, path: str | Path | None = None, *, indent: int | None = 2) -> str:
        """``{"patches_field": ..., "query": [...], "matches": [...]}`` as text, written to a file when one is given."""
        content = {
            "patches_field": self.patches_field,
            "query": [match.to_dict() for match in self.query],
            "matches": [match.to_dict() for match in self.matches],
        }
        text = json.dumps(content, indent=indent, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def explain(self, i: int, *, model: Any = None, heatmap_field: str | None = None) -> Explanation:
        """Why a match scored as it did: what each part of the vectors gives to its score, and where in its box.

        The network that made the vectors looks at the match's image again. What is explained is the similarity of the
        index, to the query as it was searched for, with its negatives and emphasis; after ``rerank`` too, whose second
        network is not explained.

        Args:
            i: the number of the match, 0 for the nearest
            model: the model that made the vectors; default is to load it from where it was loaded then
            heatmap_field: new or earlier field of the samples for the heat map, as a ``fiftyone.Heatmap`` of the whole
                image: the cosine similarity, 0 where it is negative and outside of the box. It replaces the one that
                the match's sample has in that field; other samples keep theirs

        Raises:
            FieldError: simfind did not make the vectors, or ``heatmap_field`` holds something else
            ModelError: the model cannot be loaded, is not the one that made the vectors, or sees crops as a whole
            OptionError: there is no such match
        """
        if not -len(self) <= i < len(self):
            raise OptionError(f"there is no match {i}; these results have {len(self)}")
        compared = self._what_was_compared()
        from fiftyone_simfind._explain import explain

        vector = compared.vectors[i]
        return explain(self._samples, self.matches[i], vector, compared, model=model, heatmap_field=heatmap_field)

    def features(self, *, max_matches: int = 6, model: Any = None) -> list[FeatureSlice]:
        """The slices of the feature maps that were compared: that of the target first, then those of its matches.

        The network that made the vectors looks at the images again.

        Args:
            max_matches: at most this many matches
            model: the model that made the vectors; default is to load it from where it was loaded then

        Raises:
            FieldError: simfind did not make the vectors
            ModelError: the model cannot be loaded, is not the one that made the vectors, or sees crops as a whole
            OptionError: ``max_matches`` is out of range
            QueryError: the search was not for an object of the dataset
        """
        if not isinstance(max_matches, int) or max_matches < 1:
            raise OptionError(f"max_matches={max_matches!r} must be a whole number of at least 1")
        compared = self._what_was_compared()
        if not self.query:
            raise QueryError(
                "this search was for a vector or an object from outside, which no image of the dataset shows; the "
                "features of a label id, a detection or a patch can be shown"
            )
        from fiftyone_simfind._features import features

        return features(self._samples, [self.query[0], *self.matches[:max_matches]], compared, model)

    def plot(
        self, path: str | Path | None = None, *, max_matches: int = 8, explain: bool = False, model: Any = None
    ) -> Any:
        """The target and its matches with their scores, as a picture.

        Args:
            path: image file to write
            max_matches: at most this many matches
            explain: show under each match, by :meth:`explain`, where in its box it looks like the query, and what each
                part of the vectors gives to its score
            model: the model that made the vectors, for ``explain``

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._plots import plot_matches

        return plot_matches([self], path, max_matches=max_matches, explain=explain, model=model)

    def plot_features(self, path: str | Path | None = None, *, max_matches: int = 6, model: Any = None) -> Any:
        """What was compared, as a picture: :meth:`features` over the target's whole image and over the matches.

        Args:
            path: image file to write
            max_matches: at most this many matches
            model: the model that made the vectors, for :meth:`features`

        Returns:
            a matplotlib ``Figure``; see :func:`fiftyone_simfind.plot_features`
        """
        from fiftyone_simfind._features import plot_features

        return plot_features([self], path, max_matches=max_matches, model=model)

    def _what_was_compared(self) -> Compared:
        if self._compared is None:
            raise OptionError("these results do not say what was compared; explain those that simfind.search gives")
        return self._compared
