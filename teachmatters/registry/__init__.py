"""Find, check and look up by name."""

from teachmatters.registry.names import SUITES, Registry, Request, load
from teachmatters.registry.plugins import HOOKS, Plugin, load_object

__all__ = ["HOOKS", "SUITES", "Plugin", "Registry", "Request", "load", "load_object"]
