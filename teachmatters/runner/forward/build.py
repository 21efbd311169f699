"""Building a network and checking that it can be analysed."""

from __future__ import annotations

from teachmatters.api import ModelAdapter, ModelSource
from teachmatters.runner.forward.device import full_precision, out_of_memory
from teachmatters.runner.forward.preflight import preflight_check
from teachmatters.runner.forward.settings import PassSettings


def build_model(source: ModelSource, settings: PassSettings) -> ModelAdapter:
    """Build the network, move it to the device and run the preflight check.

    Raises:
        TeachMattersError: the network cannot be built, or is not a plain vision transformer.
    """
    with out_of_memory(), full_precision():
        adapter = source.build()
        adapter.to(settings.device, settings.dtype)
        preflight_check(adapter, settings.device, settings.dtype)
    return adapter
