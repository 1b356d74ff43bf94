"""Data sets by name, checked when they are made, cut into subsets and batches."""

from .dataset import LOADERS, NAMES, Dataset, batches, folders, load, subset_per_class

__all__ = ["LOADERS", "NAMES", "Dataset", "batches", "folders", "load", "subset_per_class"]
