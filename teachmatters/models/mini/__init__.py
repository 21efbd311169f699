"""Six small models of one architecture, trained on ``scenes`` and equal in everything but the supervision.

Their weights lie in this folder, a card beside each; the command ``tm train`` of plugins/teachmatters-train made them.
"""
