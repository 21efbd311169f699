"""The contract of a plugin, part by part: what is wrong is told in plain words, with the line where it can be found."""
