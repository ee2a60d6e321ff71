"""What could not be handled: how it is kept, what operators may see of it, and how it is replayed or discarded."""
