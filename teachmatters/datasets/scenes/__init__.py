"""The bundled world: pictures of jointed things, drawn by code, with everything known about them."""
