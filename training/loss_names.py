"""Losses as they are called on the command line, such as `rals:0.9+r1:10`: a criterion and what is added to it.

TensorFlow is not needed; `training.adversarial` computes them.
"""

import math
from collections import OrderedDict
from typing import NamedTuple

from dnnlib.arguments import did_you_mean
from dnnlib.util import UserError

SMOOTHED = ('logistic_ns', 'logistic_saturating', 'lsgan', 'lsgan_half', 'lsgan_sigmoid', 'rals', 'rals_nohalf',
            'rlsgan')
RELATIVISTIC = ('rsgan', 'rlsgan', 'rhinge', 'ragan', 'rals', 'rahinge', 'ragan_nohalf', 'rals_nohalf',
                'rahinge_nohalf')
CRITERIA = SMOOTHED[:5] + ('lsgan_of_mean', 'lsgan_sigmoid_of_mean', 'hinge', 'wgan') + RELATIVISTIC
# Whose D learns from every fake, whatever its score, so that G can learn from the same gradient.
ONE_STAGE = ('logistic_ns', 'logistic_saturating', 'lsgan', 'lsgan_half', 'lsgan_sigmoid', 'wgan')
TERMS_IN_ONE_STAGE = dict(G=('orthogonal',), D=('r1', 'gp', 'lp', 'dragan', 'drift', 'orthogonal'))  # of TERMS
LOGISTIC = ('logistic_ns', 'logistic_saturating')  # whose scores are logits
SIGNED = LOGISTIC + ('hinge',)  # where the sign of a score says what an image is taken for


class Term(NamedTuple):
    """What can be added to a criterion."""
    weight: float   # its usual one
    losses: str     # networks that have it: 'D', 'G' or 'GD'
    has_norm: bool = False  # does a second number say what norm of the gradient costs nothing?


TERMS = OrderedDict([
    ('r1', Term(10.0, 'D')),             # half the squared gradient at reals (Mescheder et al. 2018)
    ('r2', Term(10.0, 'D')),             # the same at fakes
    ('gp', Term(10.0, 'D', True)),       # norm of the gradient between reals and fakes (Gulrajani et al. 2017)
    ('lp', Term(10.0, 'D', True)),       # the same, only where it is too large (Petzka et al. 2018)
    ('dragan', Term(10.0, 'D', True)),   # norm of the gradient near reals (Kodali et al. 2017)
    ('drift', Term(0.001, 'D')),         # squared scores of reals (Karras et al. 2018)
    ('orthogonal', Term(0.0001, 'GD')),  # products of different columns of kernels (Brock et al. 2019)
    ('ac', Term(1.0, 'GD')),             # auxiliary classifier (Odena et al. 2017)
    ('ac_reals', Term(1.0, 'D')),        # the same of reals only (Gulrajani et al. 2017)
    ('pl', Term(2.0, 'G')),              # path lengths (Karras et al. 2019b)
])


PLAIN_TERMS = tuple(name for name in TERMS if name not in ('ac', 'ac_reals', 'pl'))  # that any networks can have


class Loss(NamedTuple):
    """What a text stands for."""
    criterion: str  # one of CRITERIA
    target: float   # of scores of reals; 1 = no label smoothing
    terms: OrderedDict  # name -> (weight, target norm of the gradient)

    @property
    def needs_reals(self):
        """Does the generator's loss depend on scores of reals?"""
        return self.criterion in RELATIVISTIC


def parse(text, network, weights=None):
    """The Loss that a text stands for.

    Args:
        text: `CRITERION[:TARGET]`, then any number of `+TERM[:WEIGHT[:NORM]]`.
        network: 'G' or 'D', whose loss it is.
        weights: {name of a term: usual weight}, where it differs from TERMS.
    Raises: UserError.
    """
    first, *others = str(text).split('+')
    criterion, *numbers = first.split(':')
    if criterion not in CRITERIA:
        raise UserError(f'loss {text!r}: unknown criterion {criterion!r}; {did_you_mean(criterion, CRITERIA)}choose '
                        f'from {", ".join(CRITERIA)}')
    if numbers and (criterion not in SMOOTHED or len(numbers) > 1):
        raise UserError(f'loss {text!r}: a target such as :0.9 is for {", ".join(SMOOTHED)} only')
    found = OrderedDict()
    for other in others:
        name, *values = other.split(':')
        known = [key for key, term in TERMS.items() if network in term.losses]
        if name not in known or name in found:
            raise UserError(f'loss {text!r}: {"twice the" if name in found else "unknown"} term {name!r}; '
                            f'{did_you_mean(name, known)}the loss of {network} can have {", ".join(known)}')
        if len(values) > 1 + TERMS[name].has_norm:
            raise UserError(f'loss {text!r}: too many numbers after {name}')
        if {name} | set(found) >= {'ac', 'ac_reals'}:
            raise UserError(f'loss {text!r}: ac and ac_reals exclude each other')
        values = [_number(text, value) for value in values]
        usual = [(weights or {}).get(name, TERMS[name].weight), 1.0]
        found[name] = tuple(values + usual[len(values):])
        if found[name][1] == 0:
            raise UserError(f'loss {text!r}: the norm that costs nothing must be above 0')
    return Loss(criterion, _number(text, numbers[0]) if numbers else 1, found)


def check_terms(text, network, known):
    """Raises UserError if a text asks for a term that is not among those of a method."""
    foreign = sorted(set(parse(text, network).terms) - set(known))
    if foreign:
        raise UserError(f'loss {text!r}: the term {foreign[0]} is not for these networks; they can have '
                        f'{", ".join(name for name in known if network in TERMS[name].losses)}')


def _number(text, value):
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UserError(f'loss {text!r}: expected a number of at least 0, got {value!r}')
    return number


def write(loss):
    """The text that stands for a Loss, with all weights."""
    parts = [loss.criterion + ('' if loss.target == 1 else ':' + _text(loss.target))]
    for name, (weight, norm) in loss.terms.items():
        parts.append(f'{name}:{_text(weight)}' + ('' if norm == 1 else ':' + _text(norm)))
    return '+'.join(parts)


def _text(number):
    """A number with all of its digits, a whole one without a point."""
    return repr(int(number) if number == int(number) else float(number))


def partner(criterion, target=1):
    """The loss of the other network that goes with a criterion, as a text; only relativistic ones share the target."""
    return write(Loss(criterion, target if criterion in RELATIVISTIC else 1, {}))


def help_text(network):
    """What `--g-loss` or `--d-loss` can be besides published names, for a help text."""
    terms = ', '.join(name for name, term in TERMS.items() if network in term.losses)
    example = 'lsgan:0.9+r1:10' if network == 'D' else 'rals:0.9+orthogonal'
    return f'a criterion ({", ".join(CRITERIA)}) and terms ({terms}), such as {example}'


def check_one_stage(text, network):
    """The Loss that a text stands for, of OSGAN, which trains both networks in one stage.

    Args:
        text, network: See `parse`.
    Raises: UserError for a loss that can't be trained so.
    """
    loss = parse(text, network)
    if loss.criterion not in ONE_STAGE:
        raise UserError(f'loss {text!r} of {network}: {loss.criterion} needs two stages; give --stages=2, or one of '
                        f'{", ".join(ONE_STAGE)}')
    for term in loss.terms:
        if term not in TERMS_IN_ONE_STAGE[network]:
            raise UserError(f'loss {text!r}: the term {term} of {network} needs --stages=2')
    return loss
