import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from fiftyone_simfind.models import roi
from fiftyone_simfind.models.maps import Level, Levels, Seen
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import color
from fiftyone_simfind.numerics import masks as mk
from fiftyone_simfind.numerics.parts import names

LEVELS = Levels(Level(6, 16, 5), (Level(7, 32, 6), Level(8, 32, 7)), classes=4)
SIZE_WH, CANVAS_WH = (300, 200), (640, 448)  # letterboxed by 2.133 to 640 x 427: rows of padding above and below
SIZES_WH = [SIZE_WH] * 2


def make_seen(batch=2, canvas_wh=CANVAS_WH, seed=51) -> Seen:
    generator = torch.Generator().manual_seed(seed)

    def rand(channels, stride):
        return torch.rand(batch, channels, canvas_wh[1] // stride, canvas_wh[0] // stride, generator=generator)

    layers = {level.layer: rand(level.channels, level.stride) for level in LEVELS.maps}
    pixels = torch.randint(0, 256, (batch, canvas_wh[1], canvas_wh[0], 3), generator=generator, dtype=torch.uint8)
    return Seen(pixels, layers, [rand(4, 8) * 8 - 6, rand(4, 16) * 8 - 6])


def all_maps(seen: Seen) -> list[torch.Tensor]:
    return [*seen.layers.values(), *seen.scores]


@pytest.fixture
def seen():
    return make_seen()


@pytest.fixture
def boxes():
    rng = np.random.default_rng(51)
    corner = rng.uniform(-0.2, 0.8, (9, 2))
    return [
        np.hstack([corner[:5], rng.uniform(0.25, 0.6, (5, 2))]),
        np.hstack([corner[5:], rng.uniform(0.25, 0.6, (4, 2))]),
    ]


def cells_of(late, *, middle=None, scores=None, pixels=None, size=100.0) -> roi.Cells:
    """The cells of one box: ``late`` is ``(c, BINS, BINS)``; what is not given is the same everywhere."""
    flat = torch.ones(1, 3, roi.BINS, roi.BINS)
    return roi.Cells(
        flat if middle is None else middle[None],
        [late[None]],
        [] if scores is None else [scores[None]],
        torch.full((1, 3, roi.PIXELS, roi.PIXELS), 0.5) if pixels is None else pixels[None],
        torch.tensor([size]),
    )


def block(vectors, name, number=0):
    """The numbers of one run of a vector."""
    part = [part for part in roi.parts(LEVELS) if part.name == name][number]
    return vectors[..., part.start : part.stop]


# Vectors of boxes


def channels_last(feature):
    return feature.to(memory_format=torch.channels_last)


def part_of_rows(feature):
    """As engines give a level of a head: images further apart than the level is long."""
    batch, channels, height, width = feature.shape
    rows = torch.full((batch, height * width + 7, channels), float("nan"))
    level = rows[:, 3 : 3 + height * width].transpose(1, 2).unflatten(2, (height, width))
    return level.copy_(feature)


def part_of_lines(feature):
    """As torch gives a level of a head."""
    batch, channels, height, width = feature.shape
    lines = torch.full((batch, channels, height * width + 7), float("nan"))
    return lines[..., 3 : 3 + height * width].unflatten(2, (height, width)).copy_(feature)


@pytest.mark.parametrize("lay_out", [channels_last, part_of_rows, part_of_lines, torch.Tensor.double])
def test_how_maps_lie_in_memory_makes_no_difference(seen, boxes, lay_out):
    expected = roi.pool(seen, LEVELS, SIZES_WH, boxes)
    other = Seen(seen.pixels, {k: lay_out(m) for k, m in seen.layers.items()}, [lay_out(m) for m in seen.scores])
    for got, want in zip(roi.pool(other, LEVELS, SIZES_WH, boxes), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_padding_never_enters_a_vector(seen):
    everywhere = [np.array([[0, 0, 1, 1], [0, 0, 1, 0.01], [0, 0.99, 1, 0.01], [-1, -1, 3, 3]])] * 2
    expected = roi.pool(seen, LEVELS, SIZES_WH, everywhere)
    for feature in all_maps(seen):
        stride = CANVAS_WH[0] // feature.shape[3]
        content = bx.letterbox(SIZE_WH, CANVAS_WH)
        first, stop = bx.inner_cells(content.top, content.height, stride, feature.shape[2])
        assert first > 0 or stop < feature.shape[2] or stride == 32, "the case has padding"
        feature[:, :, :first] = 1e9
        feature[:, :, stop:] = float("nan")
    seen.pixels[:, : content.top] = seen.pixels[:, content.top + content.height :] = 255
    for got, want in zip(roi.pool(seen, LEVELS, SIZES_WH, everywhere), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_every_vector_has_length_one(seen, boxes):
    for vectors in roi.pool(seen, LEVELS, SIZES_WH, boxes):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_parts_are_the_whole_vector_in_order(seen, boxes):
    parts = roi.parts(LEVELS)
    assert names(parts) == ["look", "shape", "kind"]
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == roi.pool(seen, LEVELS, SIZES_WH, boxes)[0].shape[1]


def test_vectors_stay_with_their_boxes(seen, boxes):
    together = roi.pool(seen, LEVELS, SIZES_WH, boxes)
    for image, of_image in enumerate(boxes):
        for row, box in enumerate(of_image):
            alone = [np.empty((0, 4))] * 2
            alone[image] = box[None]
            found = roi.pool(seen, LEVELS, SIZES_WH, alone)[image][0]
            np.testing.assert_allclose(found, together[image][row], atol=1e-5)


def test_the_order_of_boxes_is_the_order_of_vectors(seen, boxes):
    order = [3, 0, 4, 2, 1]
    found = roi.pool(seen, LEVELS, SIZES_WH, [boxes[0][order], boxes[1]])[0]
    np.testing.assert_allclose(found, roi.pool(seen, LEVELS, SIZES_WH, boxes)[0][order], atol=1e-6)


@pytest.mark.parametrize("box", [[0.2, 0.2, 0, 0.5], [0.2, 0.2, -0.1, 0.5], [1.2, 0, 0.3, 1], [np.nan, 0, 1, 1]])
def test_a_box_with_no_area_inside_the_image_has_no_vector(seen, box):
    vectors = roi.pool(seen, LEVELS, SIZES_WH, [np.array([box, [0, 0, 1, 1]]), np.empty((0, 4))])[0]
    assert np.isnan(vectors[0]).all()
    assert not np.isnan(vectors[1]).any()


def test_what_lies_beyond_the_border_does_not_count(seen):
    boxes = [np.array([[-0.5, -0.5, 1, 1], [0, 0, 0.5, 0.5]]), np.empty((0, 4))]
    vectors = roi.pool(seen, LEVELS, SIZES_WH, boxes)[0]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_a_box_is_pooled_where_it_lies():
    seen = make_seen(1, (640, 640))
    seen.pixels[:] = torch.tensor([25, 25, 230])
    seen.pixels[:, :, 320:] = torch.tensor([230, 25, 25])
    left, right = roi.pool(seen, LEVELS, [(640, 640)], [np.array([[0, 0, 0.45, 1], [0.55, 0, 0.45, 1]])])[0]
    table = color.table()
    for vector, rgb in ((left, (0.9, 0.1, 0.1)), (right, (0.1, 0.1, 0.9))):
        red, green, blue = (int(value * color.STEPS) for value in rgb)
        expected = table[(red * color.STEPS + green) * color.STEPS + blue]
        found = block(vector, "look")
        np.testing.assert_allclose(found / np.linalg.norm(found), expected / np.linalg.norm(expected), atol=1e-4)


@pytest.fixture
def aligned(boxes):
    """Boxes on two images without padding, where cutting it off makes no difference: as a grid, and torchvision's."""
    size_wh = (640, 448)
    some, image_ids = bx.clip(np.concatenate(boxes)), np.repeat([0, 1], [5, 4])
    rois = np.column_stack([image_ids, bx.to_absolute(some, size_wh)]).astype(np.float32)
    return roi.Grid(np.array([[0, 0, *size_wh]] * len(some)), some, image_ids), torch.from_numpy(rois)


def test_maps_are_sampled_as_torchvisions_roi_align_does(aligned):
    grid, rois = aligned
    feature = torch.randn(2, 5, 28, 40, generator=torch.Generator().manual_seed(3))
    expected = roi_align(feature, rois, roi.BINS, 1 / 16, sampling_ratio=2, aligned=True)
    for layout in (torch.contiguous_format, torch.channels_last):
        for found in roi._align([feature.to(memory_format=layout)] * 2, 640, grid):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_pixels_are_sampled_as_torchvisions_roi_align_does(aligned):
    grid, rois = aligned
    pixels = torch.randint(0, 256, (2, 448, 640, 3), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    rgb = pixels.permute(0, 3, 1, 2).flip(1) / 255
    expected = roi_align(rgb, rois, roi.PIXELS, sampling_ratio=1, aligned=True)
    torch.testing.assert_close(roi._look_at(pixels, grid), expected, atol=1e-4, rtol=1e-4)


def test_images_of_many_sizes_on_canvases_of_one_shape_are_pooled_each_by_its_own(boxes):
    sizes, seen = [(300, 200), (640, 448)], make_seen()
    together = roi.pool(seen, LEVELS, sizes, boxes)
    for row, size in enumerate(sizes):
        alone = Seen(
            seen.pixels[row : row + 1],
            {layer: feature[row : row + 1] for layer, feature in seen.layers.items()},
            [score[row : row + 1] for score in seen.scores],
        )
        np.testing.assert_allclose(roi.pool(alone, LEVELS, [size], [boxes[row]])[0], together[row], atol=1e-5)


# Which cells are the object


def scene(object_cells, noise=0.05, channels=16, seed=0):
    """Late features of a box: one direction on the object, another all around, and some noise."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.zeros(channels, roi.BINS, roi.BINS)
    features[0] = 1
    features[0][object_cells] = 0
    features[1][object_cells] = 1
    return features + noise * torch.randn(features.shape, generator=generator)


def test_weights_have_sum_one():
    weights = roi.object_weights(torch.rand(5, 8, roi.BINS, roi.BINS))
    torch.testing.assert_close(weights.sum(dim=(1, 2)), torch.ones(5))


def test_cells_unlike_the_border_count_more():
    inside = torch.zeros(roi.BINS, roi.BINS, dtype=torch.bool)
    inside[2:5, 1:4] = True
    weights = roi.object_weights(scene(inside)[None])[0]
    assert weights[inside].sum() > 0.85  # of 9 cells in 49


def test_in_a_box_without_contrast_cells_count_by_their_distance_from_the_centre():
    weights = roi.object_weights(torch.ones(1, 8, roi.BINS, roi.BINS))[0]
    distance = torch.hypot(*torch.meshgrid(*[torch.arange(-3.0, 4.0)] * 2, indexing="ij")).flatten()
    assert torch.equal(
        weights.flatten()[distance.argsort()].sort(descending=True).values,
        weights.flatten()[distance.argsort(stable=True)],
    )


def test_the_background_does_not_change_the_shape_of_what_stands_before_it():
    inside = torch.zeros(roi.BINS, roi.BINS, dtype=torch.bool)
    inside[2:5, 2:5] = True
    found = []
    for background in (0.0, 3.0):
        middle = torch.full((2, roi.BINS, roi.BINS), background)
        middle[0][inside], middle[1][inside] = 1.0, 0.2
        cells = cells_of(scene(inside), middle=middle)
        vector = roi.describe(cells, roi.object_weights(cells.late[-1])[:, None])[0, 0]
        part = vector[color.DIM : color.DIM + 2]
        found.append(part / np.linalg.norm(part))
    assert found[0] @ found[1] > 0.97


# How much each part counts


# Masks


def left_half():
    grid = np.zeros((mk.GRID, mk.GRID), np.float32)
    grid[:, : mk.GRID // 2] = 1
    return grid


def test_a_mask_that_fills_its_box_leaves_the_distance_from_the_centre():
    cells = cells_of(scene(torch.zeros(roi.BINS, roi.BINS, dtype=torch.bool)))
    full = np.array([np.ones((mk.GRID, mk.GRID), np.float32), None], object)[:1]
    weights, pixels = roi.weigh(cells, full)
    np.testing.assert_allclose(weights[0, 0], roi._centre() / roi._centre().sum(), rtol=1e-5)
    np.testing.assert_allclose(pixels[0, 0], roi._resized(roi._centre()[None, None], roi.PIXELS)[0, 0], rtol=1e-5)


def test_what_lies_outside_of_a_mask_does_not_count():
    masks = np.array([left_half(), None], object)[:1]
    late, middle = torch.rand(8, roi.BINS, roi.BINS), torch.rand(5, roi.BINS, roi.BINS)
    pixels, scores = torch.rand(3, roi.PIXELS, roi.PIXELS), torch.rand(4, roi.BINS, roi.BINS)
    vectors = []
    for other in (0.0, 1.0):
        for cells in (late, middle, scores):
            cells[:, :, 4:] = other  # the middle column lies in both halves
        pixels[:, :, roi.PIXELS // 2 :] = other
        cells = cells_of(late, middle=middle, scores=scores, pixels=pixels)
        vectors.append(roi.describe(cells, *roi.weigh(cells, masks))[0, 0])
    np.testing.assert_allclose(*vectors, atol=1e-6)


def test_masks_of_others_do_not_change_a_vector(seen, boxes):
    expected = np.concatenate(roi.pool(seen, LEVELS, SIZES_WH, boxes))
    masks = [[None, left_half(), None, left_half(), None], None]
    found = np.concatenate(roi.pool(seen, LEVELS, SIZES_WH, boxes, masks))
    same = (found == expected).all(axis=1)
    assert same.tolist() == [True, False, True, False] + [True] * 5
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_an_empty_mask_is_none(seen, boxes):
    empty = np.zeros((mk.GRID, mk.GRID), np.float32)
    found = roi.pool(seen, LEVELS, SIZES_WH, boxes, [[empty] * 5, [empty] * 4])
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(roi.pool(seen, LEVELS, SIZES_WH, boxes)))


def test_a_mask_of_a_box_with_no_area_is_no_error(seen):
    boxes = [np.array([[1.2, 0, 0.3, 1], [0.1, 0.1, 0.5, 0.5]]), np.empty((0, 4))]
    found = roi.pool(seen, LEVELS, SIZES_WH, boxes, [[left_half(), left_half()], None])
    assert np.isnan(found[0][0]).all()
    np.testing.assert_array_equal(
        found[0][1], roi.pool(seen, LEVELS, SIZES_WH, [boxes[0][1:], boxes[1]], [[left_half()], None])[0][0]
    )


def lengths(**options):
    """Lengths of the runs of a vector, by what they hold."""
    scores = torch.full((4, roi.BINS, roi.BINS), -9.0)
    scores[1] = options.pop("logit", -9.0)
    middle = torch.rand(2, roi.BINS, roi.BINS, generator=torch.Generator().manual_seed(1))
    cells = cells_of(torch.rand(7, roi.BINS, roi.BINS), scores=scores, middle=middle, **options)
    vector = roi.describe(cells, roi.object_weights(cells.late[-1])[:, None])[0, 0]
    runs = np.split(vector, np.cumsum([color.DIM, 2, 2, 7]))
    return dict(zip(["color", "middle", "spread", "late", "class"], map(np.linalg.norm, runs), strict=True))


def test_parts_count_as_their_lengths_say():
    found = lengths()
    given = {"color": roi.COLOR, "middle": roi.MIDDLE, "spread": roi.SPREAD, "late": roi.LATE}
    for name, length in given.items():
        assert found[name] / found["color"] == pytest.approx(length / roi.COLOR, rel=1e-5)


def class_share(**options):
    found = lengths(**options)
    return found["class"] / found["middle"]


def test_a_pattern_shows_in_the_spread_though_the_mean_is_the_same():
    stripes = torch.full((2, roi.BINS, roi.BINS), 0.5)
    stripes[0, :, ::2], stripes[0, :, 1::2] = 0.0, 1.0
    plain = torch.full((2, roi.BINS, roi.BINS), 0.5)
    plain[1] += 2e-2 * torch.rand(plain[1].shape, generator=torch.Generator().manual_seed(2))
    late = torch.ones(7, roi.BINS, roi.BINS)
    vectors = []
    for middle in (stripes, plain):
        cells = cells_of(late, middle=middle)
        vectors.append(roi.describe(cells, roi.object_weights(cells.late[-1])[:, None])[0, 0])
    mean, spread = (slice(color.DIM + first, color.DIM + first + 2) for first in (0, 2))
    cosine = [a[s] @ b[s] / np.linalg.norm(a[s]) / np.linalg.norm(b[s]) for a, b in [vectors] for s in (mean, spread)]
    assert cosine[0] > 0.999
    assert cosine[1] < 0.1


def test_what_the_head_takes_it_for_counts_more_for_small_objects():
    shares = [class_share(size=size) for size in (20.0, 100.0, 400.0, 800.0)]
    assert shares[0] > shares[1] > shares[2] == pytest.approx(shares[3])


def test_what_the_head_takes_it_for_counts_more_where_it_is_sure():
    assert class_share(logit=2.0) > class_share(logit=-1.5) > class_share(logit=-6.0)


# Length of the vectors


def test_a_vector_has_at_most_512_numbers():
    wide = Levels(Level(1, 16, 768), (Level(2, 32, 1024), Level(3, 32, 1024)), classes=601)
    assert roi.parts(wide)[-1].stop <= 512


def test_narrow_networks_are_left_alone():
    assert roi.parts(LEVELS)[-1].stop == color.DIM + 5 + 5 + 6 + 7 + 4


def test_a_head_without_class_scores_has_no_part_for_them():
    assert roi.parts(LEVELS._replace(classes=0))[-1].stop == color.DIM + 5 + 5 + 6 + 7


def test_narrowing_keeps_angles_nearly():
    x = torch.randn(40, 601, generator=torch.Generator().manual_seed(3))
    narrow = roi._narrow(x, roi.KIND_DIM)
    before, after = (torch.nn.functional.normalize(v) for v in (x, narrow))
    assert narrow.shape == (40, roi.KIND_DIM)
    assert (before @ before.T - after @ after.T).abs().mean() < 0.1
