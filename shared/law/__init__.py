"""Dated, cited parameters of the law as data, and the small engine that answers from them."""
