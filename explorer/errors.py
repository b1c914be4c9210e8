"""What the server refuses, with the status that the reply has."""

from dnnlib.util import UserError


class Refused(UserError):
    """A request that is not fulfilled: one sentence that says what to do.

    Args:
        text: The sentence.
        status: HTTP status of the reply.
        more: {name: value} beside `error` in the reply.
    """

    def __init__(self, text, status=400, more=None):
        super().__init__(text)
        self.status, self.more = status, more or {}
