"""Build functions of the networks, and the table of modules that a network file may name."""

# Where the build functions named in network files are looked up, in this order; nothing else is.
BUILD_MODULES = ('training.networks_stylegan2', 'training.networks_stylegan', 'training.networks_ada') + tuple(
    'training.networks.' + name for name in (
        'resnet', 'unet', 'patchgan', 'patch_mlp', 'pix2pixhd', 'sincut', 'ugatit', 'stargan', 'stargan2', 'fan',
        'biggan', 'biggan_deep', 'bigbigan', 'progan', 'dcgan', 'msg_stylegan', 'msg_progan', 'mlp', 'wgan', 'lapgan'))
