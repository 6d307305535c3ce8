"""Why an embedded server does not start."""


class CannotStart(Exception):
    """The server cannot be started; the message is a sentence that says what to do."""
