"""nsbridge: a lab of Linux containers and a bridge between two kinds of their namespaces."""
