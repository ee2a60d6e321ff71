"""What goes over intake's wire."""
