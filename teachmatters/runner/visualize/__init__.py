"""``tm visualize``: attention of single images."""
