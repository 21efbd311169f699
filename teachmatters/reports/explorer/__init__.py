"""The explorer: an HTML file that shows the attention of every layer and head, patch by patch."""
