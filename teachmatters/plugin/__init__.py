"""Tools for plugin authors: the packages of ``tm plugin new`` and the checks of ``tm plugin check``."""
