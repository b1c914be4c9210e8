"""The parser of all command lines: its errors are one line, which names what was probably meant."""

import argparse
import difflib
import re
import sys


def similar(name, known):
    """The most similar of the known names, first of those that begin like it; `None` if none resembles it.

    Case, `_` and `-` make no difference.

    Args:
        name: What a user wrote.
        known: Iterable of names.
    """
    by_form = {_form(item): item for item in known}
    longer = [form for form in by_form if form.startswith(_form(name))]
    found = difflib.get_close_matches(_form(name), longer or by_form, 1)
    return by_form[found[0]] if found else None


def did_you_mean(name, known):
    """Part of an error message: `did you mean X? `, or nothing if nothing is similar. See `similar`."""
    found = similar(name, known)
    return '' if found is None else f'did you mean {found}? '


def _form(name):
    return str(name).lower().replace('_', '-')


class ArgumentParser(argparse.ArgumentParser):
    """Parser that answers bad options with one line on standard error and exit code 2; subcommands inherit this."""

    _given = ()

    def parse_known_args(self, args=None, namespace=None):
        """As in argparse; the arguments are kept for `error`."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._given, namespace)

    def error(self, message):
        """Prints `<prog>: error: <message>` and exits with code 2; a misspelled option counts more than a missing one.

        Args:
            message: What argparse found.
        """
        message = re.sub('invalid int value: ', 'expected a whole number, got ', message)
        if re.match('unrecognized arguments|the following arguments are required|one of the arguments', message):
            message = self._misspelled() or message
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f'invalid choice: {value!r}; {did_you_mean(value, known)}choose from '
                                                 f'{", ".join(known)}')

    def _misspelled(self):
        """What to say about the first option that there is not; `None` if there is nothing to say."""
        choices = [action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        command = next((word for word in self._given if choices and word in choices[0]), None)
        if choices and command is None:
            return f'expected a command: {", ".join(choices[0])}'
        own = set(self._option_string_actions)
        known = own | (set(choices[0][command]._option_string_actions) if command else set())
        before = self._given[:self._given.index(command)] if command else []
        for word in self._given:
            name = word.split('=')[0]
            if word in before and name in known - own:
                return f'{name}: options come after the command {command}'
            if re.match('-[-a-zA-Z]..', name) and not any(option.startswith(name) for option in known):
                found = similar(name, sorted(known))
                if found is not None:
                    return f'unknown option {name}; did you mean {found}?'
        return None
