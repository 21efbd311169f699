"""The command ``tm train``: train one small vision transformer with six kinds of supervision."""
