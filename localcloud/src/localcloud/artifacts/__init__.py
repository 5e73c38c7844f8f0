"""Programs and container images that are downloaded or built once and cached."""
