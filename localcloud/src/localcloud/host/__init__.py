"""The machine that the local cloud runs on: files, processes, ports of the loopback interface."""
