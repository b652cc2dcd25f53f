"""The intermediate representations: Graph, Kernel, Program."""
