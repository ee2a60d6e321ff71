"""The public promises of each service: its events and the read models it offers, one file per producer."""
