"""Every operation of every service, whatever is sent to it and whoever sends it: no 5xx, and never an undescribed answer."""
