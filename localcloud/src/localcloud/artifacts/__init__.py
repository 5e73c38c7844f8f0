"""Programs and container images, which are downloaded or built once and cached."""
