"""teachmatters: what did this way of training teach this vision transformer?"""

from teachmatters.hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl"]
