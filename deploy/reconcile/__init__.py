"""`make reconcile`: counts whether the four databases agree, and tells what is still on its way from what is lost."""
