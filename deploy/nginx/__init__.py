"""The templates of the gateway's configuration, and what the gateway answers by itself."""
