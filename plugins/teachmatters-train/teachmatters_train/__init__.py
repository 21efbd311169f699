"""The command ``tm train``: six kinds of supervision for one small vision transformer."""
