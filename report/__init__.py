"""The report: the chain of notebooks, and the PDF and web page made of them."""
