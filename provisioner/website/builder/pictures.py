"""Pictures as browsers want them: turned upright, without what the camera noted (places, names), in several widths as WebP,
and once as JPEG (or PNG where it has holes) for a browser that knows no WebP.

Debian 12 and 13 ship a Pillow without AVIF (it came with 11.3), so none is made: the office's server and a technician's laptop
make the same files. A made picture's name is its source's hash, so that pages are the same wherever they are built.
"""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .problems import Problem, problem
from .source import slug

if TYPE_CHECKING:
    from PIL.Image import Image

RECIPE = "1"  # of another recipe all pictures are made anew
WIDTHS = (480, 800, 1200)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")  # a JPEG with a second picture in it (MPO) is opened as a JPEG is
PIXEL_LIMIT = 60_000_000  # decoded; a telephone's best camera has 50 million
QUALITIES = (74, 62, 50, 40, 30)
FIRST_SEEN_BYTES = 40_000  # a page's own picture with its page and style stays below 60 kB over the wire
OTHER_BYTES = 120_000


@dataclass(frozen=True)
class Picture:
    """A source picture and what is made of it: files of the release by width, the fallback, the size to lay out."""

    name: str
    digest: str
    width: int
    height: int
    stem: str
    holes: bool
    lead: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths made: never more than the source has."""
        return tuple(w for w in WIDTHS if w < self.width) + ((self.width,) if self.width <= WIDTHS[-1] else ())

    def file(self, width: int) -> str:
        """The release's file of one width."""
        return f"assets/{self.stem}-{width}.webp"

    @property
    def fallback(self) -> str:
        """The release's file for browsers without WebP."""
        return f"assets/{self.stem}-{self.largest}.{'png' if self.holes else 'jpg'}"

    @property
    def largest(self) -> int:
        """The width of the fallback."""
        return max((w for w in self.widths if w <= WIDTHS[1]), default=self.widths[0])

    def height_at(self, width: int) -> int:
        """The height that goes with a width."""
        return max(1, round(self.height * width / self.width))

    def files(self) -> list[str]:
        """All files of the release made from it."""
        return [*map(self.file, self.widths), self.fallback]


@contextlib.contextmanager
def _strictly() -> Iterator[None]:
    """Pillow without patience for torn and endless pictures, whatever else set it up: WeasyPrint takes torn ones for whole."""
    from PIL import Image, ImageFile

    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = PIXEL_LIMIT, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def look(name: str, path: Path, digest: str, lead: bool) -> Picture | Problem:
    """Judge a picture by its head alone: its format, its size; nothing is decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _strictly(), Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # EXIF 2.32 §4.6.4: lies on its side
                width, height = height, width
            holes = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return problem(name, 0, "too_many_pixels", limit=PIXEL_LIMIT // 1_000_000)
    except UnidentifiedImageError:
        return _unknown(name, path)
    except Exception:
        return problem(name, 0, "broken_picture")
    if width * height > PIXEL_LIMIT:
        return problem(name, 0, "too_many_pixels", limit=PIXEL_LIMIT // 1_000_000)
    stem = f"{slug(Path(name).stem)[:40].strip('-') or 'picture'}-{digest[:10]}{'a' if lead else ''}"
    return Picture(name, digest, width, height, stem, holes, lead)


def _unknown(name: str, path: Path) -> Problem:
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12: what telephones save as HEIC, whatever it is called
        return problem(name, 0, "foreign_picture", format=head[8:12].decode("ascii", "replace").strip().upper())
    return problem(name, 0, "broken_picture")


def make(picture: Picture, path: Path, cache: Path) -> Problem | None:
    """Make all files of one picture in the cache, under the names of the release; what is there already stays."""
    from PIL import Image

    try:
        with _strictly():
            with Image.open(path, formats=FORMATS) as opened:
                opened.draft("RGB", (WIDTHS[-1], WIDTHS[-1]))  # a JPEG is decoded at half or a quarter of its size
                image = _upright(opened)
            small = image
            for width in sorted(picture.widths, reverse=True):
                small = small.resize((width, picture.height_at(width)), Image.Resampling.LANCZOS, reducing_gap=2.0)
                limit = FIRST_SEEN_BYTES if picture.lead else OTHER_BYTES
                _keep(cache / Path(picture.file(width)).name, _webp(small, limit))
                if width == picture.largest:
                    _keep(cache / Path(picture.fallback).name, _plain(small, picture.holes))
    except Exception:
        return problem(picture.name, 0, "broken_picture")
    return None


def _upright(image: "Image") -> "Image":
    from PIL import ImageCms, ImageOps

    icc = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image) or image
    holes = turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info
    plain = turned.convert("RGBA" if holes else "RGB")
    if icc and turned.mode == "RGB":
        try:
            found = ImageCms.profileToProfile(plain, io.BytesIO(icc), ImageCms.createProfile("sRGB"))
            plain = found or plain
        except ImageCms.PyCMSError:
            pass  # a profile that is none: the colours are taken as they are
    plain.info.clear()
    return plain


def _webp(image: "Image", limit: int) -> bytes:
    content = b""
    for quality in QUALITIES:
        to = io.BytesIO()
        image.save(to, "WEBP", quality=quality, method=3)
        content = to.getvalue()
        if len(content) <= limit:
            break
    return content


def _plain(image: "Image", holes: bool) -> bytes:
    to = io.BytesIO()
    if holes:
        image.save(to, "PNG", optimize=False)
    else:
        image.save(to, "JPEG", quality=78, progressive=True)
    return to.getvalue()


def _keep(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.rename(path)


def make_all(pictures: Iterable[tuple[Picture, Path]], cache: Path) -> list[Problem]:
    """Make what the cache lacks, on all processors where it is much."""
    import os
    from concurrent.futures import ProcessPoolExecutor

    lacking = [(one, path) for one, path in pictures if not all((cache / Path(f).name).is_file() for f in one.files())]
    workers = min(len(os.sched_getaffinity(0)), len(lacking))
    if workers < 2 or len(lacking) < 4:
        made = [make(one, path, cache) for one, path in lacking]
    else:
        with ProcessPoolExecutor(workers) as pool:
            made = list(pool.map(make, *zip(*lacking, strict=True), [cache] * len(lacking), chunksize=4))
    return [one for one in made if one]
