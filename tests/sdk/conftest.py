# FiftyOne must not be imported here at the top: pytest loads this file before the environment is set.
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Five plain images without labels."""
    import fiftyone as fo

    rng = np.random.default_rng(51)
    paths = []
    for number in range(5):
        path = tmp_path / f"photo {number}.png"
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=path) for path in paths])
    yield dataset
    dataset.delete()


@pytest.fixture
def indexed(toys):
    """The toys with an index on them."""
    import fiftyone_simfind as simfind

    simfind.build_index(toys, "objects")
    return toys


@pytest.fixture
def ids(indexed):
    """The label ids of the indexed toys, in the order of ``TOYS``."""
    return indexed.values("objects.detections.id", unwind=True)
