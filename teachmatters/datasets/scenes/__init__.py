"""The bundled data set ``scenes``: generated images of articulated objects, with complete annotations."""
