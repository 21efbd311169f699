"""One forward pass over the images: schedule, loading, device, and the preflight check."""
