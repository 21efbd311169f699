"""Find a network's weights in a file, check them against the network, convert them."""
