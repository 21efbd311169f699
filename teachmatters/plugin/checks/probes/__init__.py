"""Probes that the checks share."""
