import numpy as np
import pytest
from PIL import Image

from fiftyone_simfind.models.images import read

RED, BLUE = (200, 30, 30), (20, 40, 190)


@pytest.fixture
def two_halves():
    """Left half red, right half blue; 40 x 20 pixels."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    return image


def assert_two_halves(image):
    assert image.shape == (20, 40, 3)
    assert image.dtype == np.uint8
    for column, color in ((10, RED), (30, BLUE)):
        np.testing.assert_allclose(image[10, column, ::-1], color, atol=14)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif"])
def test_every_format_gives_the_same_picture(tmp_path, two_halves, suffix):
    path = tmp_path / f"a.{suffix}"
    two_halves.save(path)
    assert_two_halves(read(str(path)))


@pytest.mark.parametrize("name", ["with space.png", "größe.png", "写真.png", 'a\'b "c".png', "100%.png"])
def test_any_file_name_will_do(tmp_path, two_halves, name):
    two_halves.save(tmp_path / name)
    assert_two_halves(read(str(tmp_path / name)))


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_exif_orientation_is_applied(tmp_path, two_halves, orientation, undo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    two_halves.transpose(undo).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert_two_halves(read(str(tmp_path / "a.jpg")))


def test_cmyk_looks_as_in_a_viewer(tmp_path, two_halves):
    two_halves.convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert_two_halves(read(str(tmp_path / "a.jpg")))


def test_rgba_loses_its_alpha(tmp_path, two_halves):
    two_halves.convert("RGBA").save(tmp_path / "a.png")
    assert_two_halves(read(str(tmp_path / "a.png")))


def test_a_palette_becomes_colours(tmp_path, two_halves):
    two_halves.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.gif")
    assert_two_halves(read(str(tmp_path / "a.gif")))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_becomes_three_equal_channels(tmp_path, mode):
    Image.new("L", (8, 4), 255).convert(mode).save(tmp_path / "a.png")
    assert (read(str(tmp_path / "a.png")) == 255).all()
    assert read(str(tmp_path / "a.png")).shape == (4, 8, 3)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_become_eight(tmp_path, suffix):
    Image.fromarray(np.full((4, 8), 0x80FF, np.uint16)).save(tmp_path / f"a.{suffix}")
    assert (abs(read(str(tmp_path / f"a.{suffix}")).astype(int) - 0x80) <= 1).all()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.png"):
        read(str(tmp_path / "gone.png"))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0" + b"0" * 50])
def test_what_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(OSError, match="is no image that OpenCV can read"):
        read(str(tmp_path / "a.jpg"))
