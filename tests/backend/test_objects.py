import fiftyone.core.utils as fou
import numpy as np
import pytest

from fiftyone_simfind.backend.objects import decode, encode


@pytest.mark.parametrize("length", [0, 1, 7, 512])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_fiftyone_reads_vectors_as_we_write_them(length, kind):
    vector = np.random.default_rng(length).normal(size=length).astype(kind)
    found = fou.deserialize_numpy_array(encode(vector))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, vector)


def test_vectors_are_read_as_we_and_as_fiftyone_write_them():
    for length in (3, 5, 3):  # what was found out about one length is not taken for another
        vector = np.random.default_rng(length).normal(size=length).astype(np.float32)
        for written in (encode(vector), fou.serialize_numpy_array(vector)):
            np.testing.assert_array_equal(decode(written), vector)


def test_a_row_of_a_matrix_and_every_other_number_are_written_as_they_are():
    matrix = np.random.default_rng(51).normal(size=(4, 6)).astype(np.float32)
    for vector in (matrix[:, 2], matrix[1, ::2]):
        np.testing.assert_array_equal(decode(encode(vector)), vector)


def test_a_vector_is_written_as_it_is_and_not_made_smaller():
    vector = np.zeros(512, np.float32)
    assert vector.tobytes() in encode(vector)
