"""Accuracy on fixed tasks of public data, beside the models that a user would try instead."""
