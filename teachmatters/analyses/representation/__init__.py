"""Analyses of representations: what the layers hold."""
