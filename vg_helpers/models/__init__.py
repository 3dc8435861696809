"""VGG-19 and AlexNet: layer names, weights, classifiers and feature extractors."""
