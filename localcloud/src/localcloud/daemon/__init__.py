"""The process that serves the AWS API and runs the clusters."""
