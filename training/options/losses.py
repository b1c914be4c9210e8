"""`--g-loss` and `--d-loss`: published losses by name, or criteria and terms as `training.loss_names` writes them."""

import argparse

from dnnlib import UserError
from training import loss_names

BY_NAME = 'training.adversarial.{}_loss'
WITH_GAMMA = ('r1', 'r2')  # terms whose usual weight is --gamma


def add(parser, published, defaults):
    """Adds the options to an argparse parser or group.

    Args:
        published: {'G' or 'D': names of published losses that there are besides}.
        defaults: {'G' or 'D': text for the help}.
    """
    for network, of in (('G', 'generator'), ('D', 'discriminator')):
        names = ''.join(f'{name}, ' for name in published[network])
        parser.add_argument(
            f'--{network.lower()}-loss', type=_argument(network, published[network]), metavar='NAME',
            help=f'loss of the {of}: {names}{"or " if names else ""}{loss_names.help_text(network)}; if only one is '
            f'given so, the other network has the same criterion (default: {defaults[network]})')


def _argument(network, published):
    """Argument type: a published name, or a text of `loss_names`."""
    def parse(text):
        if text not in published:
            try:
                loss_names.parse(text, network)
            except UserError as error:
                known = f'; published ones are {", ".join(published)}' if published else ''
                raise argparse.ArgumentTypeError(f'{error}{known}') from None
        return text
    return parse


def is_criterion(name):
    """Is the value of an option a text of `loss_names`, rather than None or a published name?"""
    return name is not None and not name.startswith(('G_', 'D_'))


def of_criteria(args, usual, gamma):
    """The losses of both networks, if at least one was given by its criterion: {network: loss_args}.

    Args:
        args: Parsed command line with `g_loss`, `d_loss` and, if there is one, `gamma`.
        usual: {'G' or 'D': terms that the usual loss has, such as '+r1'}; a criterion that was not given has them.
        gamma: Usual weight of R1 and R2.
    Returns: Dictionary without networks whose loss was given by a published name; empty if no criterion was given.
    Raises: UserError for a gamma that nothing uses.
    """
    given = {'G': args.g_loss, 'D': args.d_loss}
    if not any(map(is_criterion, given.values())):
        return {}
    found = {}
    for network, other in (('G', 'D'), ('D', 'G')):
        text = given[network]
        if text is None:
            wanted = loss_names.parse(given[other], other)
            text = loss_names.partner(wanted.criterion, wanted.target) + usual[network]
        if is_criterion(text):
            wanted = loss_names.parse(text, network, {name: gamma for name in WITH_GAMMA})
            found[network] = dict(func_name=BY_NAME.format(network), terms=loss_names.write(wanted))
    if getattr(args, 'gamma', None) is not None and 'D' in found:
        check_gamma(args, found['D']['terms'])
    return found


def check_gamma(args, terms):
    """Raises UserError if --gamma changes nothing about the loss of D, whose text with all weights is `terms`."""
    if args.gamma == 'auto':
        raise UserError(f'--gamma=auto chooses the weight of a published loss, but D has {terms}; give the weight in '
                        '--d-loss, such as +r1:10')
    if args.d_loss is None:
        return
    one, other = (loss_names.parse(args.d_loss, 'D', {name: weight for name in WITH_GAMMA}) for weight in (1.0, 2.0))
    if one == other:
        raise UserError(f'--gamma={args.gamma}: --d-loss={args.d_loss} does not use it; give +r1 without a weight, or '
                        'the weight there instead, such as +r1:10')
