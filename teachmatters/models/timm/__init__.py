"""The networks, configs and names of timm."""
