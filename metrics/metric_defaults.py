"""The table of metrics: name to class and settings. Any number of images has a name: `fid5k`, `pr1k3`, `ppl_wend2k`."""

import re

from dnnlib import EasyDict, UserError
from dnnlib.arguments import did_you_mean

_PPL = dict(func_name='metrics.perceptual_path_length.PPL', epsilon=1e-4, minibatch_per_gpu=4,
            Gs_overrides=dict(dtype='float32', mapping_dtype='float32', num_fp16_res=0))
_FID = dict(func_name='metrics.frechet_inception_distance.FID', minibatch_per_gpu=8)
_KID = dict(func_name='metrics.kernel_inception_distance.KID', minibatch_per_gpu=8)
_PR = dict(func_name='metrics.precision_recall.PR', nhood_size=3, minibatch_per_gpu=8, row_batch_size=10000,
           col_batch_size=10000)
_MIFID = dict(func_name='metrics.memorization.MiFID', minibatch_per_gpu=8, epsilon=0.1, max_reals=200000)
_OF_NETWORKS = (_PPL['func_name'], 'metrics.linear_separability.LS', 'metrics.intra_fid.IntraFID')
_WITH_REALS = (_FID['func_name'], _KID['func_name'], _PR['func_name'], _MIFID['func_name'], 'metrics.nearest.Nearest',
               'metrics.intra_fid.IntraFID')
_CATS = 'metrics.cats_oracle.CatsOracle'  # translations of what create_cats_pairs of dataset_tool.py makes
_DOMAIN_CATS = 'metrics.domain_cats.DomainCats'  # the same of create_cats_domains
_DOMAIN_FID, _DOMAIN_LPIPS = 'metrics.domains.DomainFID', 'metrics.domains.DomainLPIPS'
_BETWEEN_DOMAINS = (_DOMAIN_CATS, _DOMAIN_FID, _DOMAIN_LPIPS)
MAX_NUM_IMAGES = 10 ** 7
_EFFNET = dict(extractor='effnetlite0')

# Name with the place of the number, number that the name means without one (None = there is no such name), settings.
_METRICS = (
    ('fid{}', None, _FID),
    ('ifid{}', None, dict(func_name='metrics.intra_fid.IntraFID', minibatch_per_gpu=8)),  # images of each class
    ('is{}', None, dict(func_name='metrics.inception_score.IS', num_splits=10, minibatch_per_gpu=8)),
    ('kid{}', None, _KID),
    ('pr{}3', None, _PR),
    ('fid{}_full', None, dict(_FID, max_reals=MAX_NUM_IMAGES)),  # against all reals, as in StyleGAN2-ADA
    ('kid{}_full', None, dict(_KID, max_reals=1000000)),
    ('pr{}3_full', None, dict(_PR, max_reals=200000)),
    ('ls{}', 200000, dict(func_name='metrics.linear_separability.LS', attrib_indices=range(40), minibatch_per_gpu=4)),
    ('ppl_zfull{}', 50000, dict(_PPL, space='z', sampling='full', crop=True)),
    ('ppl_wfull{}', 50000, dict(_PPL, space='w', sampling='full', crop=True)),
    ('ppl_zend{}', 50000, dict(_PPL, space='z', sampling='end', crop=True)),
    ('ppl_wend{}', 50000, dict(_PPL, space='w', sampling='end', crop=True)),
    ('ppl2_wend{}', 50000, dict(_PPL, space='w', sampling='end', crop=False)),
    ('fd{}_effnetlite0', 50000, dict(_FID, **_EFFNET)),
    ('kid{}_effnetlite0', 50000, dict(_KID, **_EFFNET)),
    ('pr{}3_effnetlite0', None, dict(_PR, **_EFFNET)),
    ('mifid{}', None, _MIFID),
    ('mifid{}_effnetlite0', None, dict(_MIFID, **_EFFNET)),
    ('nearest{}', 50000, dict(func_name='metrics.nearest.Nearest', num_fakes=24, num_neighbors=3,
                              minibatch_per_gpu=8)),
    ('cats{}', 200, dict(func_name=_CATS)),
    ('domains_fid{}', 1000, dict(func_name=_DOMAIN_FID, minibatch_per_gpu=8)),  # pictures of each domain to test with
    ('domains_lpips{}', 1000, dict(func_name=_DOMAIN_LPIPS)),
    ('domains_cats{}', 100, dict(func_name=_DOMAIN_CATS)),
)


class MetricTable(EasyDict):
    """Name of a metric to its settings; names with another number of images are understood as well."""

    def __contains__(self, name):
        return super().__contains__(name) or _find(name) is not None

    def __missing__(self, name):
        found = _find(name)
        if found is None:
            raise KeyError(name)
        _, count, settings = found
        settings = EasyDict(settings, name=name)
        if 'linear_separability' in settings.func_name:
            settings.update(num_samples=count, num_keep=max(count // 2, 2))
        elif 'path_length' in settings.func_name:
            settings.update(num_samples=count)
        else:
            settings.update(num_images=count)
        return settings


LEAST_IMAGES = 1000  # with fewer, the error of a number is larger than what networks differ by
_FEW = ', and a covariance of 1280 or 2048 features is not known from fewer images than features'
_WHY = {  # what else fewer images do
    _FID['func_name']: _FEW,
    _MIFID['func_name']: _FEW,
    'metrics.inception_score.IS': ', and the inception score rises with the number of images',
    'metrics.linear_separability.LS': ', and no classifier can be fitted'}


def too_few_images(names):
    """What to say about metrics of too few images: list of lines.

    Args:
        names: Names of metrics.
    """
    lines = []
    for name in names:
        found = _find(name)
        if found is not None and found[1] < LEAST_IMAGES and (
                found[2]['func_name'] not in ('metrics.nearest.Nearest', _CATS) + _BETWEEN_DOMAINS):
            lines.append(f'Warning: {name} says nothing: of {found[1]} images its error is larger than what networks '
                         f'differ by{_WHY.get(found[2]["func_name"], "")}; use at least '
                         f'{with_num_images(name, LEAST_IMAGES)}')
    return lines


def check_names(names):
    """Raises UserError for a name that is not a metric, with the most similar one and all names."""
    for name in names:
        if name not in metric_defaults:
            known = sorted(metric_defaults)
            raise UserError(f"unknown metric {name!r}; {did_you_mean(name, known)}choose from {', '.join(known)}")


def with_num_images(name, num_images):
    """Name of the same metric with another number of images: ('pr50k3', 5000) gives 'pr5k3'; KeyError for no metric."""
    found = _find(name)
    if found is None:
        raise KeyError(name)
    count = '%dk' % (num_images // 1000) if num_images % 1000 == 0 else str(num_images)
    return found[0].format(count)


def needs_network(name):
    """Does the metric `name` measure a generator rather than pictures?"""
    return metric_defaults[name].func_name in _OF_NETWORKS


def needs_domains(name):
    """Does the metric `name` measure translations between domains?"""
    return metric_defaults[name].func_name in _BETWEEN_DOMAINS


def needs_reals(name):
    """Does the metric `name` compare with a dataset, whatever the network?"""
    return metric_defaults[name].func_name in _WITH_REALS + (_DOMAIN_FID,)


def _find(name):
    """(template, number of images, settings) of the metric `name`; `None` if there is no such metric."""
    for template, default, settings in _METRICS:
        if default is not None and name == template.format(''):
            return template, default, settings
        match = re.match(template.format('([1-9][0-9]*)(k?)') + '$', name)
        if match:
            count = int(match.group(1)) * (1000 if match.group(2) else 1)
            return (template, count, settings) if count <= MAX_NUM_IMAGES else None
    return None


_BEST = {  # results of metrics that have other names or another direction than the rest
    'metrics.inception_score.IS': {'_mean': 'highest'},
    'metrics.precision_recall.PR': {'_precision': 'highest', '_recall': 'highest'},
    'metrics.intra_fid.IntraFID': {'': 'lowest', '_worst': 'lowest'},
    'metrics.linear_separability.LS': {'_z': 'lowest', '_w': 'lowest'},
    _MIFID['func_name']: {'': 'lowest', '_fid': 'lowest'},
    'metrics.nearest.Nearest': {},
    _CATS: {'_domain': 'highest', '_eyes': 'highest', '_mouth': 'highest', '_accessory': 'highest', '_body': 'highest',
            '_l1': 'lowest', '_saturation': 'lowest', '_iou': 'highest'},  # `_edges` is best at 1
    _DOMAIN_FID: {f'_{guide}': 'lowest' for guide in ('latent', 'reference', 'label')},
    _DOMAIN_LPIPS: {'_latent': 'highest', '_reference': 'highest'},
    _DOMAIN_CATS: {'_hit': 'highest', '_l1': 'lowest', '_kept': 'highest', '_styles': 'highest',
                   '_hit_reference': 'highest', '_l1_reference': 'lowest', '_kept_reference': 'highest',
                   '_coat_reference': 'highest'}}


def best_results(name):
    """Which results of the metric `name` rank networks: {suffix of the result: 'lowest' or 'highest' is best}."""
    return _BEST.get(metric_defaults[name].func_name, {'': 'lowest'})


metric_defaults = MetricTable()
for _name in ('fid50k', 'is50k', 'kid50k', 'pr50k3', 'fid50k_full', 'kid50k_full', 'pr50k3_full', 'ls',
              'ppl_zfull', 'ppl_wfull', 'ppl_zend', 'ppl_wend', 'ppl2_wend', 'fd_effnetlite0', 'kid_effnetlite0',
              'pr50k3_effnetlite0', 'mifid10k', 'mifid10k_effnetlite0', 'nearest', 'cats', 'ifid1k', 'domains_fid',
              'domains_lpips', 'domains_cats'):
    metric_defaults[_name] = metric_defaults[_name]
