"""The host of the local cloud: files, processes, ports of the loopback interface."""
