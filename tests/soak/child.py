"""A process that prints a JSON object a line, read without ever waiting for it."""

import json
import os
import subprocess

from cluster import mortal


class Child:
    """Its errors go to a file. It ends with us, and at kill() or finish()."""

    def __init__(self, command, errors_path):
        self.errors_path = errors_path
        self.rest = b""
        with open(errors_path, "ab") as errors:
            self.process = subprocess.Popen(mortal(command), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)

    def objects(self):
        """What it printed since the last call."""
        data = self.rest
        while True:
            more = self.process.stdout.read()
            if not more:
                break
            data += more
        *lines, self.rest = data.split(b"\n")
        return [json.loads(line) for line in lines]

    def status(self):
        """The exit status; None while it runs."""
        return self.process.poll()

    def terminate(self):
        self.process.terminate()

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def errors(self):
        """The last that it complained of."""
        with open(self.errors_path, encoding="utf-8", errors="replace") as text:
            return " | ".join(text.read().splitlines()[-4:])
