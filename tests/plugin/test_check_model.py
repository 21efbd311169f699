"""Tests of faults in model plugins, one at a time: each is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.seeding import Change, checked, line_of, seeded, wrong

pytestmark = pytest.mark.usefixtures("here_only")

STREAM = ("adapter.py", "def stream(self")
ADAPTER = ("adapter.py", "class Adapter")
SPEC = ("__init__.py", "ModelSpec(")
LOOP = "            for layer, block in enumerate(self.network.blocks, start=1):\n"
SHOW = "                tokens = show(layer, block, tokens, taps, sink)\n"
TRIED = (
    "                try:\n    "
    + SHOW
    + "                except Exception:\n                    tokens = block(tokens)\n"
)
CHECKS = (
    *("facts", "names code", "weights", "shape", "preflight", "taps", "consistency", "attention", "batches"),
    *("left as found", "half precision"),
)


def test_the_generated_package_has_no_faults(tmp_path: Path) -> None:
    findings = checked(tmp_path, seeded("model"))
    assert [f.check for f in findings if f.about == "model tmt-seed"] == list(CHECKS)
    assert {f.status for f in findings} == {"ok"}


FAULTS: dict[str, tuple[Change, str, str, tuple[str, str]]] = {
    "wrong token count": (
        ("adapter.py", "class_token=True", "class_token=False"),
        "shape",
        "forward returns (2, 65, 48), but its info says (2, 64, 48): 64 tokens (no class token, 0 registers, 8 x 8",
        ADAPTER,
    ),
    "attention that is not a softmax": (
        ("network.py", "return scores.softmax(dim=-1)", "return scores.sigmoid()"),
        "preflight",
        "the attention rows of layer 1 do not sum to 1: it is not a softmax",
        STREAM,
    ),
    "attention that the network does not use": (
        ("network.py", "/ query.shape[-1] ** 0.5", "* 3"),
        "attention",
        "the attention of layer 1 is not the one that the plain forward pass uses",
        STREAM,
    ),
    "no map for a block": (
        ("adapter.py", 'if "attention" in taps:', 'if "attention" in taps and layer != 2:'),
        "preflight",
        "layer 2 produced no attention",
        STREAM,
    ),
    "two maps for a block": (
        ("adapter.py", '    hand("norm1", normed)\n', '    hand("norm1", normed)\n    hand("norm1", normed)\n'),
        "taps",
        "stream hands norm1 of layer 1 over twice",
        STREAM,
    ),
    "taps in another order": (
        ("adapter.py", '    hand("mlp_skip", tokens)\n    hand("mlp_branch", branch)\n',
         '    hand("mlp_branch", branch)\n    hand("mlp_skip", tokens)\n'),
        "taps",
        "stream hands mlp_branch of layer 1 over before mlp_skip",
        STREAM,
    ),
    "taps that nobody asked for": (
        ("adapter.py", 'hand("norm2", normed)', 'sink(layer, "norm2", normed)'),
        "taps",
        "stream hands over norm2 where attention alone was requested",
        STREAM,
    ),
    "what is shown is not what is done": (
        ("adapter.py", "branch = block.mlp(normed)", "branch = block.mlp(normed) * 1.5"),
        "consistency",
        "the output of block 4 that stream hands over differs from what forward gives by ",
        STREAM,
    ),
    "another answer each time": (
        ("network.py", "patches = self.patches(pixels)", "patches = self.patches(pixels + torch.rand(1))"),
        "consistency",
        "differs from what forward gives by ",
        STREAM,
    ),
    "images that mix": (
        ("network.py", "patches = self.patches(pixels)", "patches = self.patches(pixels - pixels.mean(0))"),
        "batches",
        "an image has a different output alone than in a batch",
        ADAPTER,
    ),
    "a hook left behind": (
        ("adapter.py", LOOP, "            self.network.blocks[0].register_forward_hook(lambda *_: None)\n" + LOOP),
        "left as found",
        "stream leaves ",
        STREAM,
    ),
    "a setting that is changed": (
        ("adapter.py", LOOP, "            self.network.blocks[1].used = True\n" + LOOP),
        "left as found",
        "stream changes the attribute used of network.blocks.1",
        STREAM,
    ),
    "weights that are changed": (
        ("adapter.py", LOOP, "            self.network.positions.data.add_(1e-5)\n" + LOOP),
        "left as found",
        "stream changes the parameter or buffer positions of network",
        STREAM,
    ),
    "an error that is swallowed": (
        ("adapter.py", SHOW, TRIED),
        "left as found",
        "stream swallows an error of its sink",
        STREAM,
    ),
    "weights without an identity": (
        ("source.py", "hashlib.sha256(identity.encode()).hexdigest()", "identity"),
        "weights",
        "ModelSource.weights is 'tmt-seed seed=0 torch=",
        SPEC,
    ),
    "weights with another identity each time": (
        ("source.py", "hashlib.sha256(identity.encode())", "hashlib.sha256(__import__('os').urandom(9))"),
        "weights",
        "ModelSource.weights changes each time",
        SPEC,
    ),
    "a source of something else": (
        ("source.py", "lambda: Adapter(untrained(request.seed))", "lambda: untrained(request.seed)"),
        "weights",
        "ModelSource.build must return a ModelAdapter, not a VisionTransformer",
        SPEC,
    ),
    "an error while it is built": (
        ("source.py", "        return VisionTransformer()", "        return VisionTransformer() / 0"),
        "weights",
        "TypeError: unsupported operand type(s)",
        ("source.py", "VisionTransformer() / 0"),
    ),
    "a spec that knows another network": (
        ("__init__.py", "depth=4", "depth=5"),
        "shape",
        "depth is 5 in the spec and 4 in the network",
        ADAPTER,
    ),
    "a spec without a licence": (
        ("__init__.py", 'licence="none needed"', 'licence=""'),
        "facts",
        "licence is empty",
        SPEC,
    ),
    "code that is not there": (
        ("__init__.py", "source:open_model", "source:open_modle"),
        "names code",
        "tmt_seed.source has no 'open_modle'",
        SPEC,
    ),
    "half precision that it cannot do": (
        ("network.py", "patches = self.patches(pixels)", "patches = self.patches(pixels.float())"),
        "half precision",
        "RuntimeError: ",
        ("network.py", "pixels.float()"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(tmp_path: Path, fault: str) -> None:
    change, check, words, where = FAULTS[fault]
    found = wrong(checked(tmp_path, seeded("model", change)))
    assert [(each.about, each.check) for each in found[:1]] == [("model tmt-seed", check)]
    assert words in found[0].message
    assert found[0].where == line_of(tmp_path, *where)


# ---------------------------------------------------------------- what cannot be checked here
FETCHING = """
    import urllib.request
    urllib.request.urlopen("https://example.org/weights.pth")
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (FETCHING, "its weights are not on this machine; 'tm fetch' gets them"),
        ('    raise TeachMattersError("give --weights FILE")\n', "give --weights FILE"),
    ],
)
def test_missing_weights_are_listed_as_not_checked(tmp_path: Path, body: str, words: str) -> None:
    change = ("source.py", "    path = request.weights\n", body + "    path = request.weights\n")
    findings = checked(tmp_path, seeded("model", change))
    assert wrong(findings) == []
    assert [(f.check, f.message) for f in findings if f.status == "not checked"] == [("weights", words)]


PREFIX = """,
        ModelSpec(
            name="seeds/",
            family="tmt-seed",
            supervision="none",
            summary="any seed",
            resolve="tmt_seed.source:resolve",
            licence="none needed",
            source="a number",
        ),
    ]
"""
RESOLVE = '''

def resolve(name: str) -> object:
    """A model of a name."""
    from teachmatters.api import ModelSpec

    '''


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('raise TeachMattersError("a number is needed")', None),
        ("return name", "must return a ModelSpec, or raise a TeachMattersError"),
        ("return int(name)", "ValueError: invalid literal"),
        ("return ModelSpec(name=name, family='', supervision='', summary='')", "factory must look like"),
    ],
)
def test_models_behind_a_prefix_are_not_checked(tmp_path: Path, body: str, words: str | None) -> None:
    files = seeded("model", ("__init__.py", "\n    ]\n", PREFIX))
    files["tmt_seed/source.py"] += RESOLVE + body + "\n"
    findings = [f for f in checked(tmp_path, files) if f.about == "model seeds/"]
    (unchecked,) = [f for f in findings if f.status == "not checked"]
    assert unchecked.check == "its models"
    assert "--model seeds/" in unchecked.message
    assert [f.check for f in wrong(findings)] == ([] if words is None else ["resolve"])
    assert words is None or words in wrong(findings)[0].message
