"""Readouts: which vectors of a layer an analysis reads, and the parameters by which users choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from teachmatters.api.model import ModelInfo, Tap
from teachmatters.api.parameter import Parameter, Parameters
from teachmatters.errors import TeachMattersError

# With B inputs, T tokens and C channels:
#
# - ``cls``, ``mean`` (B, C): the class token, and the mean of the patch tokens;
# - ``cls+mean`` (B, 2 C): both, the class token first;
# - ``auto`` (B, C): ``cls`` where the model has a class token, else ``mean``;
# - ``tokens`` (B, T, C): all tokens, for analyses of patches.
Feature: TypeAlias = Literal["auto", "cls", "mean", "cls+mean", "tokens"]

Norm: TypeAlias = Literal["none", "final"]

FEATURE = Parameter(
    name="feature",
    kind="str",
    default="auto",
    choices=("auto", "cls", "mean", "cls+mean"),
    summary="vector of an image: cls (class token), mean (of the patch tokens), cls+mean; auto: cls, else mean",
    omit_default=True,
    several=True,
)
TAP = Parameter(
    name="tap",
    kind="str",
    default="block",
    choices=("block", "norm1", "norm2", "attn_branch", "mlp_branch", "mlp_hidden"),
    summary="where in the block the tokens are read; mlp_hidden: the input of the MLP's last linear layer",
    omit_default=True,
    several=True,
)
NORM = Parameter(
    name="norm",
    kind="str",
    default="none",
    choices=("none", "final"),
    summary="final: apply the network's own last norm to the block's output, at every layer",
    omit_default=True,
    several=True,
)
SHORT_SIDE = Parameter(
    name="short_side",
    kind="int",
    default=None,
    minimum=1,
    summary="short side of the image before the central crop, in pixels; by default the model's size",
    omit_default=True,
    several=True,
)


@dataclass(frozen=True, slots=True)
class Readout:
    """The vectors that are read at a layer.

    Attributes:
        feature: the vectors that are made of the tokens.
        tap: where in the block the tokens are read.
        norm: ``final``: the network's last norm is applied to every token before anything is pooled; where the
            network itself norms after pooling (``ModelInfo.last_norm`` is ``pooled``), to the pooled vector.

    Raises:
        TeachMattersError: ``norm`` is ``final`` and the tap is not ``block``.

    >>> Readout.of({"feature": "cls+mean", "norm": "final"})
    Readout(feature='cls+mean', tap='block', norm='final')
    """

    feature: Feature = "auto"
    tap: Tap = "block"
    norm: Norm = "none"

    def __post_init__(self) -> None:
        if self.norm == "final" and self.tap != "block":
            raise TeachMattersError(
                f"norm=final with tap={self.tap}: the last norm applies only to the output of a block; use "
                "tap=block, or leave out norm=final"
            )

    @classmethod
    def of(cls, parameters: Parameters, feature: Feature | None = None) -> Readout:
        """Return the readout that parameters choose: FEATURE, TAP and NORM, each where it is declared.

        Args:
            parameters: the parameters of the analysis.
            feature: in place of the parameter ``feature``.
        """
        chosen = feature or parameters.get("feature", "auto")
        return cls(chosen, parameters.get("tap", "block"), parameters.get("norm", "none"))

    def parts(self, model: ModelInfo) -> tuple[Readout, ...]:
        """Return the readouts, each of one feature, whose vectors this one joins on a model."""
        if self.feature == "cls+mean":
            return replace(self, feature="cls"), replace(self, feature="mean")
        if self.feature == "auto":
            return (replace(self, feature="cls" if model.class_token else "mean"),)
        return (self,)

    def lacking(self, model: ModelInfo) -> str:
        """Return what this readout needs and the model lacks, such as ``a class token``; empty if nothing."""
        if not model.class_token and self.feature in ("cls", "cls+mean"):
            return "a class token"
        return "" if self.tap in model.taps else f"the tap {self.tap}"

    def width(self, model: ModelInfo) -> int:
        """Return the channels of a vector."""
        return len(self.parts(model)) * (model.mlp_width if self.tap == "mlp_hidden" else model.width)
