"""Six small models of one architecture and initialisation, trained on ``scenes``, each with its own supervision.

This folder holds their weights and a card for each; ``tm train`` of plugins/teachmatters-train made them.
"""
