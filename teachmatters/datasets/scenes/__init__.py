"""The bundled world: images of jointed things, drawn by code, with everything known about them."""
