"""``tm datasets NAME --preview``: a contact sheet of whatever a data set offers."""

from teachmatters.runner.preview.sheet import contact_sheet, write_preview

__all__ = ["contact_sheet", "write_preview"]
