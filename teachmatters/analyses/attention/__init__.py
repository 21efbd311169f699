"""Analyses of attention: how a network attends."""
