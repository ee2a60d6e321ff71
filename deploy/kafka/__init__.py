"""Apache Kafka on a machine without Docker: what to resolve, how to configure it, and the process that runs it."""
