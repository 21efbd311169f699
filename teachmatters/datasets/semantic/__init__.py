"""Data sets with the class of every pixel: PASCAL VOC, ADE20K, and any folder of images and masks."""
