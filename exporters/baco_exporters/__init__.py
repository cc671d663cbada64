"""From a source to a bundle: fetch, export through Optimum, compare with PyTorch, write."""
