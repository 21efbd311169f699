"""The built-in models: any timm vision transformer, and the named families with their official weights."""
