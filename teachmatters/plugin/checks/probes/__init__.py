"""Instruments that the checks share."""
