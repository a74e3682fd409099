import numpy as np
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics.ids import Lookup

# Few different bytes, and zeros among them, so that ids are equal, begin alike and end with zeros often.
one = st.lists(st.sampled_from([0, 1, 255]), min_size=12, max_size=12).map(bytes)
some = st.lists(one, max_size=30)


@given(some)
def test_ids_come_back_as_they_were(binary):
    texts = [found.hex() for found in binary]
    assert idx.to_hex(idx.pack(binary)).tolist() == texts
    assert idx.from_hex(texts).tobytes() == b"".join(binary)


@given(some)
def test_the_text_of_an_id_is_that_of_mongodb(binary):
    assert idx.to_hex(idx.pack(binary)).tolist() == [str(ObjectId(found)) for found in binary]


@given(some, some)
def test_a_lookup_is_the_naive_loop(binary, wanted):
    last = {found: place for place, found in enumerate(binary)}
    assert Lookup(idx.pack(binary)).find(idx.pack(wanted)).tolist() == [last.get(found, -1) for found in wanted]


@given(some, st.sets(one, max_size=10))
def test_a_lookup_of_all_places_is_the_naive_loop(binary, wanted):
    found = Lookup(idx.pack(binary)).find_all(idx.pack(list(wanted)))
    assert sorted(found.tolist()) == [place for place, each in enumerate(binary) if each in wanted]


@given(some)
def test_ids_sort_as_their_texts_do(binary):
    assert idx.to_hex(np.sort(idx.pack(binary))).tolist() == sorted(found.hex() for found in binary)


@pytest.mark.parametrize(
    "text", ["", "0", "no id at all", "f" * 23, "f" * 26, "g" * 24, " ".join(["ff"] * 12), None, 5]
)
def test_what_is_no_id_is_found_nowhere(text):
    there = idx.pack([b"\xff" * 12, b"\1" + b"\0" * 11])
    assert Lookup(there).find(idx.from_hex([text])).tolist() == [-1]


def test_capital_digits_are_the_same_id():
    assert idx.from_hex(["AB" * 12]).tolist() == [b"\xab" * 12]
