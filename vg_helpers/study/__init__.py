"""A study kit: a page that asks people about pictures, and what their answers say."""
