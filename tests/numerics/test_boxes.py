import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiftyone_simfind.numerics import boxes as bx

relative = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(-0.5, 1.5, width=32))
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


@given(relative)
def test_a_clipped_box_lies_inside_the_image(boxes):
    clipped = bx.clip(boxes)
    assert (clipped[:, :2] >= 0).all()
    assert (clipped[:, :2] + clipped[:, 2:] <= 1 + 1e-12).all()


def test_clipping_keeps_the_part_inside():
    assert bx.clip([[-0.25, 0.5, 0.5, 1.0]]).tolist() == [[0.0, 0.5, 0.25, 0.5]]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0.1, 0.1, 0.2, 0.2], True),
        ([-0.1, -0.1, 0.2, 0.2], True),
        ([0.5, 0.5, 0.0, 0.2], False),
        ([1.1, 0.5, 0.2, 0.2], False),
        ([-0.5, 0.5, 0.4, 0.2], False),
        ([np.nan, 0.5, 0.4, 0.2], False),
    ],
)
def test_only_a_box_that_covers_part_of_the_image_has_area(box, expected):
    assert bx.has_area([box]).tolist() == [expected]


@given(relative, sizes)
def test_relative_and_absolute_boxes_are_inverses(boxes, size_wh):
    np.testing.assert_allclose(bx.to_relative(bx.to_absolute(boxes, size_wh), size_wh), boxes, atol=1e-9)


def test_absolute_boxes_are_corners_in_pixels():
    assert bx.to_absolute([[0.25, 0.5, 0.5, 0.25]], (400, 200)).tolist() == [[100, 100, 300, 150]]


def test_a_letterbox_is_where_ultralytics_puts_the_image():
    augment = pytest.importorskip("ultralytics.data.augment")
    rng = np.random.default_rng(51)
    for width, height in rng.integers(20, 900, (60, 2)).tolist():
        canvas = augment.LetterBox((640, 640), auto=bool(width % 2), stride=32)(
            image=np.zeros((height, width, 3), np.uint8)
        )
        inside = np.argwhere((canvas != 114).any(axis=2))
        (y0, x0), (y1, x1) = inside.min(axis=0), inside.max(axis=0) + 1
        assert bx.letterbox((width, height), canvas.shape[1::-1]) == (x0, y0, x1 - x0, y1 - y0), (
            width,
            height,
        )


@given(st.floats(0, 300), st.floats(1, 600), st.sampled_from([8, 16, 32]))
def test_inner_cells_are_those_whose_centres_lie_inside(start, length, stride):
    cells = 64
    first, stop = bx.inner_cells(start, length, stride, cells)
    centres = (np.arange(cells) + 0.5) * stride
    inside = np.flatnonzero((centres >= start) & (centres < start + length))
    if len(inside) and abs((start + length) / stride % 1 - 0.5) > 1e-6:
        assert (first, stop) == (inside[0], inside[-1] + 1)
    assert 0 <= first < stop <= cells


@given(relative)
def test_a_box_with_area_overlaps_itself_wholly(boxes):
    boxes = boxes[(boxes[:, 2] > 1e-3) & (boxes[:, 3] > 1e-3)]
    np.testing.assert_allclose(np.diag(bx.iou(boxes, boxes)), 1.0)


def test_iou_worked_by_hand():
    # Two unit squares, one moved by half: 1/2 in common of 3/2. And two that only touch.
    assert bx.iou([[0, 0, 1, 1]], [[0.5, 0, 1, 1], [1, 0, 1, 1]]).tolist() == [[pytest.approx(1 / 3), 0.0]]
