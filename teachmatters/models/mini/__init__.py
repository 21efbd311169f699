"""Six small models of one architecture, trained on ``scenes``, which differ only in the supervision.

This folder holds their weights and a card for each; ``tm train`` of plugins/teachmatters-train made them.
"""
