"""The table of metrics: name to class and settings."""

from dnnlib import EasyDict

_PPL = dict(func_name='metrics.perceptual_path_length.PPL', num_samples=50000, epsilon=1e-4, minibatch_per_gpu=4,
            Gs_overrides=dict(dtype='float32', mapping_dtype='float32'))

metric_defaults = EasyDict((args['name'], EasyDict(args)) for args in [
    dict(name='ppl_zfull', space='z', sampling='full', crop=True, **_PPL),
    dict(name='ppl_wfull', space='w', sampling='full', crop=True, **_PPL),
    dict(name='ppl_zend', space='z', sampling='end', crop=True, **_PPL),
    dict(name='ppl_wend', space='w', sampling='end', crop=True, **_PPL),
    dict(name='ppl2_wend', space='w', sampling='end', crop=False, **_PPL),
])
