"""Training methods, one module each: networks, groups, stages and pictures of one GAN."""

PUBLISHED = 'training.methods.stylegan2.stylegan2'  # of a training without `method_args`, as in the original release
