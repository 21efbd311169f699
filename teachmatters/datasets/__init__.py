"""The built-in data sets: what ships with scikit-image and scikit-learn, folders of images, and ImageNet."""
