"""Suggest our name for a model that another library, its authors or a paper spell differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from teachmatters.api import ModelSpec, split_size
from teachmatters.errors import did_you_mean
from teachmatters.models.recipes import RECIPES
from teachmatters.models.timm.configs import vit_config
from teachmatters.models.timm.named import NAMED

TRANSFORMERS_ALONE = r"web[-_]?ssl|(?<![a-z])msn|data2vec"
FILES_ALONE = r"ibot|franca"
# The hub's repositories of these are not in transformers' layout.
NOT_TRANSFORMERS = r"moco|dfn|eva|tips|radio|pe[-_](core|spatial)|v[-_]?jepa|^timm/|" + FILES_ALONE
SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".npz", ".tar", ".onnx", ".h5")

# In the order of the search: a longer word comes before the words that it contains.
FAMILIES = (
    (rf"{TRANSFORMERS_ALONE}|{FILES_ALONE}|v[-_]?jepa|^mini", "none of ours"),
    (r"dino[-_ ]?v3", "dinov3"),
    (r"dino[-_ ]?v2", "dinov2"),
    (r"dino", "dino"),
    (r"siglip[-_ ]?(v?2)|siglip.*v2_webli", "siglip2"),
    (r"siglip", "siglip"),
    (r"meta[-_ ]?clip", "metaclip"),
    (r"dfn", "dfn"),
    (r"open[-_ ]?clip|datacomp|laion", "openclip"),
    (r"pe[-_ ]?spatial", "pe-spatial"),
    (r"pe[-_ ]?core|perception[-_ ]?encoder", "pe-core"),
    (r"tips", "tips2"),
    (r"deit[-_ ]?(3|iii)", "deit3"),
    (r"deit", "deit"),
    (r"eva[-_ ]?0?2", "eva02"),
    (r"i[-_]?jepa", "ijepa"),
    (r"aim[-_ ]?v2", "aimv2"),
    (r"radio.*v?4", "cradio4"),
    (r"radio", "cradio3"),
    (r"clip|openai", "clip"),
    (r"moco", "moco"),
    (r"mae", "mae"),
    (r"beit", "beit"),
    (r"augreg|supervised|google/vit", "supervised"),
)
LETTERS = {
    "tiny": "ti", "ti": "ti", "t": "ti", "small": "s", "s": "s", "base": "b", "b": "b", "large": "l", "l": "l",
    "huge": "h", "h": "h", "giant": "g", "gigantic": "g", "g": "g", "so400m": "so400m", "7b": "7b", "1b": "1b",
    "3b": "3b",
}  # fmt: skip
# Addresses of the hub that people copy names from.
ADDRESS = re.compile(r"^(https?://)?(huggingface\.co|hf\.co)/|^hf[-_]hub:")
WORDS = "tiny|small|base|large|huge|gigantic|giant|so400m|7b|1b|3b"


def suggest(given: str, specs: Sequence[ModelSpec]) -> str:
    """Suggest a known name for an unknown one.

    Args:
        given: the unknown name, in any spelling.
        specs: all models, including prefixes.

    Returns:
        one or two sentences that end in a space; empty if no model is similar.

    Raises:
        TeachMattersError: timm has a model of that name, but it cannot be read layer by layer.
    """
    if given.lower().endswith(SUFFIXES):
        return f"Give a file of weights as '--model MODEL --weights {given}'. "
    given = ADDRESS.sub("", given)
    base = split_size(given)[0]
    family, named = _named(base.removeprefix("timm/"), specs)
    meant = [f"{name}{given[len(base) :]}" for name in named[:6]]
    ways: list[str] = []
    if meant:
        ways.append(f"Did you mean {_quoted(meant)}? " if family else f"Models of that shape: {', '.join(meant)}. ")
    elif members := [spec.name for spec in specs if spec.family == family]:
        ways.append(did_you_mean(base, members))
    elif re.search(FILES_ALONE, base.lower()):
        ways.append("Give its file as '--model timm/<id> --weights FILE'. ")
    timms = base.removeprefix("timm/")
    if any(spec.name == "hf/" for spec in specs) and (hub := _of_transformers(given, base)):
        ways.append(hub)
    elif "_patch" in timms or (not named and re.fullmatch(r"[a-z]+[0-9_][a-z0-9_]*(\.[a-z0-9_]+)?", timms)):
        ways.append(_of_timm(timms, bool(named)))
    return "".join(ways)


def _of_transformers(given: str, base: str) -> str:
    """Describe what the plugin for transformers takes: a folder that is here, or a repository of the hub."""
    if (Path(base) / "config.json").is_file():
        return f"'hf/{given}' loads that folder. "
    text = base.lower()
    if re.fullmatch(r"\w[\w.-]*/[\w.-]*[a-z][\w.-]*", text) and not re.search(NOT_TRANSFORMERS, text):
        return f"'hf/{given}' loads that repository from the Hugging Face hub. "
    return "'hf/<id>' loads its repository from the Hugging Face hub. " if re.search(TRANSFORMERS_ALONE, text) else ""


def _named(given: str, specs: Sequence[ModelSpec]) -> tuple[str, list[str]]:
    """Return the family that a spelling names, if any, and the models that match it; none for a typing error."""
    known = {model.timm_id: name for name, model in NAMED.items()}
    known |= {place.removeprefix("timm/"): name for name, recipe in RECIPES.items() for place in recipe.origins[:1]}
    known |= {_letters(name): name for spec in specs for name in (spec.name, *spec.aliases) if "/" not in name}
    if same := known.get(given) or known.get(_letters(given)):
        return same, [same]
    text = given.lower()
    family = next((name for pattern, name in FAMILIES if re.search(pattern, text)), "")
    size, patch = _shape(text)
    found = [spec for spec in specs if spec.arch and _fits(spec, family, size, patch)]
    if family and not size:
        return family, [family] if found else []
    if not size or not (family or patch or "vit" in text):
        return family, []
    return family, _best(text, found)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _best(text: str, found: Sequence[ModelSpec]) -> list[str]:
    """Choose among models of one shape by the other words of the spelling."""
    registers, satellite = re.search(r"reg(isters?)?\d?(?![a-z])", text), re.search(r"sat(?![a-z])", text)
    traits = [(bool(registers), "-reg"), (bool(satellite), "-sat"), ("plus" in text, "plus")]
    alike = [spec for spec in found if all(asked == (trait in spec.name) for asked, trait in traits)]
    sides = {int(side) for side in re.findall(r"(?<!\d)(\d{3})(?!\d)", text)} - {224}
    exact = [spec.name for spec in alike if spec.image_size in sides]
    usual = [spec.name for spec in alike if not re.search(r"-\d{3}$", spec.name)]
    return exact or usual or [spec.name for spec in alike]


def _shape(text: str) -> tuple[str, str]:
    """Return the size letter and the patch size that a spelling contains, or empty strings.

    >>> _shape("dinov2_vits14_reg"), _shape("vit_small_patch14_dinov2"), _shape("vit-b/16"), _shape("deit_base")
    (('s', '14'), ('s', '14'), ('b', '16'), ('b', ''))
    """
    patch = re.search(r"patch[-_]?(\d+)", text)
    word = re.search(rf"(?<![a-z0-9])({WORDS})(?![a-z0-9])", text)
    short = re.search(r"(?:vit|[-_/ ])[-_]?(so400m|7b|1b|3b|ti|[tsblhg])[-_/]?(\d{1,2})(?!\d)", text)
    if short and not patch:
        return LETTERS[short[1]], short[2]
    alone = re.search(r"[-_]([tsblhg])$", text)
    letter = word or alone
    return LETTERS[letter[1]] if letter else "", patch[1] if patch else ""


def _fits(spec: ModelSpec, family: str, size: str, patch: str) -> bool:
    letter, _, pixels = spec.arch.removeprefix("ViT-").partition("/")
    untrained = spec.licence == "none needed"
    same_family = spec.family == family if family else not untrained
    return same_family and size in ("", letter.lower().rstrip("+")) and patch in ("", pixels)


def _of_timm(given: str, named: bool) -> str:
    """Suggest timm's model of that name or, unless the name means one of ours, of a similar name."""
    from teachmatters.models.timm.lean_timm import timm

    known = [*timm.list_models(), *timm.list_models(pretrained=True)]
    if given in known:
        vit_config(given)
        return f"'timm/{given}' is timm's model of that name. "
    return "" if named else did_you_mean(given, known).replace("'", "'timm/", 1)


def _quoted(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
