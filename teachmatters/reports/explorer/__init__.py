"""An HTML file in which one looks at the attention of every layer and head, patch by patch."""
