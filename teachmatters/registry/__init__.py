"""Finds plugins, checks their specs and looks them up by name."""

from teachmatters.registry.names import AnalysisRequest, Registry, load
from teachmatters.registry.plugins import HOOKS, Plugin
from teachmatters.registry.references import call, load_object
from teachmatters.registry.validate import SUITES

__all__ = ["HOOKS", "SUITES", "AnalysisRequest", "Plugin", "Registry", "call", "load", "load_object"]
