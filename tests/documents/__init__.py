"""Documents: what people hold in their hands."""
