"""What ``read_image`` takes, and what it refuses."""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import ImageError

PIXELS = np.random.default_rng(51).integers(0, 255, (6, 8, 3), dtype=np.uint8)
PICTURE = Image.fromarray(np.kron(PIXELS, np.ones((8, 8, 1), np.uint8)))  # 64 wide, 48 high


def content(picture=PICTURE, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb_png(width, height, rows=b""):
    """A few bytes that claim to be a large image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bomb_text():
    text = b"comment\0\0" + zlib.compress(bytes(50_000_000))
    plain = bomb_png(8, 8)
    return plain[:33] + chunk(b"zTXt", text) + plain[33:]


def bomb_webp(side):
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bomb_gif(side):
    return (
        b"GIF89a"
        + struct.pack("<HH", side, side)
        + b"\0\0\0"
        + b","
        + struct.pack("<HHHH", 0, 0, side, side)
        + b"\0\x02"
    )


def bomb_bmp(side):
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(head), 0, 0, 54) + head


def jpeg_of_scans(more):
    """A JPEG that goes through its pixels again and again; here each time takes 40 ms."""
    whole = content(Image.new("L", (7000, 7000), 100), "JPEG", progressive=True)
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * more + whole[-2:]


def a_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", content(kind="JPEG"))
    return file.getvalue()


HOSTILE = {
    "empty": (b"", "is empty; give a JPEG"),
    "text": (b"hello, I am a photo", "is a text file"),
    "html": (b"\n<!DOCTYPE html><html><script>alert(1)</script>", "is a web page"),
    "html without a head": (b"<html><body><img src=x onerror=alert(1)>", "is a web page"),
    "svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "svg with entities": (b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>", "an SVG drawing"),
    "zip": (a_zip(), "is a ZIP archive"),
    "pdf": (b"%PDF-1.7\n1 0 obj", "is a PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run", "is a PostScript file"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC or AVIF image"),
    "ppm": (b"P6 60000 60000 255\n", "no image of a kind|a text file"),
    "video": (b"RIFF\x24\0\0\0AVI LIST" + bytes(40), "no image of a kind"),
    "icon": (content(kind="ICO"), "no image of a kind"),
    "noise": (np.random.default_rng(5).bytes(2000), "no image of a kind"),
    "zeros": (bytes(5000), "no image of a kind"),
    "cut off jpeg": (content(kind="JPEG")[:-300], "is cut off or broken"),
    "head of a jpeg": (content(kind="JPEG")[:20], "cut off|broken"),
    "cut off png": (content()[:-100], "is cut off or broken"),
    "png with a wrong checksum": (content()[:60] + b"\xff\xff\xff" + content()[63:], "cut off|broken"),
    "cut off webp": (content(kind="WEBP")[:-40], "cut off|broken"),
    "cut off tiff": (content(kind="TIFF")[:-40], "cut off|broken"),
    "cut off bmp": (content(kind="BMP")[:-40], "is cut off or broken"),
    "png that claims 60000 x 60000": (bomb_png(60_000, 60_000), "60,000 x 60,000 pixels"),
    "png that claims 8000 x 8000": (bomb_png(8000, 8000), "8,000 x 8,000 pixels, and 50,000,000 are allowed"),
    "png that claims two thousand million rows": (bomb_png(1, 2**31 - 1), "1 x 2,147,483,647 pixels"),
    "png of no width": (bomb_png(0, 10), "broken|no image"),
    "png with a bomb in its comment": (bomb_text(), "broken"),
    "webp that claims 16383 x 16383": (bomb_webp(16383), "pixels|broken|no image"),
    "gif that claims 65535 x 65535": (bomb_gif(65535), "65,535 x 65,535 pixels"),
    "bmp that claims 30000 x 30000": (bomb_bmp(30_000), "30,000 x 30,000 pixels"),
    "large image in a small file": (content(Image.new("1", (9000, 9000))), "9,000 x 9,000 pixels"),
    "jpeg that is scanned a hundred thousand times": (jpeg_of_scans(100_000), "would take very long to decode"),
    "jpeg of a million comments": (b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000, "would take very long to decode"),
    "tiff of floats": (content(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "pixels are of the kind F"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason(name):
    data, reason = HOSTILE[name]
    with pytest.raises(ImageError, match=reason) as caught:
        simfind.read_image(data)
    assert isinstance(caught.value, ValueError)
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [name for name in HOSTILE if "claims" in name])
def test_a_bomb_takes_no_memory(name, tmp_path):
    (tmp_path / "bomb").write_bytes(HOSTILE[name][0])
    code = (
        "import resource, sys, fiftyone_simfind as simfind; simfind.read_image; import PIL.Image as P; P.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: simfind.read_image(sys.argv[1])\n"
        "except simfind.ImageError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "bomb"], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30_000 * (1024 if sys.platform == "darwin" else 1)


KINDS = {
    "jpeg": content(kind="JPEG", quality=95),
    "progressive jpeg": content(kind="JPEG", quality=95, progressive=True),
    "gray jpeg": content(PICTURE.convert("L"), "JPEG", quality=95),
    "cmyk jpeg": content(PICTURE.convert("CMYK"), "JPEG", quality=95),
    "png": content(),
    "palette": content(PICTURE.quantize(64)),
    "transparent": content(PICTURE.convert("RGBA")),
    "gray and transparent": content(PICTURE.convert("LA")),
    "black and white": content(PICTURE.convert("1")),
    "16 bit": content(Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 256 + 91)),
    "webp": content(kind="WEBP", quality=90),
    "animated webp": content(kind="WEBP", save_all=True, append_images=[PICTURE.rotate(180)], lossless=True),
    "gif": content(kind="GIF"),
    "animated gif": content(kind="GIF", save_all=True, append_images=[PICTURE.rotate(180)]),
    "bmp": content(kind="BMP"),
    "tiff": content(kind="TIFF", compression="tiff_lzw"),
    "16 bit tiff": content(Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 256 + 91), "TIFF"),
    "1 x 1": content(Image.new("RGB", (1, 1), (7, 8, 9))),
}


def test_a_jpeg_may_hold_others_and_whatever_follows_it():
    """Thumbnails, second pictures and videos lie in the files of cameras; their scans are not its own."""
    inner = jpeg_of_scans(60)[:20_000]
    exif = Image.Exif()
    exif[0x010E] = "x" * 100
    photo = content(kind="JPEG", exif=exif, comment=b"\xff\xda" * 1000) + inner * 100 + b"\xff\xda" * 1000
    assert np.array_equal(simfind.read_image(photo), simfind.read_image(content(kind="JPEG")))


@pytest.mark.parametrize("name", KINDS)
def test_an_image_has_the_pixels_that_a_model_sees_in_its_file(name, tmp_path):
    from fiftyone_simfind.models import images

    path = tmp_path / "photo"
    path.write_bytes(KINDS[name])
    pixels = simfind.read_image(path)
    expected = images.read(str(path))[..., ::-1]
    assert (pixels.dtype, pixels.shape) == (np.uint8, expected.shape)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied_as_for_a_model(kind, orientation, tmp_path):
    from fiftyone_simfind.models import images

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{kind.lower()}"
    PICTURE.save(path, kind, exif=exif)
    pixels, expected = simfind.read_image(path), images.read(str(path))[..., ::-1]
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_as_wide_and_high_as_fiftyone_shows_it(orientation, tmp_path):
    import fiftyone as fo

    exif = Image.Exif()
    exif[0x0112] = orientation
    PICTURE.save(tmp_path / "photo.jpg", exif=exif)
    shown = fo.ImageMetadata.build_for(str(tmp_path / "photo.jpg"))
    assert simfind.read_image(tmp_path / "photo.jpg").shape == (shown.height, shown.width, 3)


def test_what_is_unknown_is_not_given_to_the_open_that_installs_packages(monkeypatch):
    """ultralytics puts such a one in the place of PIL's."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("PIL.Image.open was called"))
    for data, _ in HOSTILE.values():
        with pytest.raises(ImageError):
            simfind.read_image(data)
    assert simfind.read_image(content()).shape == (48, 64, 3)


def test_the_first_picture_of_an_animation_is_taken():
    assert np.array_equal(simfind.read_image(KINDS["animated webp"]), np.asarray(PICTURE))


@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview, "path", "picture", "array"])
def test_an_image_comes_as_path_bytes_picture_or_array(kind, tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(content())
    sources = {str: str(path), "path": path, "picture": PICTURE, "array": np.asarray(PICTURE)}
    source = sources[kind] if kind in sources else kind(content())
    assert np.array_equal(simfind.read_image(source), np.asarray(PICTURE))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "a NoneType is no image"),
        (17, "a int is no image"),
        ([1, 2], "a list is no image"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\) and type uint8"),
        (np.zeros((4, 4, 3)), "type float64"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        ("", '"." is a folder'),
        ("no such file.jpg", 'there is no file "no such file.jpg"'),
        ("zero\0byte.jpg", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("/dev/zero", '"/dev/zero" is a device'),
        ("https://example.com/a.jpg", "is an address; give simfind.fetch_image"),
    ],
)
def test_what_is_no_image_is_named(source, reason):
    with pytest.raises(ImageError, match=reason):
        simfind.read_image(source)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        simfind.read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="is a device"):
        simfind.read_image(tmp_path / "pipe")


def test_no_more_is_read_of_a_large_file_than_tells_that_it_is(tmp_path):
    path = tmp_path / "large.png"
    with open(path, "wb") as file:
        file.truncate(2**40)  # takes no room
    with pytest.raises(ImageError, match='large.png" has more than 20 MB'):
        simfind.read_image(path)


def test_the_limits_can_be_set():
    size = len(content())
    assert simfind.read_image(content(), max_bytes=size, max_pixels=64 * 48).shape == (48, 64, 3)
    with pytest.raises(ImageError, match="has more than"):
        simfind.read_image(content(), max_bytes=size - 1)
    with pytest.raises(ImageError, match="64 x 48 pixels, and 3,071 are allowed"):
        simfind.read_image(content(), max_pixels=64 * 48 - 1)
    with pytest.raises(ImageError, match="64 x 48 pixels"):
        simfind.read_image(np.asarray(PICTURE), max_pixels=64 * 48 - 1)
    with pytest.raises(ImageError, match="64 x 48 pixels"):
        simfind.read_image(PICTURE, max_pixels=64 * 48 - 1)


def test_a_picture_that_somebody_opened_is_checked_before_it_is_decoded():
    with Image.open(io.BytesIO(bomb_png(9000, 9000))) as picture, pytest.raises(ImageError, match="9,000 x 9,000"):
        simfind.read_image(picture)
