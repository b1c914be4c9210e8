"""Augmentation of what the discriminator sees, as functions of images and parameters."""

from training.augment.differentiable import diffaugment
from training.augment.pipeline import augment_pipeline
from training.augment.together import Together

__all__ = ['augment_pipeline', 'diffaugment', 'Together']
