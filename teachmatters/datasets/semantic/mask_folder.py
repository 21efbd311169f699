"""Any folder of images next to a folder of masks."""

from __future__ import annotations

from pathlib import Path

from teachmatters.api import DatasetRequest, Role
from teachmatters.datasets.folders.layout import layout_of
from teachmatters.datasets.folders.listing import ImageTree, files_below
from teachmatters.datasets.semantic.masked_images import MaskedImages
from teachmatters.errors import TeachMattersError

IMAGES, MASKS, NAMES = "images", "masks", "classes.txt"


def open_mask_folder(request: DatasetRequest) -> MaskedImages:
    """Open a folder with images/, masks/ and perhaps classes.txt, a name a line from class 0 on.

    A mask has its image's path below masks/, with the suffix .png. Folders in images/ that are named like splits are
    splits, as in ``folder``: train is the gallery, val or test holds the queries.

    Raises:
        TeachMattersError: there is no root or no image, or classes.txt cannot be read.
    """
    if request.root is None:
        raise TeachMattersError(f"mask-folder needs a folder with {IMAGES}/ and {MASKS}/; name it with --data-root DIR")
    root = request.root
    layout = layout_of(ImageTree(root / IMAGES))
    parts: dict[Role, list[str]] = {
        role: _images(root, layout.folders.get(part, "")) for role, part in layout.parts.items()
    }
    if not all(parts.values()):
        raise TeachMattersError(f"no images below {root / IMAGES}; name the folder that holds {IMAGES}/ and {MASKS}/")
    return MaskedImages(
        root,
        parts,
        lambda key: Path(MASKS, *Path(key).parts[1:]).with_suffix(".png").as_posix(),
        _names(root / NAMES),
        split=layout.parts["all"] or "all",
    )


def _images(root: Path, folder: str) -> list[str]:
    below = f"{IMAGES}/{folder}" if folder else IMAGES
    return sorted(f"{below}/{name}" for name, _ in files_below(root / below))


def _names(path: Path) -> list[str] | None:
    if not path.is_file():
        return None
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TeachMattersError(f"cannot read {path} ({error}); write the name of each class on a line") from None
    if len(set(names)) < len(names) or not 0 < len(names) < 256:
        raise TeachMattersError(f"{path} has {len(names)} names; write 1 to 255 different ones, from class 0 on")
    return names
